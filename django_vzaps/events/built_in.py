"""What is done with an event before the project's handlers see it. Recorded as they are, and tried as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from django_vzaps import signals
from django_vzaps.events import connection
from django_vzaps.events.handlers import Handler, handler_of
from django_vzaps.events.inbound import InboundEvent
from django_vzaps.models import Event


def announce(event: InboundEvent) -> None:
    """Tell the receivers of ``event_received``, once: who dies of it is not called again by itself."""
    signals.send_on_commit(signals.event_received, sender=Event, instance=event.instance, event=event)


_NOTE_CONNECTION: Final = handler_of(connection.note_connection, "Connected", "Disconnected")
_ANNOUNCE: Final = replace(handler_of(announce), atomic=False)


def handlers() -> tuple[Handler, ...]:
    """In the order in which they are called; receivers of the signal only where there are any."""
    return (_NOTE_CONNECTION, _ANNOUNCE) if signals.event_received.has_listeners(Event) else (_NOTE_CONNECTION,)
