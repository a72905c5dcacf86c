"""A line that says how far a command is."""

from __future__ import annotations

import time
from typing import Final

from django.core.management.base import OutputWrapper

SECONDS_BETWEEN_LINES: Final = 10.0


class ProgressLine:
    """One line on a terminal, rewritten in place; elsewhere, where lines pile up, one every ten seconds."""

    def __init__(self, stream: OutputWrapper) -> None:
        self._stream = stream
        self._in_place = stream.isatty()
        self._width = 0
        self._shown_at = time.monotonic()

    def show(self, text: str) -> None:
        """Replace the line with ``text``."""
        if self._in_place:
            self._stream.write(f"\r{text.ljust(self._width)}", style_func=str, ending="")
            self._stream.flush()
            self._width = len(text)
        elif time.monotonic() - self._shown_at >= SECONDS_BETWEEN_LINES:
            self._stream.write(text, style_func=str)
            self._shown_at = time.monotonic()

    def clear(self) -> None:
        """Make room for other output."""
        if self._width:
            self.show("")
            self._stream.write("\r", style_func=str, ending="")
            self._width = 0
