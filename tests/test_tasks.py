from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery import Task
from django.utils import timezone

from django_vzaps import schedules, services, tasks
from django_vzaps.events import MessageEvent, handlers, on
from django_vzaps.models import (
    Account,
    Batch,
    BatchItemState,
    Event,
    EventState,
    HandlerRun,
    HandlerRunState,
    HealingRun,
    Instance,
)
from django_vzaps.services import sync
from django_vzaps.testing import FakeVZaps
from tests.events.delivery_log import managed_instance
from tests.known import account, fresh_clients, instance
from tests.services.conftest import during

__all__ = ["account", "fresh_clients", "instance"]

pytestmark = pytest.mark.django_db


def carried_out(fake: FakeVZaps, route: str) -> int:
    """How often VZaps did that."""
    return len([call for call in fake.calls_to(route) if call.carried_out])


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Account]:
    """The accounts whose sync was asked for; none is made."""
    asked: list[Account] = []
    monkeypatch.setattr(services.sync, "sync_account", asked.append)
    return asked


def test_every_active_account_is_synced(synced: list[Account]) -> None:
    other = Account.objects.create(name="other", client_token="t", client_secret="s")
    Account.objects.create(name="asleep", is_active=False)
    tasks.sync_all_accounts()
    assert {account.name for account in synced} == {"default", other.name}


