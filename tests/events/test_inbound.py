from __future__ import annotations

import json
from typing import Any

import pytest

from django_vzaps.events import (
    ConnectedEvent,
    InboundEvent,
    InTransaction,
    MessageEvent,
    NoAddress,
    ReadReceiptEvent,
    UnknownEvent,
    inbound,
)
from django_vzaps.models import Event, Instance
from django_vzaps.services import messages
from django_vzaps.testing import events

PHONE = "5511988887777"


def read(body: dict[str, Any], *, event_type: str | None = None, message_id: str = "") -> Any:
    record = Event(
        instance=Instance(pk=1, vzaps_id="VZ1"),
        type=event_type or body.get("type", ""),
        payload=json.dumps(body),
        message_id=message_id,
    )
    return inbound.from_record(record)


@pytest.mark.parametrize("recase", [lambda body: body, events.in_whatsapp_casing])
def test_a_message_is_read_in_either_casing(recase: Any) -> None:
    event = read(recase(events.message("hello", message_id="3EB0", push_name="Bia")))
    assert isinstance(event, MessageEvent)
    assert (event.text, event.message_id, event.push_name) == ("hello", "3EB0", "Bia")
    assert (event.phone, event.is_from_me, event.is_group) == (PHONE, False, False)
    assert str(event.chat) == str(event.sender) == f"{PHONE}@s.whatsapp.net"
    assert event.get("info.is_from_me") is False
    assert event.get("message.nothing", "none") == "none"


def test_the_text_of_a_picture_is_its_caption() -> None:
    event = read(events.message("look", media="image", media_url="https://files.test/1"))
    assert (event.text, event.media_url) == ("look", "https://files.test/1")
    assert event.media["mimetype"] == "image/jpeg"
    assert read({"type": "Message", "event": {"message": {"extendedTextMessage": {"text": "long"}}}}).text == "long"
    assert read(events.message("plain")).media == {}


def test_the_phone_behind_a_lid_is_found_and_its_digits_are_never_taken_for_one() -> None:
    assert read(events.message(lid=True)).phone == PHONE
    assert read(events.message(lid="partial")).phone == ""
    assert read(events.message(lid=True, from_me=True)).phone == PHONE
    assert read(events.message(from_me=True)).phone == PHONE
    assert read(events.message(group=True)).phone == PHONE
    assert read({"type": "Message", "event": {"info": {"chat": f"{PHONE}@s.whatsapp.net"}}}).phone == PHONE
    assert read(events.message(group=True, from_me=True, sender="5500000000000")).phone == ""


def test_a_receipt_has_a_state_and_ids() -> None:
    event = read({"json_data": events.read_receipt(["A", "B"], "Read")}, event_type="ReadReceipt")
    assert isinstance(event, ReadReceiptEvent)
    assert (event.state, event.message_ids, event.phone) == ("Read", ("A", "B"), PHONE)


def test_unknown_types_and_odd_payloads_are_events_too() -> None:
    assert isinstance(read({"type": "Connected"}), ConnectedEvent)
    unknown = read({"type": "New", "event": {"Deep_Er": {"X": 1}}})
    assert isinstance(unknown, UnknownEvent)
    assert unknown.get("deeper.x") == 1
    odd = read({"type": "Message", "event": "text"})
    assert (odd.text, odd.phone, odd.message_id, odd.is_group) == ("", "", "", False)
    assert inbound.from_record(Event(instance=Instance(), payload="no json")).payload == {}


@pytest.mark.parametrize(
    ("body", "address"),
    [
        (events.message(), PHONE),
        (events.message(lid=True), PHONE),
        (events.message(group=True), events.GROUP),
        (events.message(from_me=True, recipient="5511900000000"), "5511900000000"),
    ],
)
def test_a_reply_goes_to_the_chat(body: dict[str, Any], address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(messages, "send_text", lambda instance, **given: sent.append(given))
    event = read(body, message_id="3EB0")
    event.reply("pong")
    event.reply("pong", quote=True)
    assert sent == [
        {"phone": address, "message": "pong", "reply_to": None},
        {"phone": address, "message": "pong", "reply_to": "3EB0"},
    ]


@pytest.mark.parametrize(
    "body",
    [
        events.message(lid="partial"),
        events.connected(),
        {"type": "Message", "event": {"info": {"chat": "status@broadcast", "sender": f"{PHONE}@s.whatsapp.net"}}},
        {"type": "Message", "event": {"info": {"chat": "1203@newsletter", "sender": "1203@newsletter"}}},
    ],
)
def test_a_reply_to_nobody_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(NoAddress, match="No phone number"):
        read(body).reply("pong")


def test_a_reply_in_a_transaction_is_refused_with_what_to_write() -> None:
    event: InboundEvent = read(events.message())
    event.begin(handler="app.answer", in_transaction=True)
    with pytest.raises(InTransaction, match=r'@on\("Message", atomic=False\)'):
        event.reply("pong")
