"""Every task twice and all at once, in threads. SQLite lets one at a time write, and so would prove nothing here."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from django_vzaps import tasks
from django_vzaps.events import MessageEvent, handlers, on, retention
from django_vzaps.models import Account, Batch, Event, EventQueue, EventState, HandlerRun, HealingRun, Instance
from django_vzaps.testing import FakeVZaps
from tests.events.delivery_log import managed_instance
from tests.known import fresh_clients
from tests.services.test_threads import at_once

__all__ = ["fresh_clients"]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="needs PostgreSQL or MariaDB"),
]

NEW, OLD, LOST = 6, 60, 2


def test_all_tasks_at_once_do_everything_once(fake_vzaps: FakeVZaps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "_registered", {})
    monkeypatch.setattr(retention, "BATCH", 10)
    seen: list[str] = []

    @on("Message")
    def keep(event: MessageEvent) -> None:
        seen.append(event.text)

    instance = managed_instance(fake_vzaps)
    for number in range(OLD):
        Event.objects.store(
            instance_id=instance.pk,
            type="Message",
            payload='{"type": "Message"}',
            state=EventState.DONE if number % 2 else EventState.FAILED,
            received_at=timezone.now() - timedelta(days=100 if number % 3 else 50),
        )
    for number in range(NEW):
        fake_vzaps.add_instance(name=f"Branch {number}")
    fake_vzaps.faults.webhooks.lose(LOST)
    for number in range(LOST):
        fake_vzaps.receive(instance.vzaps_id, f"lost {number}")
    Instance.objects.update(confirm_connection_at=timezone.now())
    batch = Batch.objects.create(kind="restart", by_system=True, total=1)
    batch.items.create(instance=instance)
    account = Account.objects.get()

    at_once(
        *[lambda: tasks.sync_account(account.pk)] * 2,
        *[lambda: tasks.drain_instance(instance.pk)] * 2,
        *[lambda: tasks.confirm_connection(instance.pk)] * 2,
        *[lambda: tasks.run_batch(batch.pk)] * 2,
        *[lambda: tasks.heal_gaps()] * 2,
        *[lambda: tasks.prune()] * 2,
        *[lambda: tasks.sweep()] * 2,
    )

    for _ in range(2):  # what was under way when its time came
        tasks.sweep()
    assert Instance.objects.count() == 1 + NEW
    assert sorted(seen) == [f"lost {number}" for number in range(LOST)]
    assert sum(HealingRun.objects.values_list("missing", flat=True)) == LOST
    assert set(HandlerRun.objects.values_list("attempts", flat=True)) == {1}
    assert len(fake_vzaps.calls_to("restart")) == 1
    assert Batch.objects.get().counts == {"succeeded": 1}
    assert len(fake_vzaps.calls_to("session_status")) == 1
    assert not Event.objects.filter(received_at__lt=timezone.now() - timedelta(days=90)).exists()
    assert not Event.objects.filter(received_at__lt=timezone.now() - timedelta(days=30)).exclude(payload="").exists()
    assert not EventQueue.objects.exclude(lease_holder="").exists()
