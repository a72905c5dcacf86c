"""When a QR code gives way to the next one.

VZaps documents no lifetimes (API.md sections 4.2 and 18). These are WhatsApp's own; an answer that says otherwise is
believed, and a person is only ever told "about".
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

CODES: Final = 6
FIRST_LASTS: Final = timedelta(seconds=60)
NEXT_LASTS: Final = timedelta(seconds=20)
#: VZaps is asked for the code of an instance at most this often, by however many processes and people.
ASK_EVERY: Final = timedelta(seconds=15)

_SLACK: Final = timedelta(seconds=5)


def lasts(number: int) -> timedelta:
    """How long a code of an attempt is shown; the first is number 1."""
    return FIRST_LASTS if number == 1 else NEXT_LASTS


def attempt_ends(number: int, since: datetime) -> datetime:
    """When the last code of VZaps' attempt will have passed."""
    return since + lasts(number) + (CODES - number) * NEXT_LASTS


def follow(number: int, since: datetime | None, *, changed: bool, now: datetime) -> tuple[int, datetime]:
    """The number of the code that VZaps shows ``now``, and since about when; ``number`` is 0 where none was before.

    Codes that came and went while nobody asked are counted by the clock.
    """
    if not number or since is None:
        return 1, now
    if not changed:
        return number, since
    ended = since + lasts(number)
    if now < ended:
        number, since = number + 1, now
    else:
        missed = (now - ended) // NEXT_LASTS
        number, since = number + 1 + missed, ended + missed * NEXT_LASTS
    # After the last one comes the first one of VZaps' next attempt.
    return (number, since) if number <= CODES else (1, now)


def next_question(asked_at: datetime | None, number: int, since: datetime | None) -> datetime | None:
    """When VZaps is to be asked again; None for at once.

    A question shortly before a code's end would keep the next code waiting, so it is put off until then.
    """
    if asked_at is None:
        return None
    earliest = asked_at + ASK_EVERY
    if number and since is not None:
        end = since + lasts(number)
        if earliest < end < earliest + ASK_EVERY:
            return end
    return earliest


def is_fresh(asked_at: datetime | None, number: int, since: datetime | None, now: datetime) -> bool:
    """Whether a code that VZaps showed when it was asked can still be shown."""
    if asked_at is None or since is None:
        return False
    return now < max(since + lasts(number), asked_at + ASK_EVERY) + _SLACK
