"""JSON that can always be written, and read, whatever strangers put into it; and JSON that can be taken in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

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
    """Refuses what is nested so deeply that something behind it would give up on it."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """The body decoded. Raises ``ParseError``."""
        try:
            data = super().parse(stream, media_type, parser_context)
        except RecursionError:
            data = None
            is_too_deep = True
        else:
            is_too_deep = _is_deeper(data, DEEPEST)
        if is_too_deep:
            raise ParseError(_("It is nested too deeply."))
        return data


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in inner)


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
