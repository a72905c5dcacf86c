"""What VZaps tells us: stored once, handed to the project's handlers in order.

from django_vzaps.events import MessageEvent, on

@on("Message", atomic=False)
def answer(event: MessageEvent) -> None:
    if event.text == "ping" and not event.is_from_me:
        event.reply("pong")
"""

from __future__ import annotations

from django_vzaps.events.handlers import on
from django_vzaps.events.inbound import (
    ChatPresenceEvent,
    ConnectedEvent,
    DisconnectedEvent,
    GroupParticipantsAddEvent,
    GroupParticipantsRemoveEvent,
    HistorySyncEvent,
    InboundEvent,
    InTransaction,
    MessageEvent,
    NoAddress,
    PresenceEvent,
    ReadReceiptEvent,
    UnknownEvent,
)
from django_vzaps.events.parsing import Jid, JidKind

__all__ = [
    "ChatPresenceEvent",
    "ConnectedEvent",
    "DisconnectedEvent",
    "GroupParticipantsAddEvent",
    "GroupParticipantsRemoveEvent",
    "HistorySyncEvent",
    "InTransaction",
    "InboundEvent",
    "Jid",
    "JidKind",
    "MessageEvent",
    "NoAddress",
    "PresenceEvent",
    "ReadReceiptEvent",
    "UnknownEvent",
    "on",
]
