"""What the site does by itself while VZaps fails, minute by minute: it asks little, believes nothing bad of the
instances, tells a person once, and is back by itself.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.test import override_settings
from django.utils import timezone

from django_vzaps import tasks
from django_vzaps.client import VZapsClient
from django_vzaps.models import Account, Alert, Instance
from django_vzaps.services import clients
from django_vzaps.testing import FakeVZaps
from django_vzaps.testing.wire import Request
from tests.known import account, fresh_clients

__all__ = ["account", "fresh_clients"]

pytestmark = pytest.mark.django_db(transaction=True)

INSTANCES = 20


class Beat:
    """Celery's beat, as fast as it can be played; nothing waits, but time passes as if it had."""

    def __init__(self, fake: FakeVZaps, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fake, self.now, self.minutes = fake, timezone.now(), 0
        monkeypatch.setattr(timezone, "now", lambda: self.now)
        client = partial(VZapsClient, clock=lambda: self.now.timestamp(), sleep=self.sleep)
        monkeypatch.setattr(clients, "VZapsClient", client)

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def run(self, minutes: int) -> int:
        """Let so many minutes pass; returns how many requests VZaps got."""
        before = len(self.fake.calls)
        for _ in range(minutes):
            start = self.now
            for task in (*([tasks.sync_all_accounts] * (self.minutes % 5 == 0)), *EACH_MINUTE):
                with suppress(Exception):  # a task that fails is logged by Celery, and the next one runs
                    task()
            self.minutes += 1
            self.now = max(self.now, start + timedelta(minutes=1))
        return len(self.fake.calls) - before

    def recover(self) -> None:
        """Let VZaps work again, and time pass until nothing is wrong any more: twenty minutes at most."""
        self.fake.faults.clear()
        for _ in range(20):
            self.run(1)
            if not Alert.objects.open().exists():
                return
        pytest.fail("twenty minutes later there are still open alerts")


EACH_MINUTE: tuple[Any, ...] = (tasks.probe_all_accounts, tasks.sweep, tasks.check_alerts)


@pytest.fixture
def beat(fake_vzaps: FakeVZaps, account: Account, monkeypatch: pytest.MonkeyPatch) -> Beat:
    for number in range(INSTANCES):
        fake_vzaps.add_instance(name=f"Branch {number:02}", phone=f"55119999900{number:02}", connected=True)
    beat = Beat(fake_vzaps, monkeypatch)
    beat.run(6)
    assert Instance.objects.count() == INSTANCES
    assert not Alert.objects.exists()
    return beat


def everything(_request: Request) -> bool:
    return True


#: What goes wrong, and how many requests VZaps may get in eleven minutes of it: a storm would be hundreds.
MISHAPS: dict[str, tuple[dict[str, Any], int]] = {
    "429": ({"status": 429, "retry_after": 30}, 25),
    "500": ({"status": 500}, 25),
    "slow": ({"delay": 90}, 25),
    "cut off": ({"drop": True}, 40),
}


@pytest.mark.parametrize("mishap", MISHAPS)
@override_settings(VZAPS={**settings.VZAPS, "ALERT_RECIPIENTS": ["ops@example.com"]})
def test_vzaps_fails_for_ten_minutes(beat: Beat, account: Account, mishap: str) -> None:
    how, most = MISHAPS[mishap]
    synced_at = Account.objects.get().synced_at
    beat.fake.faults.add(everything, times=None, **how)

    asked = beat.run(11)

    assert 0 < asked <= most
    assert not Instance.objects.filter(removed_at__isnull=False).exists()
    assert set(Instance.objects.values_list("connected", flat=True)) == {True}
    (alert,) = Alert.objects.all()
    assert (alert.kind, alert.account, alert.is_open) == ("account_unreadable", account, True)
    assert len(mail.outbox) == 1
    account.refresh_from_db()
    assert account.synced_at == synced_at

    beat.recover()

    (alert,) = Alert.objects.all()
    assert alert.resolved_at is not None
    assert len(mail.outbox) == 2
    account.refresh_from_db()
    assert (account.sync_error, account.failures) == ("", 0)
    assert account.synced_at is not None
    assert account.synced_at > alert.raised_at
    assert set(Instance.objects.values_list("missing_walks", flat=True)) == {0}


@override_settings(VZAPS={**settings.VZAPS, "ALERT_RECIPIENTS": ["ops@example.com"]})
def test_a_long_outage_is_still_one_alert_and_instances_are_called_stale(beat: Beat) -> None:
    beat.fake.faults.add(everything, times=None, status=500)

    asked = beat.run(45)

    assert asked <= 60
    assert Alert.objects.count() == 1
    assert len(mail.outbox) == 1
    assert {instance.connection_state for instance in Instance.objects.all()} == {"stale"}
    beat.recover()
    beat.run(5)
    assert {instance.connection_state for instance in Instance.objects.all()} == {"connected"}
    assert not Alert.objects.open().exists()
    assert len(mail.outbox) == 2


@override_settings(VZAPS={**settings.VZAPS, "ALERT_RECIPIENTS": ["ops@example.com"]})
def test_credentials_are_revoked_and_given_back(beat: Beat, account: Account) -> None:
    theirs = beat.fake.accounts.pop(settings.VZAPS["CLIENT_TOKEN"])
    beat.fake.access_tokens.clear()

    asked = beat.run(20)

    assert 0 < asked <= 40
    (alert,) = Alert.objects.all()
    assert (alert.kind, alert.account) == ("credentials_rejected", account)
    assert len(mail.outbox) == 1
    assert not Instance.objects.filter(removed_at__isnull=False).exists()

    beat.fake.accounts[settings.VZAPS["CLIENT_TOKEN"]] = theirs
    beat.recover()
    assert len(mail.outbox) == 2


def test_half_a_list_removes_nobody_however_often_it_comes(
    beat: Beat, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its second half is missing, as where a gateway in between lost its mind: the total says that there is more."""
    half = list(beat.fake.instances.values())[: INSTANCES // 2]
    beat.fake.faults.add(
        lambda request: request.route == "list",
        times=None,
        carried_out=True,
        body=json.dumps({"total": INSTANCES, "content": [{"id": item.id} for item in half]}).encode(),
    )

    beat.run(16)  # three walks: two in a row that miss an instance are what removes it elsewhere

    assert not Instance.objects.filter(removed_at__isnull=False).exists()
    account.refresh_from_db()
    assert "nothing was removed" in account.sync_error
    beat.fake.faults.clear()
    beat.run(6)
    account.refresh_from_db()
    assert account.sync_error == ""
