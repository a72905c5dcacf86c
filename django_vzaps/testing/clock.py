"""The fake's time: real time plus what a test has added."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    """A clock that can be put forward. Calling it gives seconds since 1970, as :func:`time.time` does."""

    def __init__(self, base: Callable[[], float]) -> None:
        self._base = base
        self._ahead = 0.0
        self._listeners: list[Callable[[], None]] = []

    def __call__(self) -> float:
        return self._base() + self._ahead

    def advance(self, seconds: float) -> None:
        """Put the clock forward by ``seconds``. Whatever falls due in that time has happened on return."""
        self._ahead += seconds
        for listener in self._listeners:
            listener()

    def on_advance(self, listener: Callable[[], None]) -> None:
        """Have ``listener`` called after each :meth:`advance`."""
        self._listeners.append(listener)


def rfc3339(seconds: float) -> str:
    """A moment as VZaps writes it: UTC with milliseconds and a ``Z`` (API.md section 1)."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
