"""Sending messages, and what else a chat takes (API.md section 9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django_vzaps.testing import events
from django_vzaps.testing.clock import rfc3339
from django_vzaps.testing.routes.table import ROUTES, Route, route
from django_vzaps.testing.routes.tokens import instance_of
from django_vzaps.testing.state import ChatMessage, FakeInstance
from django_vzaps.testing.wire import Answer, Refusal, Request

if TYPE_CHECKING:
    from django_vzaps.testing.fake import FakeVZaps


@dataclass(frozen=True, slots=True)
class Kind:
    """What a send of one kind requires, and how it reads in a conversation."""

    required: dict[str, type | tuple[type, ...]]
    shown: str


KINDS: dict[str, Kind] = {
    "text": Kind({"message": str}, "{message}"),
    "image": Kind({"image": str}, "[image]"),
    "audio": Kind({"audio": str}, "[audio]"),
    "document": Kind({"document": str}, "[document]"),
    "video": Kind({"video": str}, "[video]"),
    "sticker": Kind({"sticker": str}, "[sticker]"),
    "gif": Kind({"gif": str}, "[gif]"),
    "location": Kind({"latitude": (int, float), "longitude": (int, float)}, "[location] {latitude}, {longitude}"),
    "contact": Kind({}, "[contact]"),
    "buttons": Kind({"message": str, "buttons": list}, "{message}"),
    "list": Kind({"title": str, "description": str, "button_text": str, "sections": list}, "{title}"),
    "link": Kind({"message": str, "link_url": str, "title": str, "link_description": str}, "{message} {link_url}"),
    "poll": Kind({"name": str, "options": list}, "[poll] {name}"),
}


def _send(kind: str) -> Callable[[FakeVZaps, Request], Answer]:
    def send(fake: FakeVZaps, request: Request) -> Answer:
        """Accept a message, show it to the webhook as the account's own, and let it arrive."""
        body = _required(request, {"phone": str} | KINDS[kind].required)
        if kind == "poll" and not 2 <= len(body["options"]) <= 12:
            raise Refusal(400, "validation_error", "A poll has 2 to 12 options.")
        instance = _connected(fake, request)
        text = KINDS[kind].shown.format(**body)
        message = ChatMessage(
            id=str(body.get("id") or events.new_message_id()),
            chat=body["phone"],
            text=f"{text} {body['caption']}" if body.get("caption") else text,
            sent_at=fake.clock(),
            from_instance=True,
            kind=kind,
            body=body,
        )
        instance.conversation.append(message)
        _echo(fake, instance, message)
        return _accepted({"message_id": message.id})

    return send


for _kind in KINDS:
    ROUTES.append(
        Route(
            f"send_{_kind}", "POST", f"/instances/{{id}}/chat/send/{_kind}", access="owner or instance",
            handler=_send(_kind),
        )
    )  # fmt: skip


def _echo(fake: FakeVZaps, instance: FakeInstance, message: ChatMessage) -> None:
    now = rfc3339(message.sent_at)
    own = events.message(
        message.text,
        sender=instance.phone,
        push_name=instance.push_name,
        message_id=message.id,
        from_me=True,
        recipient=message.chat,
        group=message.chat if message.chat.endswith("@g.us") else False,
        timestamp=now,
    )
    fake.deliveries.add(instance, own)
    message.state = "delivered"
    fake.deliveries.add(instance, events.read_receipt([message.id], sender=message.chat, timestamp=now))


@route("poll_vote", "POST", "/instances/{id}/chat/poll/vote")
def vote(fake: FakeVZaps, request: Request) -> Answer:
    """Vote on a poll."""
    body = _required(request, {"phone": str, "message_id": str})
    _connected(fake, request)
    return _accepted({"details": "Vote sent.", "timestamp": rfc3339(fake.clock()), "id": body["message_id"]})


