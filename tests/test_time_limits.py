"""A task that its time limit stops leaves nothing half-written, holds no lease, and is blamed on nobody else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from celery import Task
from celery.exceptions import SoftTimeLimitExceeded
from django.contrib.auth.models import Group
from django.utils import timezone

from django_vzaps import conf, tasks
from django_vzaps.events import MessageEvent, dispatch, handlers, healing, inbound, on
from django_vzaps.models import (
    Account,
    Batch,
    BatchItemState,
    Event,
    EventQueue,
    EventState,
    HandlerRun,
    HandlerRunState,
    HealingRun,
    Instance,
    Operation,
    OperationOutcome,
)
from django_vzaps.services import batches, deliveries, pages, sync
from django_vzaps.testing import FakeVZaps
from tests.events.delivery_log import managed_instance
from tests.known import account, fresh_clients, instance
from tests.services.conftest import during

__all__ = ["account", "fresh_clients", "instance"]

pytestmark = pytest.mark.django_db

#: Seconds after which a broker takes a worker for dead that has not acknowledged its task: RabbitMQ's consumer_timeout.
#: Redis' visibility timeout is twice as long.
PATIENCE: Final = 1800
TASKS = [task for task in vars(tasks).values() if isinstance(task, Task)]


def late(*_args: object, **_options: object) -> Any:
    """What Celery raises wherever the process is."""
    raise SoftTimeLimitExceeded


@pytest.fixture(autouse=True)
def _only_this_tests_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "_registered", {})


@pytest.fixture
def arrive(instance: Instance) -> Callable[[], Event]:
    def arrive() -> Event:
        stored = Event.objects.store(instance_id=instance.pk, type="Message", payload='{"type": "Message"}')
        return Event.objects.get(pk=stored.pk)

    return arrive


def is_free(instance: Instance) -> bool:
    return not EventQueue.objects.filter(instance=instance).exclude(lease_holder="").exists()


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_task_is_given_away_when_its_worker_dies_and_ends_before_it_is_given_away_for_its_age(
    task: Task[Any, Any],
) -> None:
    assert task.acks_late
    assert task.reject_on_worker_lost
    assert task.soft_time_limit is not None
    assert task.time_limit is not None
    assert task.soft_time_limit < task.time_limit < PATIENCE


def test_a_handler_within_its_lease_is_not_stopped_for_the_one_before_it() -> None:
    soft, hard = tasks.drain_instance.soft_time_limit, tasks.drain_instance.time_limit
    assert soft is not None
    assert hard is not None
    assert soft > conf.Settings().drain_lease
    assert hard - soft > conf.Settings().drain_lease


def test_a_handler_that_takes_too_long_has_failed_and_delays_no_other(
    instance: Instance, arrive: Callable[[], Event]
) -> None:
    seen: list[int] = []
    slow = [True]

    @on("Message")
    def hang(event: MessageEvent) -> None:
        Group.objects.create(name=f"{event.record.pk}")
        if slow and slow.pop():
            raise SoftTimeLimitExceeded

    @on("Message")
    def keep(event: MessageEvent) -> None:
        seen.append(event.record.pk)

    first, second = arrive(), arrive()
    dispatch.drain(instance.pk, seconds=None)

    assert seen == [first.pk, second.pk]
    assert [group.name for group in Group.objects.all()] == [f"{second.pk}"]
    run = HandlerRun.objects.get(event=first, handler__endswith="hang")
    assert (run.state, run.attempts) == (HandlerRunState.FAILED, 1)
    assert "SoftTimeLimitExceeded" in run.error
    first.refresh_from_db()
    assert first.state == EventState.PENDING
    assert first.retry_at is not None
    assert is_free(instance)

    Event.objects.filter(pk=first.pk).update(retry_at=timezone.now() - timedelta(seconds=1))
    dispatch.drain(instance.pk, seconds=None)
    assert set(Event.objects.values_list("state", flat=True)) == {EventState.DONE}
    assert seen == [first.pk, second.pk]


def test_a_handler_that_reaches_outside_and_takes_too_long_is_shown_and_not_repeated(
    instance: Instance, arrive: Callable[[], Event]
) -> None:
    tried: list[int] = []

    @on("Message", atomic=False)
    def hang(event: MessageEvent) -> None:
        tried.append(event.record.pk)
        raise SoftTimeLimitExceeded

    event = arrive()
    for _ in range(2):
        dispatch.drain(instance.pk, seconds=None)
    event.refresh_from_db()
    assert tried == [event.pk]
    assert event.runs.get().state == HandlerRunState.INTERRUPTED
    assert event.state == EventState.FAILED


def test_an_event_is_not_blamed_for_a_limit_that_was_reached_outside_of_its_handlers(
    instance: Instance, arrive: Callable[[], Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    event = arrive()
    with monkeypatch.context() as patch:
        patch.setattr(inbound, "from_record", late)
        with pytest.raises(SoftTimeLimitExceeded):
            tasks.drain_instance(instance.pk)
    event.refresh_from_db()
    assert event.state == EventState.PENDING
    assert is_free(instance)
    tasks.drain_instance(instance.pk)
    event.refresh_from_db()
    assert event.state == EventState.IGNORED


def test_a_sync_that_takes_too_long_keeps_its_pages_and_says_so(
    fake_vzaps: FakeVZaps, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "PAGE_SIZE", 2)
    for name in "ABCD":
        fake_vzaps.add_instance(name=name)
    stores = iter([pages.store_page, late])
    with monkeypatch.context() as patch:
        patch.setattr(sync, "store_page", lambda *args, **options: next(stores)(*args, **options))
        with pytest.raises(SoftTimeLimitExceeded):
            tasks.sync_account(account.pk)
    assert Instance.objects.count() == 2
    account.refresh_from_db()
    assert account.synced_at is None
    assert "manage.py vzaps_sync" in account.sync_error

    tasks.sync_account(account.pk)
    account.refresh_from_db()
    assert Instance.objects.count() == 4
    assert account.sync_error == ""


def test_an_item_of_a_batch_that_takes_too_long_is_not_sent_again(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    other = fake_vzaps.add_instance(name="Other")
    sync.sync_account(instance.account)
    during(fake_vzaps, "restart", late)

    batch = batches.start("restart", Instance.objects.order_by("pk"), actor=None)

    assert [item.state for item in batch.items.order_by("pk")] == [BatchItemState.UNKNOWN, BatchItemState.SUCCEEDED]
    assert Operation.objects.get(instance=instance).outcome == OperationOutcome.UNKNOWN
    assert Instance.objects.filter(vzaps_id=other.id).exists()
    tasks.run_batch(batch.pk)
    assert len(fake_vzaps.calls_to("restart")) == 2
    assert Batch.objects.get().lease_holder == ""


@pytest.mark.django_db(transaction=True)
def test_healing_that_takes_too_long_ends_and_the_next_one_begins_with_the_others(
    fake_vzaps: FakeVZaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = managed_instance(fake_vzaps, "First"), managed_instance(fake_vzaps, "Second")
    looked: list[int] = []
    failed = deliveries.failed

    def look(instance: Instance) -> Any:
        looked.append(instance.pk)
        return late() if looked == [first.pk] else failed(instance)

    monkeypatch.setattr(deliveries, "failed", look)
    with pytest.raises(SoftTimeLimitExceeded):
        tasks.heal_gaps()
    assert looked == [first.pk]
    assert "SoftTimeLimitExceeded" in HealingRun.objects.get(instance=first).problems
    tasks.heal_gaps()
    assert looked == [first.pk, second.pk, first.pk]


@pytest.mark.django_db(transaction=True)
def test_healing_ends_in_time_and_goes_on_where_it_ended(fake_vzaps: FakeVZaps) -> None:
    pks = {managed_instance(fake_vzaps, name).pk for name in ("First", "Second")}
    looked: list[int] = []
    for _ in pks:
        summary = healing.heal_all(seconds=0, progress=lambda instance, _run: looked.append(instance.pk))
        assert summary.instances == 1
    assert set(looked) == pks
