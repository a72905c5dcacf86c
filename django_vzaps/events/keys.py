"""What makes two deliveries the same event.

VZaps sends no event id (API.md section 6.3), so the identity of an event is its meaning.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from django_vzaps.events import parsing
from django_vzaps.events.parsing import Envelope, Jid

#: Part of every key: raise it when the meaning of a key changes, and old keys collide with none.
VERSION: Final = 1

#: Each delivery of these says something, even if it says what the one before said.
WITHOUT_KEY: Final = frozenset({"Connected", "Disconnected", "Presence", "ChatPresence"})

#: Without any of these a repeat of the same thing cannot be told from a redelivery of it.
_IDENTITY: Final = (
    "timestamp",
    "time",
    "t",
    "ts",
    "date",
    "at",
    "createdat",
    "id",
    "eventid",
    "messageid",
    "messageids",
)

#: Beside an event these only say whose it is. They stand in the webhook's copy, and not in every other.
_ENVELOPE: Final = frozenset({"instanceid", "instancename", "instance"})

_IDS: Final = frozenset({"messageids", "messageid"})


def semantic_key(payload: Mapping[str, Any], envelope: Envelope | None = None) -> str | None:
    """The SHA-256 of what an unwrapped payload means, in hex; None where every delivery counts.

    Message: type, chat, sender, id, direction and content, so that a redelivery is the same and a revision (a media
    URL, the phone behind a LID) is not. ReadReceipt: type, state, chat, reader and the ids in any order. Others: the
    body, if there is an id or a time in it.
    """
    envelope = envelope or Envelope(payload)
    event_type = parsing.canonical_type(envelope.top.get("type"))
    if event_type in WITHOUT_KEY:
        return None
    meaning: list[Any] | None = None
    if event_type == "Message":
        meaning = _message(envelope)
    elif event_type == "ReadReceipt":
        meaning = _read_receipt(envelope)
    if meaning is None:
        if all(envelope.first(name) is None and envelope.top.get(name) is None for name in _IDENTITY):
            return None
        meaning = ["body", canonical(_without(payload, _ENVELOPE) if "event" in envelope.top else payload)]
    return _digest([event_type, *meaning])


def text_key(text: str) -> str:
    """The key of a body that could not be parsed."""
    return _digest(["text", text])


def canonical(value: Any) -> Any:
    """The value without what may differ between two copies of the same thing: spelling and order of keys."""
    if isinstance(value, dict):
        items = sorted((parsing.normalised(key), str(key), key) for key in value)
        return [[name, canonical(value[key])] for name, _, key in items]
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    return value


def _message(envelope: Envelope) -> list[Any] | None:
    message_id = envelope.first("id")
    if message_id is None:
        return None
    return [
        # The id is the sender's choice: in a group, another one may send the same id and the same words.
        [str(Jid.parse(envelope.first(name))) for name in ("chat", "sender")],
        str(message_id),
        parsing.flag(envelope.first("isfromme")),
        canonical(envelope.event.get("message")),
        str(envelope.top.get("mediaurl") or envelope.event.get("mediaurl") or ""),
        [str(Jid.parse(envelope.first(name))) for name in ("senderalt", "recipientalt")],
    ]


def _read_receipt(envelope: Envelope) -> list[Any] | None:
    ids = parsing.texts(envelope.first("messageids", "messageid"))
    if not ids:
        return None
    return [
        str(envelope.top.get("state") or envelope.event.get("state") or ""),
        str(envelope.first("chat") or ""),
        # With the device: each of a person's devices sends its own.
        str(envelope.first("sender") or "") or canonical(_without(envelope.event, _IDS | _ENVELOPE)),
        sorted(ids),
    ]


def _without(value: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if parsing.normalised(key) not in names}


def _digest(meaning: list[Any]) -> str:
    return hashlib.sha256(json.dumps([VERSION, *meaning], separators=(",", ":")).encode()).hexdigest()
