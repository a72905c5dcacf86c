"""Factories of event payloads, as a webhook delivers them: ``{"type": ..., "event": {...}}``.

Only the types are documented. ``Message`` and ``ReadReceipt`` follow what an integrator saw (API.md sections 7.3 and
7.4); the payloads of all others are guesses in the same style, so do not build on their fields.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from django_vzaps.testing.clock import rfc3339

Event = dict[str, Any]

SENDER = "5511988887777"
GROUP = "120363041234567890@g.us"


def phone_jid(phone: str) -> str:
    """The address of a phone number; an address stays as it is."""
    return phone if "@" in phone else f"{phone}@s.whatsapp.net"


def lid_jid(phone: str) -> str:
    """The LID address that hides this phone number: always the same one, and its digits are no phone number."""
    digest = hashlib.sha256(phone.encode()).hexdigest()
    return f"{int(digest[:12], 16) % 10**14 + 10**14}@lid"


def new_message_id() -> str:
    """A message id in WhatsApp's style."""
    return f"3EB0{secrets.token_hex(9).upper()}"


def message(
    text: str = "ping",
    *,
    sender: str = SENDER,
    push_name: str = "Bia",
    message_id: str | None = None,
    from_me: bool = False,
    recipient: str = SENDER,
    lid: bool | Literal["partial"] = False,
    group: bool | str = False,
    media: Literal["image", "video", "audio", "document", "sticker"] | None = None,
    media_url: str | None = None,
    timestamp: str | None = None,
) -> Event:
    """A message. ``from_me``: written by the account to ``recipient``; otherwise by ``sender`` to the account.

    ``lid`` shows the other side by its LID address, with the phone's address beside it; ``"partial"`` is the first,
    partial copy that lacks it (API.md section 6). ``group`` is True or a group's address. With ``media``, ``text`` is
    the caption.
    """
    other = recipient if from_me else sender
    address = lid_jid(other) if lid else phone_jid(other)
    chat = (GROUP if group is True else group) if group else address
    info: dict[str, Any] = {
        "id": message_id or new_message_id(),
        "chat": chat,
        "sender": phone_jid(sender) if from_me else address,
        "is_from_me": from_me,
        "is_group": bool(group),
        "push_name": push_name,
        "timestamp": timestamp or rfc3339(time.time()),
        "type": "media" if media else "text",
    }
    if lid is True:
        info["recipient_alt" if from_me else "sender_alt"] = phone_jid(other)
    if media is None:
        return {"type": "Message", "event": {"info": info, "message": {"conversation": text}}}
    info["media_type"] = "ptt" if media == "audio" else media
    event: Event = {"type": "Message", "event": {"info": info, "message": {f"{media}_message": _media(media, text)}}}
    if media_url:
        event["media_url"] = media_url
    return event


def _media(kind: str, caption: str) -> dict[str, Any]:
    kinds = {
        "image": "image/jpeg",
        "video": "video/mp4",
        "audio": "audio/ogg; codecs=opus",
        "document": "application/pdf",
        "sticker": "image/webp",
    }
    content: dict[str, Any] = {
        "url": f"https://mmg.whatsapp.net/v/t62/{kind}.enc",
        "direct_path": f"/v/t62/{kind}.enc",
        "media_key": "bWVkaWEga2V5IG9mIHRoZSBmYWtlIHNlcnZpY2U=",
        "mimetype": kinds[kind],
        "file_enc_sha256": "ZW5jcnlwdGVkIGRpZ2VzdCBvZiB0aGUgZmFrZQ==",
        "file_sha256": "ZGlnZXN0IG9mIHRoZSBmYWtlIHNlcnZpY2U=",
        "file_length": 20480,
    }
    if caption and kind in {"image", "video", "document"}:
        content["caption"] = caption
    if kind == "document":
        content["file_name"] = "document.pdf"
    return content


def read_receipt(
    message_ids: Sequence[str],
    state: Literal["Delivered", "Read", "ReadSelf"] = "Delivered",
    *,
    sender: str = SENDER,
    lid: bool = False,
    group: bool | str = False,
    timestamp: str | None = None,
) -> Event:
    """``sender`` received or read these messages. The ids are under ``message_i_ds``, as seen (API.md 17.19)."""
    address = lid_jid(sender) if lid else phone_jid(sender)
    return {
        "type": "ReadReceipt",
        "state": state,
        "event": {
            "message_i_ds": list(message_ids),
            "chat": (GROUP if group is True else group) if group else address,
            "sender": address,
            "is_group": bool(group),
            "timestamp": timestamp or rfc3339(time.time()),
        },
    }


def connected() -> Event:
    """The session came up. Only its type is known (API.md section 7.5)."""
    return {"type": "Connected"}


def disconnected(reason: str | None = None) -> Event:
    """The session went down. Only its type is known; a ``reason`` is our guess."""
    return {"type": "Disconnected"} if reason is None else {"type": "Disconnected", "event": {"reason": reason}}


def presence(sender: str = SENDER, *, available: bool = True) -> Event:
    """A contact came online or went away."""
    return {"type": "Presence", "event": {"from": phone_jid(sender), "unavailable": not available}}


def chat_presence(sender: str = SENDER, state: str = "composing", *, media: str = "") -> Event:
    """A contact is typing (``composing``), recording (``media="audio"``) or has stopped (``paused``)."""
    address = phone_jid(sender)
    return {"type": "ChatPresence", "event": {"chat": address, "sender": address, "state": state, "media": media}}


def history_sync(progress: int = 100, *, conversations: Sequence[Mapping[str, Any]] = ()) -> Event:
    """Part of an account's history, sent after pairing. These are large and many in real life."""
    data = {"sync_type": "RECENT", "progress": progress, "conversations": [dict(item) for item in conversations]}
    return {"type": "HistorySync", "event": {"data": data}}


def group_participants_add(group: str = GROUP, participants: Sequence[str] = (SENDER,)) -> Event:
    """Somebody joined a group or was added to it."""
    return _group_participants("GroupParticipantsAdd", "join", group, participants)


def group_participants_remove(group: str = GROUP, participants: Sequence[str] = (SENDER,)) -> Event:
    """Somebody left a group or was removed from it."""
    return _group_participants("GroupParticipantsRemove", "leave", group, participants)


def _group_participants(event_type: str, key: str, group: str, participants: Sequence[str]) -> Event:
    return {
        "type": event_type,
        "event": {
            "jid": group,
            key: [phone_jid(participant) for participant in participants],
            "timestamp": rfc3339(time.time()),
        },
    }


def in_whatsapp_casing(event: Event) -> Event:
    """The same event with its payload's keys in WhatsApp's own casing (API.md 17.18)."""
    if not isinstance(event.get("event"), dict):
        return event
    return {**event, "event": {_pascal(key): _recased(key, value) for key, value in event["event"].items()}}


def _recased(parent: str, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    # What a contact wrote is a protocol message, whose keys start small; all around it are Go structs.
    spell = _camel if parent == "message" or parent.endswith("_message") else _pascal
    return {spell(key): _recased(key, item) for key, item in value.items()}


def _pascal(key: str) -> str:
    known = {"id": "ID", "jid": "JID", "url": "URL"}
    return known.get(key) or "".join(part.capitalize() for part in key.split("_"))


def _camel(key: str) -> str:
    if key == "url":
        return "URL"
    first, *rest = key.split("_")
    return first + "".join(part.capitalize() for part in rest).replace("Sha256", "SHA256")
