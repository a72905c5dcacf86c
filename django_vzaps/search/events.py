"""What an operator types to find events: a message id, a phone number as people write them, an event's number."""

from __future__ import annotations

import re
from typing import Final

from django.db import connection
from django.db.models import Q

from django_vzaps.events.parsing import Jid
from django_vzaps.search.typed import begins, phone

_NUMBER: Final = re.compile(r"#\s*([0-9]{1,18})")
_LONGEST_PHONE: Final = 15


def wanted(text: str) -> Q | None:
    """What a search asks for; None where it asks for nothing."""
    text = text.replace("\0", "").strip()
    if not text:
        return None
    if number := _NUMBER.fullmatch(text):
        return Q(pk=int(number[1]))
    if "@" in text and (jid := Jid.parse(text)):
        return begins("chat", str(jid), connection.vendor)
    if not (digits := phone(text)):
        return Q(message_id=text)
    beginning = begins("chat", digits, connection.vendor)
    # No phone number is so long: it may be a group's, and a message's id may be nothing but digits too.
    return beginning | Q(message_id=text) if len(digits) > _LONGEST_PHONE else beginning
