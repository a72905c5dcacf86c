"""What several processes do at once. SQLite lets one at a time write, and so would prove nothing here."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Barrier
from threading import Event as Flag
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction

from django_vzaps.events import MessageEvent, dispatch, doorbell, on, storing
from django_vzaps.events.lease import Lease
from django_vzaps.models import Event, EventQueue, EventState, HandlerRun, Instance, Lane
from django_vzaps.testing import events

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="needs PostgreSQL or MariaDB"),
]

THREADS = 6


def at_once(function: Callable[[], Any]) -> list[Any]:
    """The results of as many threads as start at the same moment."""
    barrier = Barrier(THREADS)

    def start(_: int) -> Any:
        try:
            barrier.wait(timeout=10)
            return function()
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(start, range(THREADS)))


def test_one_of_many_copies_that_arrive_at_once_is_stored(instance: Instance) -> None:
    import json

    body = json.dumps(events.message("hello")).encode()
    stored = at_once(lambda: storing.receive(body, instance_id=instance.pk, vzaps_id=instance.vzaps_id))
    assert Event.objects.get().duplicates == THREADS - 1
    assert sorted(one.is_new for one in stored) == [False] * (THREADS - 1) + [True]


def test_one_drain_takes_the_lease(instance: Instance) -> None:
    assert sum(lease is not None for lease in at_once(lambda: Lease.take(instance.pk, Lane.MAIN))) == 1


def test_a_bell_is_not_silenced_past_an_event_that_heard_it_ring(instance: Instance, rung: list[int]) -> None:
    doorbell.ring(instance.pk)
    silenced, looked = Flag(), Flag()

    def silence() -> bool:
        try:
            doorbell.silence(instance.pk, Lane.MAIN)
            silenced.set()
            return Event.objects.due().exists()
        finally:
            looked.set()
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():  # not committed yet: the moment that a drain must not fall into
            stored = Event.objects.store(instance_id=instance.pk, type="Message", payload="{}")
            assert stored.is_ringing
            found = threads.submit(silence)
            assert not silenced.wait(0.3), "it waits for the event"
        assert looked.wait(10)
    assert found.result(), "and sees it"


def test_an_event_that_comes_while_the_bell_is_silenced_finds_it_silent(instance: Instance, rung: list[int]) -> None:
    doorbell.ring(instance.pk)

    def store() -> bool:
        try:
            return Event.objects.store(instance_id=instance.pk, type="Message", payload="{}").is_ringing
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            doorbell.silence(instance.pk, Lane.MAIN)
            stored = threads.submit(store)
            assert not wait([stored], timeout=0.3).done, "it waits to know"
        assert not stored.result(timeout=10)


def test_one_of_many_rings_is_sent(instance: Instance, rung: list[int]) -> None:
    assert all(at_once(lambda: doorbell.ring(instance.pk)))
    assert len(rung) == 1


def test_many_drains_handle_each_event_once_and_in_order(instance: Instance, arrive: Callable[..., Event]) -> None:
    seen: list[int] = []

    @on("Message")
    def keep(event: MessageEvent) -> None:
        seen.append(event.record.pk)
        Group.objects.create(name=str(event.record.pk))

    arrived = [arrive().pk for _ in range(10)]
    handled = at_once(lambda: dispatch.drain(instance.pk, seconds=None))
    assert sum(handled) == 10
    assert seen == arrived
    assert Group.objects.count() == 10
    assert set(Event.objects.values_list("state", flat=True)) == {EventState.DONE}
    assert set(HandlerRun.objects.values_list("attempts", flat=True)) == {1}
    assert EventQueue.objects.get().lease_until is None
