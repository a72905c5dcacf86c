from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from django_vzaps import broker
from django_vzaps.models import Account, Batch, Instance
from django_vzaps.services import batches
from django_vzaps.testing import FakeVZaps
from tests.management.conftest import Run

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(fake_vzaps: FakeVZaps, account: Account, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Batch:
    """A restart of two that waits, on a site whose broker nobody listens to."""
    settings.VZAPS["TASKS"] = "celery"
    monkeypatch.setattr(broker, "send", lambda *_args, **_options: True)
    for name in ("A", "B"):
        Instance.objects.create(account=account, vzaps_id=fake_vzaps.add_instance(name=name).id, name=name)
    return batches.start("restart", Instance.objects.order_by("name"), actor=User.objects.create_superuser("ana"))


def test_what_is_waiting_is_carried_out(batch: Batch, run: Run, fake_vzaps: FakeVZaps) -> None:
    said = run("vzaps_batches")

    assert f"restart #{batch.pk}, by ana, " in said.out
    assert "0 of 2 done" in said.out
    assert "2 of 2 done" in said.out
    assert not said.failure
    assert len(fake_vzaps.calls_to("restart")) == 2
    assert "No batch is waiting." in run("vzaps_batches").out


def test_a_terminal_is_told_how_far_it_is(batch: Batch, run: Run) -> None:
    assert f"restart #{batch.pk}: 1 of 2" in run("vzaps_batches", terminal=True).err


def test_they_can_be_listed_only(batch: Batch, run: Run, fake_vzaps: FakeVZaps) -> None:
    assert "0 of 2 done" in run("vzaps_batches", "--list").out
    assert fake_vzaps.calls == []


def test_what_failed_is_a_failure(batch: Batch, run: Run, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("restart", status=403)
    said = run("vzaps_batches")
    assert "1 of 2 done, 1 failed" in said.out
    assert said.failure.startswith("In 1 batch something failed")


def test_what_another_process_carries_out_is_left_to_it(batch: Batch, run: Run, fake_vzaps: FakeVZaps) -> None:
    Batch.objects.update(lease_holder="other", lease_until=timezone.now() + timedelta(minutes=1))
    said = run("vzaps_batches")
    assert "Another process carries it out." in said.out
    assert not said.failure
    assert fake_vzaps.calls == []
