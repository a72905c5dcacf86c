"""Processes that come too late, and a database that is away for a moment: neither undoes what is known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from django_vzaps.events import MessageEvent, dispatch, handlers, inbound, on, runs
from django_vzaps.events.lease import LeaseLost
from django_vzaps.models import Event, EventQueue, EventState, HandlerRun, HandlerRunState, Instance

pytestmark = pytest.mark.django_db

Arrive = Callable[..., Event]


def drain(instance: Instance) -> int:
    return dispatch.drain(instance.pk, seconds=None)


def another_process_takes_over(instance: Instance) -> None:
    EventQueue.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    drain(instance)


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_is_away_for_a_moment_closes_no_event(
    instance: Instance, arrive: Arrive, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    event = arrive()

    def from_record(record: Event) -> inbound.InboundEvent:
        raise error("away")

    with monkeypatch.context() as away:
        away.setattr(inbound, "from_record", from_record)
        with pytest.raises(error):
            drain(instance)
    event.refresh_from_db()
    assert event.state == EventState.PENDING
    assert drain(instance) == 1, "and nobody is kept from it"


def test_who_concludes_late_does_not_open_again_what_is_done(
    instance: Instance, arrive: Arrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = runs.attempt
    seen: list[int] = []

    @on("Message")
    def fail_once(event: MessageEvent) -> None:
        seen.append(event.record.pk)
        if len(seen) == 1:
            raise ValueError

    def attempt_and_be_overtaken(*args: Any) -> HandlerRun:
        run = attempt(*args)
        if len(seen) == 1:
            another_process_takes_over(instance)
        return run

    monkeypatch.setattr(runs, "attempt", attempt_and_be_overtaken)
    event = arrive()
    drain(instance)
    event.refresh_from_db()
    assert (event.state, event.retry_at) == (EventState.DONE, None)
    assert len(seen) == 2


def test_the_end_of_an_earlier_attempt_does_not_end_the_one_under_way(instance: Instance, arrive: Arrive) -> None:
    @on("Message", atomic=False)
    def slow(event: MessageEvent) -> None:
        # Taken for dead, replayed, and begun by another process.
        HandlerRun.objects.update(state=HandlerRunState.STARTED, attempts=2)

    event = arrive()
    drain(instance)
    run = event.runs.get()
    assert (run.state, run.attempts) == (HandlerRunState.STARTED, 2)
    event.refresh_from_db()
    assert event.state == EventState.PENDING


def test_one_of_two_processes_that_found_the_same_run_begins_it(instance: Instance, arrive: Arrive) -> None:
    seen: list[int] = []

    @on("Message")
    def fail(event: MessageEvent) -> None:
        seen.append(event.record.pk)
        raise ValueError

    event = arrive()
    drain(instance)
    (handler,) = handlers.registered()
    one, other = event.runs.get(), event.runs.get()
    runs.attempt(inbound.from_record(event), handler, one)
    with pytest.raises(LeaseLost):
        runs.attempt(inbound.from_record(event), handler, other)
    assert len(seen) == 2
    assert event.runs.get().attempts == 2


def test_the_last_event_is_the_newest_one_and_not_the_last_one_handled(instance: Instance, arrive: Arrive) -> None:
    newest = timezone.now()
    for hours in (1, 0, 2):
        Event.objects.filter(pk=arrive().pk).update(received_at=newest - timedelta(hours=hours))
    drain(instance)
    instance.refresh_from_db()
    assert instance.last_event_at == newest
    Event.objects.filter(pk=arrive().pk).update(received_at=newest - timedelta(hours=3))
    drain(instance)
    instance.refresh_from_db()
    assert instance.last_event_at == newest
