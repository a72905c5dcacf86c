from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery import Task

from django_vzaps import schedules, services, tasks
from django_vzaps.models import Account, Batch, Event, EventState, Instance
from django_vzaps.testing import FakeVZaps

pytestmark = pytest.mark.django_db


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
