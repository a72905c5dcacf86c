"""What people type: phone numbers however they write them, and how something begins."""

from __future__ import annotations

import re
import sys
from typing import Final

from django.db.models import Q

#: Also the spaces and dashes that come along when a number is copied from somewhere.
_PHONE: Final = re.compile(r"[+(]{0,2}[0-9][0-9 ().\-/+\u00a0\u2010-\u2015]*")
_BETWEEN_DIGITS: Final = re.compile(r"[^0-9]")
_HIGHEST: Final = chr(sys.maxunicode)


def phone(text: str) -> str:
    """The digits of a phone number, as VZaps writes it; empty where the text is none."""
    if not _PHONE.fullmatch(text):
        return ""
    digits = _BETWEEN_DIGITS.sub("", text)
    # The call prefix of most of the world, for those who write it instead of a plus.
    return digits.removeprefix("00") or digits


def begins(column: str, text: str, vendor: str) -> Q:
    """That ``column`` begins with ``text``, in the form for which this vendor's database uses an index."""
    match vendor:
        case "sqlite":
            # Its LIKE has no index where capitals matter to the index and not to LIKE.
            return Q((f"{column}__gte", text), (f"{column}__lt", text + _HIGHEST))
        case "mysql":
            return Q((f"{column}__istartswith", text))  # "startswith" compares bytes, and so reads every row
        case _:
            return Q((f"{column}__startswith", text))
