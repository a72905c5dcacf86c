"""Which stored event a delivery of VZaps' log is: told where it can be, and not guessed where it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from django_vzaps import services
from django_vzaps.events import tracing
from django_vzaps.events.tracing import Trace
from django_vzaps.models import Event, Instance
from django_vzaps.services import deliveries
from django_vzaps.services.deliveries import Delivery
from django_vzaps.testing import FakeVZaps, events
from tests.events.delivery_log import look, managed_instance


@pytest.fixture
def managed(fake_vzaps: FakeVZaps, db: None) -> Instance:
    return managed_instance(fake_vzaps)


def of(instance: Instance) -> list[Trace]:
    """Oldest first, as the events came."""
    page = deliveries.search(instance)
    traces = tracing.traces(instance, page.deliveries)
    return [traces[delivery.id] for delivery in reversed(page.deliveries)]


@pytest.mark.parametrize("form", ["bare", "json_data", "json_data_text"])
@pytest.mark.parametrize("casing", ["snake", "whatsapp"])
def test_what_came_is_found(form: Any, casing: Any, fake_vzaps: FakeVZaps, managed: Instance) -> None:
    fake_vzaps.variants.webhook_body, fake_vzaps.variants.event_casing = form, casing
    fake_vzaps.receive(managed.vzaps_id, "hello")
    trace = of(managed)[-1]
    assert trace == Trace(event_type="Message", event_id=Event.objects.get().pk, is_certain=True)


def test_what_was_lost_is_not_here_until_it_is_healed(fake_vzaps: FakeVZaps, managed: Instance) -> None:
    fake_vzaps.faults.webhooks.lost, fake_vzaps.faults.webhooks.lost_logged = 2, True
    fake_vzaps.receive(managed.vzaps_id, "lost")
    fake_vzaps.emit(managed.vzaps_id, events.disconnected())
    lost, disconnected = of(managed)[-2:]
    assert (lost.event_id, lost.is_certain) == (None, True)
    # One Disconnected is like the other.
    assert (disconnected.event_id, disconnected.is_certain) == (None, False)
    look(managed)
    healed = of(managed)[-2:]
    assert {trace.event_id for trace in healed} == set(Event.objects.values_list("pk", flat=True))
    assert all(trace.is_certain for trace in healed)


def test_another_instances_event_is_not_taken_for_it(fake_vzaps: FakeVZaps, managed: Instance) -> None:
    fake_vzaps.receive(managed.vzaps_id, "hello")
    other = managed_instance(fake_vzaps, "Other")
    page = deliveries.search(managed)
    traces = tracing.traces(other, page.deliveries)
    assert {trace.event_id for trace in traces.values()} == {None}


def test_two_queries_however_many_there_are(
    fake_vzaps: FakeVZaps, managed: Instance, django_assert_num_queries: Any
) -> None:
    for number in range(5):
        fake_vzaps.receive(managed.vzaps_id, f"text {number}")
    page = deliveries.search(managed)
    with django_assert_num_queries(2):
        tracing.traces(managed, page.deliveries)


@pytest.mark.parametrize("payload", [None, "", {}, "not JSON", [1, 2], {"type": 7}, {"event": {}}, "[" * 100_000])
def test_any_payload_is_looked_at(payload: Any, managed: Instance) -> None:
    delivery = Delivery(
        id="1",
        at=None,
        event_type="",
        status="",
        is_failed=True,
        attempts=None,
        response_code=None,
        error="",
        payload=payload,
    )
    assert tracing.traces(managed, [delivery])["1"].event_id is None
    assert services.deliveries.as_body("x") == b"x"
