"""What is done with an event because of its type: the queue it waits in, and how much of it is kept."""

from __future__ import annotations

from typing import Final

from django_vzaps import conf
from django_vzaps.models import Lane

#: They come in masses (a history in parts of megabytes after pairing, a presence for every contact that comes or goes)
#: and are never urgent.
BULK: Final = frozenset({"HistorySync", "Presence", "ChatPresence"})


def lane_of(event_type: str) -> Lane:
    """The queue for events of a type, in the spelling of :func:`~django_vzaps.events.parsing.canonical_type`."""
    return Lane.BULK if event_type in BULK else Lane.MAIN


def policy_of(event_type: str) -> str:
    """``full``, ``metadata`` (the payload goes once the event is handled) or ``drop``: ``VZAPS["EVENT_STORAGE"]``."""
    return conf.current().event_storage.get(event_type, conf.FULL)