def test_every_account_gets_a_task_of_its_own(
    synced: list[Account], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VZAPS = {**settings.VZAPS, "TASKS": "celery"}
    sent: list[tuple[int, ...]] = []
    monkeypatch.setattr(tasks.sync_account, "delay", lambda *args: sent.append(args))
    tasks.sync_all_accounts()
    assert sent == [(Account.objects.get().pk,)]
    assert synced == []


def test_an_account_that_is_gone_or_asleep_is_left_alone(synced: list[Account]) -> None:
    asleep = Account.objects.create(name="asleep", is_active=False)
    tasks.sync_account(4711)
    tasks.sync_account(asleep.pk)
    assert synced == []


def test_a_sync_that_runs_already_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def running(account: Account) -> None:
        raise services.SyncRunning("running")

    monkeypatch.setattr(services.sync, "sync_account", running)
    tasks.sync_account(Account.objects.create(name="one").pk)


def test_a_sync_that_failed_is_a_failed_task(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(account: Account) -> None:
        raise services.ReadFailed("VZaps could not be reached.")

    monkeypatch.setattr(services.sync, "sync_account", fail)
    with pytest.raises(services.ReadFailed):
        tasks.sync_account(Account.objects.create(name="one").pk)


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> list[Account]:
    """The accounts whose instances were asked about; none is."""
    asked: list[Account] = []
    monkeypatch.setattr(services.probes, "probe_account", asked.append)
    return asked


def test_every_active_account_is_probed(probed: list[Account]) -> None:
    other = Account.objects.create(name="other", client_token="t", client_secret="s")
    asleep = Account.objects.create(name="asleep", is_active=False)
    tasks.probe_all_accounts()
    tasks.probe_account(asleep.pk)
    tasks.probe_account(4711)
    assert {account.name for account in probed} == {"default", other.name}


def test_who_is_too_silent_is_found_before_anybody_is_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(services.silence, "learn", lambda: done.append("learn"))
    monkeypatch.setattr(services.silence, "detect", lambda: done.append("detect"))
    monkeypatch.setattr(services.probes, "probe_account", lambda _account: done.append("probe"))
    tasks.probe_all_accounts()
    assert done == ["learn", "detect", "probe"]


def test_an_error_in_finding_them_is_a_failed_task_and_keeps_nobody_from_being_probed(
    probed: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise LookupError

    monkeypatch.setattr(services.silence, "learn", fail)
    with pytest.raises(LookupError):
        tasks.probe_all_accounts()
    assert len(probed) == 1


def test_accounts_are_probed_at_different_seconds_each_always_at_the_same(
    probed: list[Account], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VZAPS = {**settings.VZAPS, "TASKS": "celery"}
    for number in range(5):
        Account.objects.create(name=f"branch {number}")
    sent: list[tuple[int, float]] = []

    def send(*, args: tuple[int], countdown: float, expires: float) -> None:
        assert countdown < expires <= 60
        sent.append((args[0], countdown))

    monkeypatch.setattr(tasks.probe_account, "apply_async", send)
    tasks.probe_all_accounts()
    tasks.probe_all_accounts()

    assert probed == []
    assert len(sent) == 12
    assert len(set(sent)) == len({second for _pk, second in sent}) == 6


def test_events_are_handled_by_the_drain_and_by_the_sweep() -> None:
    instance = Instance.objects.create(account=Account.objects.create(name="one"), vzaps_id="VZ1")
    runs: list[Callable[[], None]] = [lambda: tasks.drain_instance(instance.pk), lambda: tasks.sweep()]
    for run in runs:
        stored = Event.objects.store(instance_id=instance.pk, type="Connected", payload='{"type": "Connected"}')
        run()
        assert Event.objects.get(pk=stored.pk).state == EventState.DONE
    tasks.drain_instance(4711)


@pytest.mark.parametrize(
    "task", [tasks.sync_account, tasks.drain_instance, tasks.drain_bulk, tasks.confirm_connection, tasks.run_batch]
)
def test_a_task_for_a_row_that_is_gone_does_nothing(task: Task[Any, Any], fake_vzaps: FakeVZaps) -> None:
    task(4711)
    assert fake_vzaps.calls == []


def test_nobody_asks_about_an_instance_that_is_gone_from_vzaps(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    Instance.objects.update(confirm_connection_at=timezone.now(), removed_at=timezone.now())
    tasks.confirm_connection(instance.pk)
    assert fake_vzaps.calls == []


def test_two_drains_at_once_handle_an_event_once(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "_registered", {})
    seen: list[int] = []

    @on("Message")
    def keep(event: MessageEvent) -> None:
        seen.append(event.record.pk)
        tasks.drain_instance(instance.pk)

    stored = Event.objects.store(instance_id=instance.pk, type="Message", payload='{"type": "Message"}')
    tasks.drain_instance(instance.pk)
    run = HandlerRun.objects.get(handler__endswith="keep")
    assert seen == [stored.pk]
    assert (run.state, run.attempts) == (HandlerRunState.DONE, 1)


def test_two_syncs_at_once_are_one_walk(
    fake_vzaps: FakeVZaps, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "PAGE_SIZE", 2)
    for name in "ABC":
        fake_vzaps.add_instance(name=name)
    during(fake_vzaps, "list", lambda *_call: tasks.sync_account(account.pk))
    tasks.sync_account(account.pk)
    assert len(fake_vzaps.calls_to("list")) == 2
    assert Instance.objects.count() == 3


def test_two_runs_of_a_batch_at_once_send_each_change_once(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    batch = Batch.objects.create(kind="restart", by_system=True, total=1)
    batch.items.create(instance=instance)
    between: list[str] = []

    def second(*_call: object) -> None:
        tasks.run_batch(batch.pk)
        between.append(batch.items.get().state)

    during(fake_vzaps, "restart", second)
    tasks.run_batch(batch.pk)
    assert between == [BatchItemState.RUNNING]
    tasks.run_batch(batch.pk)
    assert carried_out(fake_vzaps, "restart") == 1
    assert Batch.objects.get().counts == {"succeeded": 1}


def test_two_who_ask_about_a_connection_at_once_ask_once(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    Instance.objects.update(confirm_connection_at=timezone.now() - timedelta(seconds=1))
    during(fake_vzaps, "session_status", lambda *_call: tasks.confirm_connection(instance.pk))
    tasks.confirm_connection(instance.pk)
    tasks.confirm_connection(instance.pk)
    assert len(fake_vzaps.calls_to("session_status")) == 1


@pytest.mark.django_db(transaction=True)
def test_two_who_heal_at_once_take_each_delivery_in_once(fake_vzaps: FakeVZaps) -> None:
    instance = managed_instance(fake_vzaps)
    fake_vzaps.faults.webhooks.lose(2)
    fake_vzaps.receive(instance.vzaps_id, "one")
    fake_vzaps.receive(instance.vzaps_id, "two")
    during(fake_vzaps, "logs_search", lambda *_call: tasks.heal_gaps())
    tasks.heal_gaps()
    assert Event.objects.count() == 2
    assert sum(HealingRun.objects.values_list("recovered", flat=True)) == 2


def test_a_second_sweep_and_a_second_prune_find_nothing_to_do(instance: Instance) -> None:
    old = Event.objects.store(instance_id=instance.pk, type="Connected", payload='{"type": "Connected"}')
    for _ in range(2):
        tasks.sweep()
    assert HandlerRun.objects.filter(event=old.pk).count() <= 1
    Event.objects.update(received_at=timezone.now() - timedelta(days=1000))
    for _ in range(2):
        tasks.prune()
    assert not Event.objects.exists()


def test_a_batch_is_carried_out(fake_vzaps: FakeVZaps) -> None:
    account = Account.objects.from_settings()
    batch = Batch.objects.create(kind="sync_account", by_system=True, total=1)
    batch.items.create(account=account)
    tasks.run_batch(batch.pk)
    tasks.run_batch(batch.pk)
    tasks.run_batch(4711)
    batch.refresh_from_db()
    assert batch.finished_at is not None
    assert len([call for call in fake_vzaps.calls_to("list") if call.carried_out]) == 1


def test_the_schedule_names_tasks_that_exist() -> None:
    names = {task.name for task in vars(tasks).values() if isinstance(task, Task)}
    for entry in schedules.BEAT_SCHEDULE.values():
        assert entry["task"] in names
        assert entry["options"]["expires"] <= entry["schedule"]


def test_the_doorbell_names_the_drain_task() -> None:
    from django_vzaps.events import doorbell

    assert {"main": tasks.drain_instance.name, "bulk": tasks.drain_bulk.name} == doorbell.TASKS


def test_who_starts_a_batch_names_its_task() -> None:
    assert tasks.run_batch.name == services.batches.running.TASK
