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


def test_others_are_told_apart_by_their_body() -> None:
    assert key(events.history_sync(10)) == key({"json_data": events.history_sync(10)})
    assert key(events.history_sync(10)) != key(events.history_sync(20))
    assert key({"type": "New", "event": {}}) != key({"type": "Newer", "event": {}})


def test_without_an_id_the_body_is_the_identity() -> None:
    one = {"type": "Message", "event": {"message": {"conversation": "a"}}}
    other = {"type": "Message", "event": {"message": {"conversation": "b"}}}
    assert key(one) != key(other)
    receipts = [{"type": "ReadReceipt", "state": "Read", "event": {"at": n}} for n in range(2)]
    assert key(receipts[0]) != key(receipts[1])


def test_keys_that_differ_in_spelling_only_hide_nothing() -> None:
    assert key({"type": "New", "a_b": 1, "ab": 2}) != key({"type": "New", "a_b": 1, "ab": 3})


def test_texts_have_keys_of_their_own() -> None:
    assert text_key("x") == text_key("x") != text_key("y")
    assert len(text_key("\ud800\x00")) == 64
