"""False duplicates are as bad as duplicates."""

from __future__ import annotations

import json
from typing import Any

import pytest

from django_vzaps.events import parsing
from django_vzaps.events.keys import semantic_key, text_key
from django_vzaps.testing import events


def key(body: dict[str, Any]) -> str | None:
    return semantic_key(parsing.unwrapped(parsing.decoded(body)))


def test_a_redelivery_has_the_same_key_however_it_is_written() -> None:
    message = events.message("hello", lid=True)
    copies = [
        message,
        {"json_data": message},
        {"json_data": json.dumps(message)},
        events.in_whatsapp_casing(message),
        dict(reversed(message.items())),
    ]
    assert len({key(copy) for copy in copies}) == 1
    assert len(str(key(message))) == 64
    picture = events.message("look", media="image")
    assert key(picture) == key(events.in_whatsapp_casing(picture))


@pytest.mark.parametrize("change", [{"text": "edited"}, {"media_url": "https://files.test/1"}, {"lid": True}])
def test_a_revision_of_a_message_is_not_a_duplicate(change: dict[str, Any]) -> None:
    first: dict[str, Any] = {
        "text": "hello", "message_id": "3EB0", "media": "image", "lid": "partial", "timestamp": "2026-09-20T11:00:00Z"
    }  # fmt: skip
    assert key(events.message(**first)) != key(events.message(**{**first, **change}))


def test_the_same_id_in_another_chat_or_direction_is_another_message() -> None:
    message = {"text": "hello", "message_id": "3EB0"}
    keys = {
        key(events.message(**message)),  # type: ignore[arg-type]
        key(events.message(**message, sender="5511900000000")),  # type: ignore[arg-type]
        key(events.message(**message, from_me=True)),  # type: ignore[arg-type]
        key(events.message(**message, group=True)),  # type: ignore[arg-type]
    }
    assert len(keys) == 4


def test_receipts_of_five_members_of_a_group_are_five_events() -> None:
    receipts = [events.read_receipt(["A", "B"], "Read", sender=f"55119000000{n}", group=True) for n in range(5)]
    assert len({key(receipt) for receipt in receipts}) == 5


def test_a_receipts_ids_have_no_order_and_its_state_counts() -> None:
    at = "2026-09-20T11:00:00Z"
    assert key(events.read_receipt(["A", "B"], "Read")) == key(events.read_receipt(["B", "A"], "Read", timestamp=at))
    assert key(events.read_receipt(["A"], "Read")) != key(events.read_receipt(["A"], "Delivered"))
    assert key(events.read_receipt(["A"], "Read")) != key(events.read_receipt(["A", "B"], "Read"))


@pytest.mark.parametrize(
    "event",
    [events.connected(), events.disconnected(), events.presence(), events.chat_presence(), {"type": "connected"}],
)
def test_every_delivery_of_these_counts(event: dict[str, Any]) -> None:
    assert key(event) is None


AT: dict[str, Any] = {"timestamp": "2026-09-20T11:00:00Z"}


def test_others_are_told_apart_by_their_body() -> None:
    added = events.group_participants_add()
    assert key(added) == key({"json_data": added}) == key({"json_data": added, "instance_id": "VZ0001"})
    assert key(added) != key(events.group_participants_remove())
    assert key({"type": "New", "event": {"a": 1, **AT}}) != key({"type": "New", "event": {"a": 2, **AT}})
    assert key({"type": "New", "event": AT}) != key({"type": "Newer", "event": AT})
    assert key({"type": "New", "instance_id": "1", **AT}) != key({"type": "New", "instance_id": "2", **AT})


@pytest.mark.parametrize(
    "body", [{"type": "LoggedOut"}, {"type": "New", "event": {"who": "5511"}}, {"type": "Message"}]
)
def test_what_has_neither_time_nor_id_counts_each_time(body: dict[str, Any]) -> None:
    assert key(body) is None
    for level in ({**body, **AT}, {**body, "event": {"id": 7}}, {**body, "event": {"info": AT}}):
        assert key(level) is not None


def test_without_an_id_the_body_is_the_identity() -> None:
    one = {"type": "Message", "event": {"info": AT, "message": {"conversation": "a"}}}
    other = {"type": "Message", "event": {"info": AT, "message": {"conversation": "b"}}}
    assert key(one) != key(other)
    receipts = [{"type": "ReadReceipt", "state": "Read", "event": {"at": n}} for n in range(2)]
    assert key(receipts[0]) != key(receipts[1])


def test_a_receipt_whose_reader_has_another_name_is_told_apart_by_it() -> None:
    receipts = [
        {"type": "ReadReceipt", "state": "Read", "event": {"message_i_ds": ["A", "B"], "participant": who}}
        for who in ("5511900000001", "5511900000002")
    ]
    assert key(receipts[0]) != key(receipts[1])
    bare = {"type": "ReadReceipt", "state": "Read", "event": {"message_i_ds": ["A", "B"]}}
    assert key(bare) == key({"json_data": {**bare, "event": {"message_i_ds": ["B", "A"]}}}) != key(receipts[0])


def test_a_receipt_in_another_chat_is_another() -> None:
    bodies = [{"type": "ReadReceipt", "event": {"message_ids": ["A"], "sender": "1", "chat": chat}} for chat in "12"]
    assert key(bodies[0]) != key(bodies[1])


@pytest.mark.parametrize("name", ["sender_alt", "recipient_alt"])
def test_the_phone_behind_a_lid_makes_a_revision_wherever_it_stands(name: str) -> None:
    partial = events.message("hello", message_id="3EB0", lid="partial", **AT)
    for place in ("info", "event"):
        full = json.loads(json.dumps(partial))
        (full["event"]["info"] if place == "info" else full["event"])[name] = "5511900000001@s.whatsapp.net"
        assert key(full) != key(partial), place


def test_a_media_url_within_the_event_makes_a_revision() -> None:
    plain = events.message("look", message_id="3EB0", media="image", **AT)
    assert key({**plain, "event": {**plain["event"], "media_url": "https://files.test/1"}}) != key(plain)


def test_keys_stay_what_they_are() -> None:
    """A change lets every redelivery of what is stored in as new: raise ``VERSION``, and mean it."""
    message = events.message("hello", message_id="3EB0", sender="5511900000001", **AT)
    assert key(message) == "4cb649707a8edd5e315c939617377dba62b6ee5098fcad803c48fa7b2cc8536e"


def test_keys_that_differ_in_spelling_only_hide_nothing() -> None:
    assert key({"type": "New", "a_b": 1, "ab": 2, **AT}) != key({"type": "New", "a_b": 1, "ab": 3, **AT})


def test_texts_have_keys_of_their_own() -> None:
    assert text_key("x") == text_key("x") != text_key("y")
    assert len(text_key("\ud800\x00")) == 64
