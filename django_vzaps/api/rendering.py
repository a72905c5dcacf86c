"""JSON that can always be written, and read, whatever strangers put into it; and JSON that can be taken in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.utils.translation import gettext as _
from rest_framework import parsers, renderers
from rest_framework.exceptions import ParseError

#: Levels of what is taken in, and of what is written where writing all of it failed.
DEEPEST: Final = 100


class JSONRenderer(renderers.JSONRenderer):
    """In ASCII, because half a surrogate pair cannot be encoded; what JSON has no number for is written as text.

    What is nested too deeply to be written is left out.
    """

    ensure_ascii = True
    strict = True

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> Any:
        """``data`` as JSON."""
        try:
            return super().render(data, accepted_media_type, renderer_context)
        except (ValueError, RecursionError):
            return super().render(_writable(data), accepted_media_type, renderer_context)


class JSONParser(parsers.JSONParser):
    """Refuses what something behind it would give up on: what is nested too deeply, and numbers without an end.

    Also what is longer than ``DATA_UPLOAD_MAX_MEMORY_SIZE``, which Django does not look at where a stream is read.
    """

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """The body decoded. Raises ``ParseError`` and ``RequestDataTooBig``."""
        # JSON is in UTF-8, whatever the header says: there are codecs that unpack or run what they are given.
        context = {**(parser_context or {}), "encoding": "utf-8"}
        try:
            data = super().parse(BytesIO(_read(stream)), media_type, context)
            _check(data, DEEPEST)
        except RecursionError:
            raise ParseError(_too_deep()) from None
        return data


def _read(stream: Any) -> bytes:
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body: bytes = stream.read() if most is None else stream.read(most + 1)
    if most is not None and len(body) > most:
        raise RequestDataTooBig("Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE.")
    return body


def _check(value: Any, levels: int) -> None:
    if isinstance(value, dict | list):
        if levels == 0:
            raise ParseError(_too_deep())
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, levels - 1)
    elif isinstance(value, float) and math.isinf(value):  # such as 1e400
        raise ParseError(_("It has a number that is too large."))


def _too_deep() -> str:
    return _("It is nested too deeply.")


def _writable(value: Any, levels: int = DEEPEST) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case Mapping() | list() | tuple() if levels == 0:
            return None
        case Mapping():
            return {key: _writable(item, levels - 1) for key, item in value.items()}
        case list() | tuple():
            return [_writable(item, levels - 1) for item in value]
        case _:
            return value
