"""What a handler gets: one typed event, read tolerantly from the stored payload."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from django.utils.translation import gettext as _

from django_vzaps.events import parsing
from django_vzaps.events.parsing import Jid, JidKind
from django_vzaps.exceptions import VZapsError
from django_vzaps.models import Event, Instance, Operation, OperationOutcome
from django_vzaps.services import IdempotencyKeyReused, OutcomeUnknown, messages


class NoAddress(VZapsError):
    """An event cannot be replied to: it is nobody's, or the phone number behind a LID is not known."""


class InTransaction(VZapsError):
    """A reply was tried in a transactional handler, where it could be sent again by a second attempt."""


class InboundEvent:
    """An event of any type.

    ``record`` is the stored row, ``instance`` the instance it arrived for, ``payload`` the unwrapped
    ``{"type": ..., "event": ...}`` as VZaps sent it, without secrets.
    """

    def __init__(self, record: Event) -> None:
        self.record = record
        self.instance: Instance = record.instance
        self.begin(handler="", in_transaction=False)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.record}>"

    def begin(self, *, handler: str, in_transaction: bool, replays: int = 0) -> None:
        """Note who is about to handle the event, before each attempt, and how often it was asked to do it again."""
        self.handler, self.in_transaction, self.replays = handler, in_transaction, replays
        self._replies = 0

    @property
    def type(self) -> str:
        """VZaps' name of the event, e.g. ``Message``; empty where it sent none."""
        return self.record.type

    @cached_property
    def payload(self) -> dict[str, Any]:
        """The unwrapped payload, keys as they came. :meth:`get` finds a value whatever their spelling."""
        body = parsing.decoded(self.record.body)
        return parsing.unwrapped(body) if isinstance(body, Mapping) else {}

    @property
    def is_revision(self) -> bool:
        """Whether it is another copy of a message that came before: ``record.revision_of_id`` is that one's row."""
        return self.record.revision_of_id is not None

    @property
    def occurred_at(self) -> datetime | None:
        """When it happened, as the payload says; None where it does not."""
        return self.record.occurred_at

    @property
    def received_at(self) -> datetime:
        """When it arrived here."""
        return self.record.received_at

    def get(self, path: str, default: Any = None) -> Any:
        """The value at a dotted path such as ``info.is_from_me``, looked for in ``event`` and then beside it.

        Case and underscores of the keys do not matter (API.md section 6.1).
        """
        found = parsing.lookup(parsing.lookup(self.payload, "event"), path)
        return parsing.lookup(self.payload, path, default) if found is None else found

    def first(self, *paths: str) -> Any:
        """The first of these paths that leads to something; None where none does."""
        return next((found for path in paths if (found := self.get(path)) not in (None, "")), None)

    def jid(self, *paths: str) -> Jid:
        """The address at the first of these paths that leads to one."""
        return Jid.parse(self.first(*paths))

    @property
    def reply_address(self) -> str:
        """Where :meth:`reply` sends: a phone number or a group id; empty where none is known."""
        return ""

    def reply(self, text: str, *, quote: bool = False) -> Operation:
        """Send ``text`` to the chat the event belongs to; with ``quote``, as an answer to its message.

        For handlers registered with ``atomic=False``. A handler that is tried again does not send again what it sent
        before: its first reply is the first one of the earlier attempt, and so on. Raises :class:`InTransaction` in
        any other handler, :class:`NoAddress` where no address is known, and what ``services.messages.send_text``
        raises.
        """
        if self.in_transaction:
            raise InTransaction(
                _('A transactional handler must not reply: register it with @on("%(type)s", atomic=False).')
                % {"type": self.type}
            )
        address = self.reply_address
        if not address:
            raise NoAddress(_("No phone number or group is known to reply to."))
        reply_to = (self.record.message_id if quote else "") or None
        if not self.handler:
            return messages.send_text(self.instance, phone=address, message=text, reply_to=reply_to)
        self._replies += 1
        again = (self.replays,) if self.replays else ()
        key = _key(self.record.pk, self.handler, self._replies, *again)
        operation = self._sent_under(key, phone=address, message=text, reply_to=reply_to)
        while operation.outcome == OperationOutcome.FAILED:  # in an earlier attempt: nothing was sent
            key = _key(key, operation.pk)
            operation = self._sent_under(key, phone=address, message=text, reply_to=reply_to)
        if operation.outcome != OperationOutcome.SUCCEEDED:
            raise OutcomeUnknown(_("It is not known whether an earlier attempt sent this reply."), operation=operation)
        return operation

    def _sent_under(self, key: str, **message: Any) -> Operation:
        """The key stands for the place of a reply: an attempt that has other words by now has replied all the same."""
        try:
            return messages.send_text(self.instance, idempotency_key=key, **message)
        except IdempotencyKeyReused as error:
            if error.operation is None:
                raise
            return error.operation


def reply_keys(pk: int, handler: str, *, replays: int = 0, most: int = 3) -> list[str]:
    """The idempotency keys of the first replies that a handler may have sent to the event, those of replays as well."""
    again: list[tuple[int, ...]] = [(), *((number,) for number in range(1, replays + 1))]
    return [_key(pk, handler, reply, *replay) for replay in again[-most:] for reply in range(1, most + 1)]


def _key(*parts: object) -> str:
    return "reply:" + hashlib.sha256(repr(parts).encode()).hexdigest()