@route("react", "POST", "/instances/{id}/chat/react")
def react(fake: FakeVZaps, request: Request) -> Answer:
    """React to a message."""
    body = _required(request, {"phone": str, "message_id": str, "reaction": str})
    _connected(fake, request)
    return _accepted({"details": "Reaction sent.", "timestamp": rfc3339(fake.clock()), "id": body["message_id"]})


@route("unreact", "DELETE", "/instances/{id}/chat/react")
def remove_reaction(fake: FakeVZaps, request: Request) -> Answer:
    """Take a reaction back. The message is named in the body of a DELETE."""
    body = _required(request, {"phone": str, "message_id": str})
    _connected(fake, request)
    return _accepted({"details": "Reaction removed.", "timestamp": rfc3339(fake.clock()), "id": body["message_id"]})


@route("send_presence", "POST", "/instances/{id}/chat/presence")
def presence(fake: FakeVZaps, request: Request) -> Answer:
    """Show the other side that the account is typing or recording."""
    _required(request, {"phone": str, "state": str})
    _connected(fake, request)
    return _accepted({"details": "Presence sent."})


@route("mark_read", "POST", "/instances/{id}/chat/markread")
def mark_read(fake: FakeVZaps, request: Request) -> Answer:
    """Mark received messages as read."""
    _required(request, {"id": list, "chat": str})
    _connected(fake, request)
    return _accepted({"details": "Messages marked as read."})


@route("edit_message", "PATCH", "/instances/{id}/chat/messages/{message_id}")
def edit(fake: FakeVZaps, request: Request) -> Answer:
    """Change the text of a message the account has sent."""
    body = _required(request, {"message": str})
    message = _own_message(_connected(fake, request), request)
    message.text = body["message"]
    return _accepted({"message_id": message.id})


@route("delete_message", "DELETE", "/instances/{id}/chat/messages/{message_id}")
def delete(fake: FakeVZaps, request: Request) -> Answer:
    """Take a message back that the account has sent."""
    instance = _connected(fake, request)
    message = _own_message(instance, request)
    instance.conversation.remove(message)
    return _accepted({"message_id": message.id})


def _download(mimetype: str) -> Callable[[FakeVZaps, Request], Answer]:
    def download(fake: FakeVZaps, request: Request) -> Answer:
        """Fetch a medium. Its bytes are always the same few."""
        body = _required(request, {"url": str, "media_key": str, "mimetype": str})
        _connected(fake, request)
        return _accepted({"mimetype": body["mimetype"] or mimetype, "data": f"data:{body['mimetype']};base64,ZmFrZQ=="})

    return download


for _medium, _mimetype in {
    "image": "image/jpeg", "video": "video/mp4", "audio": "audio/ogg", "document": "application/pdf",
}.items():  # fmt: skip
    ROUTES.append(
        Route(
            f"download_{_medium}", "POST", f"/instances/{{id}}/chat/download{_medium}", access="owner or instance",
            handler=_download(_mimetype),
        )
    )  # fmt: skip


def _required(request: Request, fields: dict[str, type | tuple[type, ...]]) -> dict[str, Any]:
    body = request.json()
    for name, kind in fields.items():
        if not isinstance(body.get(name), kind) or body[name] == "":
            raise Refusal(400, "validation_error", f"{name} is required.")
    phone = body.get("phone", "0")
    if not (phone.isascii() and phone.isdigit()) and "@" not in phone:
        raise Refusal(400, "validation_error", "phone must be digits, or the address of a group.")
    return body


def _connected(fake: FakeVZaps, request: Request) -> FakeInstance:
    instance = instance_of(fake, request)
    if not instance.connected:
        raise Refusal(409, "not_connected", "The instance is not connected to WhatsApp.")
    return instance


def _own_message(instance: FakeInstance, request: Request) -> ChatMessage:
    for message in instance.conversation:
        if message.id == request.parameters["message_id"] and message.from_instance:
            return message
    raise Refusal(404, "message_not_found", "The account has sent no such message.")


def _accepted(data: dict[str, Any]) -> Answer:
    return Answer.json({"code": 200, "success": True, "data": data})
