from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_vzaps import broker
from django_vzaps.events import MessageEvent, on, sweep
from django_vzaps.models import Batch, Event, EventState, Instance, Operation, OperationKind, OperationOutcome
from tests.events.conftest import new_instance

pytestmark = pytest.mark.django_db

Arrive = Callable[..., Event]


@pytest.fixture
def _celery(settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "TASKS": "celery"}


def in_state(event: Event, state: EventState, *, days_old: float = 0) -> Event:
    received_at = timezone.now() - timedelta(days=days_old)
    Event.objects.filter(pk=event.pk).update(state=state, received_at=received_at)
    return event


def test_events_that_nobody_handled_are_handled(instance: Instance, arrive: Arrive) -> None:
    seen: list[int] = []

    @on("Message")
    def keep(event: MessageEvent) -> None:
        seen.append(event.instance.pk)

    other = new_instance("VZ0002")
    arrive()
    arrive(at=other)
    assert sweep.sweep().woken == 2
    assert sorted(seen) == [instance.pk, other.pk]
    assert sweep.sweep() == sweep.SweepReport(woken=0, unreachable=0, doubted=0, overdue=0, batches=0)


@pytest.mark.usefixtures("_celery")
def test_a_worker_is_told_once_per_instance(instance: Instance, arrive: Arrive, rung: list[int]) -> None:
    other, quiet = new_instance("VZ0002"), new_instance("VZ0003")
    for event in (arrive(), arrive(), arrive(at=other)):
        assert event.state == EventState.PENDING
    waiting = arrive(at=quiet)
    Event.objects.filter(pk=waiting.pk).update(retry_at=timezone.now() + timedelta(minutes=1))
    in_state(arrive(at=quiet), EventState.DONE)
    sweep.sweep()
    assert sorted(rung) == [instance.pk, other.pk]


@pytest.mark.usefixtures("_celery")
def test_a_broker_that_is_down_is_reported(instance: Instance, arrive: Arrive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "_sent", lambda task, instance_id, **options: False)
    arrive()
    assert sweep.sweep().unreachable == 1
    with pytest.raises(CommandError, match="could not be told of the events in 1 queue"):
        call_command("vzaps_sweep", stdout=StringIO())


@pytest.mark.usefixtures("_celery")
def test_a_broker_that_was_down_a_moment_ago_is_tried(instance: Instance, arrive: Arrive, rung: list[int]) -> None:
    broker.breaker.note(worked=False)
    arrive()
    assert sweep.sweep().woken == 1
    assert rung == [instance.pk]


def test_operations_past_their_deadline_become_unknown(instance: Instance) -> None:
    operation = Operation.objects.create(
        kind=OperationKind.RESTART, instance=instance, deadline=timezone.now() - timedelta(seconds=1)
    )
    assert sweep.sweep().overdue == 1
    operation.refresh_from_db()
    assert operation.outcome == OperationOutcome.UNKNOWN


def test_the_command_says_what_it_did(instance: Instance, arrive: Arrive) -> None:
    arrive()
    out = StringIO()
    call_command("vzaps_sweep", stdout=out)
    assert out.getvalue() == "1 queues woken, 0 connections in doubt, 0 operations marked unknown.\n"


def test_batches_that_nobody_carries_out_are_woken(instance: Instance) -> None:
    batch = Batch.objects.create(kind="restart", total=1)
    batch.items.create(instance=instance)
    out = StringIO()
    call_command("vzaps_sweep", stdout=out)
    assert "1 batch woken." in out.getvalue()
    batch.refresh_from_db()
    assert batch.finished_at is not None
    assert sweep.sweep().batches == 0
