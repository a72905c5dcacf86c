"""For every task there is a command that does the same, for sites without Celery."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

import pytest
from celery import Task
from django.core.management import get_commands
from django.utils import timezone

from django_vzaps import tasks
from django_vzaps.events import handlers
from django_vzaps.models import Batch, BatchItemState, Event, EventState, HealingRun, Instance, Lane, Operation
from django_vzaps.schedules import BEAT_SCHEDULE, TASK_ROUTES
from django_vzaps.testing import FakeVZaps
from tests.events.delivery_log import managed_instance
from tests.known import instance
from tests.management.conftest import Run
from tests.test_readme import PAGES, quoted, rows

__all__ = ["instance"]

TWINS: Final = {
    "django_vzaps.sync_all_accounts": "vzaps_sync",
    "django_vzaps.sync_account": "vzaps_sync",
    "django_vzaps.drain_instance": "vzaps_sweep",
    "django_vzaps.drain_bulk": "vzaps_sweep",
    "django_vzaps.confirm_connection": "vzaps_sweep",
    "django_vzaps.sweep": "vzaps_sweep",
    "django_vzaps.run_batch": "vzaps_batches",
    "django_vzaps.heal_gaps": "vzaps_heal",
    "django_vzaps.prune": "vzaps_prune",
    "django_vzaps.probe_all_accounts": "vzaps_probe",
    "django_vzaps.probe_account": "vzaps_probe",
    "django_vzaps.check_alerts": "vzaps_alerts",
}
#: How often a line of a crontab runs that begins so.
SECONDS: Final = {"*": 60, "*/5": 300, "*/15": 900, "0": 3600}
TASKS: Final = {task.name for task in vars(tasks).values() if isinstance(task, Task)}


def test_every_task_has_a_twin() -> None:
    assert TWINS.keys() >= TASKS
    assert TWINS.keys() == TASK_ROUTES.keys()
    assert {TWINS[task] for task in TASKS} <= get_commands().keys()


def test_the_guide_names_each_task_with_its_twin() -> None:
    told = {
        f"django_vzaps.{task}": quoted(command)[0]
        for names, command in rows("Without Celery", PAGES["docs/deployment.md"])
        for task in quoted(names)
    }
    assert told == TWINS


def test_the_guides_crontab_runs_each_command_as_often_as_beat_would() -> None:
    lines = re.findall(r"^(\S+) +\* \* \* \* .* manage\.py (\w+)$", PAGES["docs/deployment.md"], re.MULTILINE)
    told = {command: SECONDS[minutes] for minutes, command in lines}
    by_beat = {TWINS[entry["task"]]: entry["schedule"] for entry in BEAT_SCHEDULE.values()}
    assert told == by_beat | {"vzaps_batches": 60}


def test_what_beat_sends_is_done_by_a_command_without_arguments(run: Run, fake_vzaps: FakeVZaps) -> None:
    for entry in BEAT_SCHEDULE.values():
        said = run(TWINS[entry["task"]])
        assert (said.failure, said.err) == ("", ""), entry


def test_the_sync_mirrors_every_account(run: Run, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.add_instance(name="Front desk")
    run(TWINS[tasks.sync_all_accounts.name])
    assert Instance.objects.get().name == "Front desk"


@pytest.mark.parametrize("lane", Lane)
def test_the_sweep_handles_what_waits(
    lane: Lane, run: Run, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "_registered", {})
    stored = Event.objects.store(instance_id=instance.pk, type="Presence", lane=lane, payload='{"type": "Presence"}')
    run(TWINS[{Lane.MAIN: tasks.drain_instance, Lane.BULK: tasks.drain_bulk}[lane].name])
    assert Event.objects.get(pk=stored.pk).state == EventState.IGNORED


def test_the_sweep_asks_about_doubted_connections(run: Run, fake_vzaps: FakeVZaps, instance: Instance) -> None:
    Instance.objects.update(confirm_connection_at=timezone.now())
    run(TWINS[tasks.confirm_connection.name])
    assert len(fake_vzaps.calls_to("session_status")) == 1
    assert Instance.objects.get().confirm_connection_at is None


def test_batches_are_carried_out(run: Run, fake_vzaps: FakeVZaps, instance: Instance) -> None:
    batch = Batch.objects.create(kind="restart", by_system=True, total=1)
    batch.items.create(instance=instance)
    run(TWINS[tasks.run_batch.name])
    assert batch.items.get().state == BatchItemState.SUCCEEDED
    assert Operation.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_healing_takes_in_what_was_lost(run: Run, fake_vzaps: FakeVZaps) -> None:
    lost = managed_instance(fake_vzaps)
    fake_vzaps.faults.webhooks.lose(1)
    fake_vzaps.receive(lost.vzaps_id, "lost")
    run(TWINS[tasks.heal_gaps.name])
    assert HealingRun.objects.get().recovered == 1


def test_pruning_deletes_what_is_old(run: Run, instance: Instance) -> None:
    stored = Event.objects.store(instance_id=instance.pk, type="Message", payload="{}", state=EventState.DONE)
    Event.objects.filter(pk=stored.pk).update(received_at=timezone.now() - timedelta(days=1000))
    run(TWINS[tasks.prune.name])
    assert not Event.objects.exists()
