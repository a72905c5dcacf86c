"""Pages: numbered where there are thousands of rows, by cursor where there are millions."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext as _
from rest_framework import pagination
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from django_vzaps.api.problems import InvalidQuery

LARGEST_PAGE: Final = 500
_SIZE: Final = "page_size"
#: Longer than any id.
_DIGITS: Final = 30


class Pages(pagination.PageNumberPagination):
    """``?page=2&page_size=50``; the answer has a count."""

    names = frozenset({"page", _SIZE})
    page_size = 100
    page_size_query_param = _SIZE
    max_page_size = LARGEST_PAGE

    def get_page_size(self, request: Request) -> int:
        """How many rows are asked for. Raises :class:`InvalidQuery`."""
        return _number(request, _SIZE, self.page_size, most=LARGEST_PAGE)

    def get_page_number(self, request: Request, paginator: Any) -> int:
        """Which page is asked for. Raises :class:`InvalidQuery`; one beyond the last is not found."""
        return _number(request, "page", 1)


class Cursors(pagination.CursorPagination):
    """Newest first; follow ``next``. Nothing is counted, and what arrives meanwhile moves no row to another page."""

    names = frozenset({"cursor", _SIZE})
    page_size = 100
    page_size_query_param = _SIZE
    max_page_size = LARGEST_PAGE
    ordering = "-pk"

    def get_page_size(self, request: Request) -> int:
        """How many rows are asked for. Raises :class:`InvalidQuery`."""
        return _number(request, _SIZE, self.page_size, most=LARGEST_PAGE)

    def decode_cursor(self, request: Request) -> Any:
        """Where to go on. Raises ``NotFound`` for what was not given out here."""
        cursor = super().decode_cursor(request)
        if cursor is not None and not (cursor.position is None or _is_number(str(cursor.position))):
            raise NotFound(self.invalid_cursor_message)
        return cursor


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS


def _number(request: Request, name: str, default: int, *, most: int | None = None) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    number = int(text) if _is_number(text) and len(text) < 10 else 0
    if number < 1 or (most is not None and number > most):
        wanted = (
            _("Give a whole number from 1 on.")
            if most is None
            else _("Give a whole number from 1 to %(most)d.") % {"most": most}
        )
        raise InvalidQuery({name: [wanted]})
    return number
