"""Pairing an instance with a phone while somebody watches: who may, for how long, and when VZaps is asked."""

from __future__ import annotations

from django_vzaps.services.pairing.codes import ASK_EVERY, CODES
from django_vzaps.services.pairing.progress import Progress
from django_vzaps.services.pairing.watching import (
    WINDOW,
    begin,
    by_code,
    erase_ended,
    is_token,
    look,
    new_token,
    state,
    stop,
)

__all__ = [
    "ASK_EVERY",
    "CODES",
    "WINDOW",
    "Progress",
    "begin",
    "by_code",
    "erase_ended",
    "is_token",
    "look",
    "new_token",
    "state",
    "stop",
]
