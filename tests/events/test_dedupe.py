"""False duplicates are as bad as duplicates: what counts, and what is another event."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from django_vzaps.events import parsing
from django_vzaps.events.storing import Received, receive
from django_vzaps.models import Event, EventSource, Instance
from django_vzaps.testing import events
from tests.events.conftest import new_instance

pytestmark = pytest.mark.django_db

Body = dict[str, Any]
Store = Callable[..., Received]

AT = "2026-09-20T11:00:00Z"


@pytest.fixture
def store(instance: Instance) -> Store:
    def store(body: Body, *, at: Instance | None = None, **how: Any) -> Received:
        to = at or instance
        return receive(json.dumps(body).encode(), instance_id=to.pk, vzaps_id=to.vzaps_id, **how)

    return store


def stored() -> tuple[int, int]:
    """How many events there are, and how many duplicates they count."""
    return Event.objects.count(), sum(Event.objects.values_list("duplicates", flat=True))


def test_receipts_of_five_members_of_a_group_are_five(store: Store) -> None:
    for number in range(5):
        body = events.read_receipt(["3EB0A", "3EB0B"], sender=f"551190000000{number}", group=True, timestamp=AT)
        assert store(body).is_new
    assert stored() == (5, 0)


def test_the_order_of_the_ids_and_the_spelling_do_not_matter(store: Store) -> None:
    receipt = events.read_receipt(["3EB0A", "3EB0B"], "Read", timestamp=AT)
    turned = events.read_receipt(["3EB0B", "3EB0A"], "Read", timestamp="2026-09-20T11:00:07Z")
    moved = {"type": "ReadReceipt", "event": {**receipt["event"], "state": "Read"}}
    copies = [receipt, turned, moved, {"json_data": json.dumps(receipt)}, events.in_whatsapp_casing(receipt)]
    assert [store(copy).is_new for copy in copies] == [True, False, False, False, False]


def test_delivered_and_read_are_two(store: Store) -> None:
    assert store(events.read_receipt(["3EB0A"], "Delivered", timestamp=AT)).is_new
    assert store(events.read_receipt(["3EB0A"], "Read", timestamp=AT)).is_new
    assert store(events.read_receipt(["3EB0A", "3EB0B"], "Read", timestamp=AT)).is_new


def test_a_redelivery_counts_and_a_media_upgrade_and_the_phone_behind_a_lid_do_not(store: Store) -> None:
    common: Any = {"message_id": "3EB0A", "timestamp": AT}
    for copy in (
        events.message("look", media="image", **common),
        events.message("look", media="image", media_url="https://files.example.org/1", **common),
        events.message("hello", lid="partial", **common),
        events.message("hello", lid=True, **common),
    ):
        assert store(copy).is_new
        assert not store(copy).is_new
    assert stored() == (4, 4)


def test_the_same_words_and_id_from_another_member_are_another_message(store: Store) -> None:
    common: Any = {"message_id": "3EB0A", "timestamp": AT, "group": True}
    assert store(events.message("yes", sender="5511900000001", **common)).is_new
    assert store(events.message("yes", sender="5511900000002", **common)).is_new


def test_a_healed_copy_meets_the_webhooks_by_its_meaning(store: Store) -> None:
    message = events.message("hello", timestamp=AT)
    first = store({"json_data": message})
    healed = store(message, source=EventSource.DELIVERY_LOG, origin_id="whl_1")
    assert (healed.pk, healed.is_new) == (first.pk, False)


@pytest.mark.parametrize("source", [EventSource.REALTIME, EventSource.DELIVERY_LOG])
@pytest.mark.parametrize("body", [events.connected(), events.message("hello", timestamp=AT)], ids=["keyless", "keyed"])
def test_an_origin_is_known_per_instance_and_source(store: Store, body: Body, source: EventSource) -> None:
    other = new_instance("VZ0002")
    first = store(body, source=source, origin_id="evt_1")
    again = store(body, source=source, origin_id="evt_1")
    changed = store(
        {**body, "shown_as": "changed", "event": {"info": {"id": "other"}}}, source=source, origin_id="evt_1"
    )
    assert first.is_new
    assert [(found.pk, found.is_new) for found in (again, changed)] == [(first.pk, False)] * 2
    assert Event.objects.get().duplicates == 2
    assert store(body, at=other, source=source, origin_id="evt_1").is_new
    if parsing.canonical_type(body["type"]) == "Connected":
        assert store(body, source=source, origin_id="evt_2").is_new
        assert store(body).is_new, "every one is kept"