class _ChatEvent(InboundEvent):
    """An event that belongs to a chat. VZaps puts the addresses into ``info`` or beside it."""

    @property
    def chat(self) -> Jid:
        """The person or group the event belongs to."""
        return self.jid("info.chat", "chat")

    @property
    def sender(self) -> Jid:
        """Who caused the event; the address may be a LID, see :attr:`phone`."""
        return self.jid("info.sender", "sender")

    @property
    def is_group(self) -> bool:
        """Whether the chat is a group."""
        return self.chat.kind is JidKind.GROUP or parsing.flag(self.first("info.is_group", "is_group"))

    @property
    def is_from_me(self) -> bool:
        """Whether the account itself caused the event, on whatever device; its own API sends included."""
        return parsing.flag(self.first("info.is_from_me", "is_from_me"))

    @property
    def phone(self) -> str:
        """The phone number of the other side in digits; in a group, the sender's. Empty where it is not known.

        A LID is never a phone number; the number behind it comes in ``sender_alt`` or ``recipient_alt``, or not at
        all (API.md section 7.3).
        """
        if self.is_from_me:
            other, alternative = ("chat", "recipient_alt")
        else:
            other, alternative = ("sender", "sender_alt")
        found = self.jid(f"info.{other}", other).phone or self.jid(f"info.{alternative}", alternative).phone
        # In a chat of two, both names stand for the same person.
        return found or ("" if self.is_group else self.chat.phone)

    @property
    def reply_address(self) -> str:
        """The group's id, or the phone number of the other side."""
        if self.is_group:
            return str(self.chat)
        return self.phone if self.chat.kind in (JidKind.PHONE, JidKind.LID) else ""


_CAPTIONED: Final = ("image_message", "video_message", "document_message")
_MEDIA: Final = (*_CAPTIONED, "audio_message", "sticker_message")


class MessageEvent(_ChatEvent):
    """A message that arrived or was sent (API.md section 7.3)."""

    @property
    def message_id(self) -> str:
        """WhatsApp's id of the message."""
        return str(self.first("info.id", "id") or "")

    @property
    def is_partial(self) -> bool:
        """Whether it is a copy that shows a LID and not the phone number behind it (API.md section 6)."""
        return not self.phone and any(jid.kind is JidKind.LID for jid in self.addresses)

    @property
    def addresses(self) -> frozenset[Jid]:
        """All addresses of the other side; in a group, of the sender."""
        names: tuple[str, ...]
        if self.is_from_me:
            names = ("chat", "recipient_alt")
        elif self.is_group:
            names = ("sender", "sender_alt")
        else:
            names = ("chat", "sender", "sender_alt")
        found = (self.jid(f"info.{name}", name) for name in names)
        return frozenset(Jid(jid.user, jid.server) for jid in found if jid)

    @property
    def text(self) -> str:
        """What was written: the text, or the caption of a picture, video or document."""
        captions = (f"message.{kind}.caption" for kind in _CAPTIONED)
        found = self.first("message.conversation", "message.extended_text_message.text", *captions)
        return found if isinstance(found, str) else ""

    @property
    def push_name(self) -> str:
        """The name the sender gave themselves."""
        return str(self.first("info.push_name", "push_name") or "")

    @property
    def media(self) -> Mapping[str, Any]:
        """The metadata of attached media, keys as they came; empty where there is none."""
        found = self.first(*(f"message.{kind}" for kind in _MEDIA))
        return found if isinstance(found, Mapping) else {}

    @property
    def media_url(self) -> str:
        """A URL of the attached file, where VZaps offers one; how long it lives is not documented."""
        return str(self.get("media_url") or "")


class ReadReceiptEvent(_ChatEvent):
    """Messages were delivered or read (API.md section 7.4)."""

    @property
    def state(self) -> str:
        """``Delivered``, ``Read``, ``ReadSelf``, or what else VZaps may send."""
        return str(self.first("state") or "")

    @property
    def message_ids(self) -> tuple[str, ...]:
        """The messages it is about, in the order they came."""
        return parsing.texts(self.first("message_ids", "message_id"))


class ConnectedEvent(InboundEvent):
    """The session was paired or came up. The instance's connection facts are updated already."""


class DisconnectedEvent(InboundEvent):
    """The session went down. The instance's connection facts are updated already."""


class PresenceEvent(InboundEvent):
    """A contact came online or went away. Its fields are not documented: use :meth:`get`."""


class ChatPresenceEvent(_ChatEvent):
    """A contact is typing, recording, or has stopped. Its fields are not documented: use :meth:`get`."""


class HistorySyncEvent(InboundEvent):
    """A part of the account's history. Its fields are not documented: use :meth:`get`."""


class GroupParticipantsAddEvent(InboundEvent):
    """Somebody joined a group. Its fields are not documented: use :meth:`get`."""


class GroupParticipantsRemoveEvent(InboundEvent):
    """Somebody left a group. Its fields are not documented: use :meth:`get`."""


class UnknownEvent(InboundEvent):
    """An event of a type that is not documented, or without a type."""


_CLASSES: Final[Mapping[str, type[InboundEvent]]] = {
    "Message": MessageEvent,
    "ReadReceipt": ReadReceiptEvent,
    "Connected": ConnectedEvent,
    "Disconnected": DisconnectedEvent,
    "Presence": PresenceEvent,
    "ChatPresence": ChatPresenceEvent,
    "HistorySync": HistorySyncEvent,
    "GroupParticipantsAdd": GroupParticipantsAddEvent,
    "GroupParticipantsRemove": GroupParticipantsRemoveEvent,
}


def from_record(record: Event) -> InboundEvent:
    """The stored event as the class of its type."""
    return _CLASSES.get(record.type, UnknownEvent)(record)
