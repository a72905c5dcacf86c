"""What a person types to find an instance, by the beginning of its name, VZaps id, phone number or JID."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Final

from django.db.models import Q

#: More than this is no name that anybody types, and each word of it makes the query longer.
LONGEST: Final = 100
_DIGITS_OR_MARKS: Final = re.compile(r"[+()\d\s./-]+")
_HIGHEST: Final = chr(sys.maxunicode)


def matching(text: str, *, vendor: str) -> Q:
    """What ``text`` finds in the database of this vendor, each part of it on an index.

    With a ``*`` before it, names that have it anywhere: those are all looked through. Several words are the beginning
    of a name, or a phone number, or each of them finds something by itself.
    """
    phrase = " ".join(text.split())[:LONGEST]
    if phrase.startswith("*"):
        inside = phrase.lstrip("*").strip()
        return _any(Q(name_folded__contains=folded) for folded in _folded(inside)) if inside else Q()
    words = phrase.split()
    found = _anything(phrase, vendor)
    if len(words) > 1:
        each = Q()
        for word in words:
            each &= _anything(word, vendor)
        found |= each
    return found


def name_begins(text: str, *, vendor: str) -> Q:
    """That the name begins so, in small letters or capitals."""
    return _any(begins("name_folded", folded, vendor) for folded in _folded(text))


def digits_of(text: str) -> str:
    """The digits of a phone number, however it is written, as VZaps writes it; empty for what is none."""
    if not _DIGITS_OR_MARKS.fullmatch(text):
        return ""
    digits = re.sub(r"\D", "", text)
    return digits.removeprefix("00") if digits.startswith("00") else digits


def _anything(text: str, vendor: str) -> Q:
    found = name_begins(text, vendor=vendor)
    for spelling in dict.fromkeys([text, text.upper()]):
        found |= begins("vzaps_id", spelling, vendor)
    number = digits_of(text)
    if number:
        found |= begins("phone", number, vendor)
    return found | begins("whatsapp_jid", number or text.lower(), vendor)


def begins(column: str, text: str, vendor: str) -> Q:
    """That ``column`` begins with ``text``, in the words that make this vendor's database use an index."""
    match vendor:
        case "sqlite":
            # Its LIKE has no index where capitals matter to the index and not to LIKE.
            return Q((f"{column}__gte", text), (f"{column}__lt", text + _HIGHEST))
        case "mysql":
            return Q((f"{column}__istartswith", text))  # "startswith" compares bytes, and so reads every row
        case _:
            return Q((f"{column}__startswith", text))


def _folded(text: str) -> list[str]:
    """``text`` as it may be in ``name_folded``: some databases know the small letters of ASCII only."""
    ascii_only = "".join(letter.lower() if letter.isascii() else letter for letter in text)
    return list(dict.fromkeys([text.lower(), ascii_only]))


def _any(conditions: Iterable[Q]) -> Q:
    found = Q()
    for condition in conditions:
        found |= condition
    return found
