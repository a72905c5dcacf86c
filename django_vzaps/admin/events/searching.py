"""What an operator types to find events: a message id, a phone number as people write them, an event's number."""

from __future__ import annotations

import re
import sys
from typing import Final

from django.db import connection
from django.db.models import Q

from django_vzaps.events.parsing import Jid

_NUMBER: Final = re.compile(r"#\s*([0-9]{1,18})")
_PHONE: Final = re.compile(r"[+(]?[0-9][0-9 ().\-/+\u00a0\u2010-\u2015]*")
_LONGEST_PHONE: Final = 15
_BETWEEN_DIGITS: Final = re.compile(r"[^0-9]")


def wanted(text: str) -> Q | None:
    """What a search asks for; None where it asks for nothing."""
    text = text.replace("\0", "").strip()
    if not text:
        return None
    if number := _NUMBER.fullmatch(text):
        return Q(pk=int(number[1]))
    if "@" in text and (jid := Jid.parse(text)):
        return begins("chat", str(jid))
    if not (digits := phone(text)):
        return Q(message_id=text)
    beginning = begins("chat", digits)
    # No phone number is so long: it may be a group's, and a message's id may be nothing but digits too.
    return beginning | Q(message_id=text) if len(digits) > _LONGEST_PHONE else beginning


def begins(column: str, text: str) -> Q:
    """That a column begins so, in the form for which each database uses an index."""
    match connection.vendor:
        case "mysql":
            return Q(**{f"{column}__istartswith": text})  # the other form compares bytes, and reads the table
        case "sqlite":
            return Q(**{f"{column}__gte": text, f"{column}__lt": text + chr(sys.maxunicode)})
        case _:
            return Q(**{f"{column}__startswith": text})


def _digits(text: str) -> str:
    digits = _BETWEEN_DIGITS.sub("", text)
    # The call prefix of most of the world, for those who write it instead of a plus.
    return digits.removeprefix("00") or digits


def phone(text: str) -> str:
    """The digits of a phone number as a person writes it; empty where the text is none."""
    return _digits(text) if _PHONE.fullmatch(text) else ""
