"""What a person types to find an instance, by the beginning of its name, VZaps id, phone number or JID."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.db.models import Q

from django_vzaps.search.typed import begins, phone

#: More than this is no name that anybody types, and each word of it makes the query longer.
LONGEST: Final = 100


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


def named(text: str, *, vendor: str) -> Q:
    """Those whose name begins with ``text``, in capitals or not."""
    return _any(begins("name_folded", folded, vendor) for folded in _folded(text))


def _anything(text: str, vendor: str) -> Q:
    found = named(text, vendor=vendor)
    for spelling in dict.fromkeys([text, text.upper()]):
        found |= begins("vzaps_id", spelling, vendor)
    number = phone(text)
    if number:
        found |= begins("phone", number, vendor)
    return found | begins("whatsapp_jid", number or text.lower(), vendor)


def _folded(text: str) -> list[str]:
    """``text`` as it may be in ``name_folded``: some databases know the small letters of ASCII only."""
    ascii_only = "".join(letter.lower() if letter.isascii() else letter for letter in text)
    return list(dict.fromkeys([text.lower(), ascii_only]))


def _any(conditions: Iterable[Q]) -> Q:
    found = Q()
    for condition in conditions:
        found |= condition
    return found
