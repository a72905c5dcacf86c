"""What Connected and Disconnected do by themselves: the instance's connection facts follow them."""

from __future__ import annotations

from typing import Final

from django_vzaps import services
from django_vzaps.events.handlers import Handler, handler_of
from django_vzaps.events.inbound import ConnectedEvent, InboundEvent
from django_vzaps.models import ConnectionSource


def note_connection(event: InboundEvent) -> None:
    """Take the event as evidence, as old as its arrival: its payload is not documented (API.md section 7.5)."""
    services.connection.record(
        event.instance.pk,
        connected=isinstance(event, ConnectedEvent),
        source=ConnectionSource.WEBHOOK,
        asked_at=event.received_at,
    )


#: Called before the project's handlers, and recorded as they are.
HANDLERS: Final[tuple[Handler, ...]] = (handler_of(note_connection, "Connected", "Disconnected"),)
