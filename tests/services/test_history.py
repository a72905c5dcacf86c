"""What becomes of an instance is kept: one row for each fact that became another, whoever said so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from django_vzaps import services, signals
from django_vzaps.models import Account, Instance, InstanceChange
from django_vzaps.secret import MASK, Secret
from django_vzaps.services import connection, mirror, pages, sync
from django_vzaps.services.clients import client_for
from django_vzaps.testing import FakeVZaps

pytestmark = pytest.mark.django_db


def history() -> list[tuple[str, Any, Any, str]]:
    return list(InstanceChange.objects.order_by("pk").values_list("field", "old", "new", "source"))


def test_a_new_instance_has_no_history_and_what_stays_the_same_adds_none(
    fake_vzaps: FakeVZaps, account: Account
) -> None:
    fake_vzaps.add_instance(connected=True)

    for _ in range(3):
        sync.sync_account(account)

    assert history() == []


@pytest.mark.parametrize("how", ["page", "one"])
def test_each_fact_that_changed_is_kept_once(fake_vzaps: FakeVZaps, instance: Instance, how: str) -> None:
    remote = fake_vzaps.instances[instance.vzaps_id]
    remote.name, remote.labels = "Renamed", {"team": "north"}
    remote.webhook, remote.events = "https://other.example.org/in", ["Message"]
    remote.billing.status, remote.billing.cancel_at = "ACTIVE", datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    began = timezone.now()

    for _ in range(2):
        if how == "page":
            sync.sync_account(instance.account)
        else:
            sync.sync_instance(instance)

    assert sorted(history(), key=lambda row: row[0]) == [
        ("billing_status", "TRIALING", "ACTIVE", "api"),
        ("cancel_at", None, "2027-01-01 00:00:00+00:00", "api"),
        ("labels", {}, {"team": "north"}, "api"),
        ("name", "Front desk", "Renamed", "api"),
        ("subscription_state", "trialing", "active", "api"),
        ("webhook_events", None, ["Message"], "api"),
        ("webhook_host_and_path", "", "other.example.org/in", "api"),
    ]
    assert all(began <= at <= timezone.now() for at in InstanceChange.objects.values_list("at", flat=True))


def test_a_webhook_that_was_read_by_itself_has_a_history_too(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    remote = fake_vzaps.instances[instance.vzaps_id]
    remote.webhook, remote.events = "https://other.example.org/in", ["Message"]

    for _ in range(2):
        services.webhooks.check(instance)
    sync.sync_account(instance.account)

    assert sorted(history()) == [
        ("webhook_events", None, ["Message"], "api"),
        ("webhook_host_and_path", "", "other.example.org/in", "api"),
    ]


@pytest.mark.parametrize("how", ["page", "one"])
def test_of_secrets_only_that_they_changed_is_kept(fake_vzaps: FakeVZaps, instance: Instance, how: str) -> None:
    remote = fake_vzaps.instances[instance.vzaps_id]
    answer = replace(
        client_for(instance).instances.get(instance.vzaps_id),
        token=Secret("inst_another-token"),
        webhook="https://robot:a-password@hooks.example.org/in/0123456789abcdefghijklmnop?key=another#part",
    )
    before = remote.token

    if how == "page":
        pages.store_page(instance.account, [answer], asked_at=timezone.now(), unsettled=set())
    else:
        mirror.store(instance.account, answer, asked_at=timezone.now())

    assert sorted(history()) == [
        ("token", MASK, MASK, "api"),
        ("webhook_host_and_path", "", f"hooks.example.org/in/{MASK}", "api"),
    ]
    with database.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {InstanceChange._meta.db_table}")  # noqa: S608 - our own name
        kept = str(cursor.fetchall())
    for secret in (before, "inst_another-token", "a-password", "0123456789abcdefghijklmnop", "key="):
        assert secret not in kept


def test_since_when_it_is_connected_is_known_whoever_said_so(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    at = timezone.now() + timedelta(seconds=1)
    connection.record(instance.pk, connected=True, source="webhook", asked_at=at, profile={"phone": "5511999990001"})
    connection.record(instance.pk, connected=True, source="api", asked_at=at + timedelta(minutes=5))

    instance.refresh_from_db()
    assert instance.connection_changed_at == at
    assert history() == [
        ("connected", False, True, "webhook"),
        ("phone", "", "5511999990001", "webhook"),
    ]
    newest = InstanceChange.objects.newest_of(instance, "connected")
    assert newest is not None
    assert newest.at == at


def test_that_it_went_and_came_back_is_kept(fake_vzaps: FakeVZaps, account: Account) -> None:
    ids = [fake_vzaps.add_instance(name=f"Branch {number}").id for number in range(5)]
    sync.sync_account(account)
    away = fake_vzaps.instances.pop(ids[0])
    for _ in range(2):
        sync.sync_account(account)
    fake_vzaps.instances[ids[0]] = away
    sync.sync_account(account)
    services.instances.delete(Instance.objects.get(vzaps_id=ids[1]), actor=None)

    removals = InstanceChange.objects.filter(field="removed").order_by("pk")
    assert list(removals.values_list("instance__vzaps_id", "old", "new")) == [
        (ids[0], False, True),
        (ids[0], True, False),
        (ids[1], False, True),
    ]


@pytest.fixture
def owed() -> Iterator[list[str]]:
    heard: list[str] = []

    def listen(instance: Instance, **_kwargs: Any) -> None:
        heard.append(instance.vzaps_id)

    signals.subscription_past_due.connect(listen)
    yield heard
    signals.subscription_past_due.disconnect(listen)


def test_money_that_is_owed_is_signalled_once_and_again_after_it_was_paid(
    fake_vzaps: FakeVZaps,
    instance: Instance,
    owed: list[str],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    for status in ("ACTIVE", "PAST_DUE", "PAST_DUE", "UNPAID", "ACTIVE", "UNPAID"):
        fake_vzaps.instances[instance.vzaps_id].billing.status = status
        with django_capture_on_commit_callbacks(execute=True):
            sync.sync_account(instance.account)

    assert owed == [instance.vzaps_id] * 2
