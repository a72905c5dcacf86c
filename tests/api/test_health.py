from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from django_vzaps.models import Account, Instance, Subscription, Webhook
from django_vzaps.services import health
from django_vzaps.testing import FakeVZaps
from tests.api.conftest import ROOT, ClientWith, problem
from tests.api.rows import event, make, operation, scope_by_owner, unsettled_charge

URL = f"{ROOT}health/"


@pytest.fixture
def site(account: Account) -> list[Instance]:
    """One of everything that is counted."""
    now, old = timezone.now(), timezone.now() - timedelta(days=1)
    rows = [
        make(account, "up", connected=True, connection_asked_at=now),
        make(account, "stale", connected=True, connection_asked_at=old),
        make(account, "silent", connected=True),
        make(account, "down", connected=False, phone="5511"),
        make(account, "new", connected=False),
        make(account, "unknown"),
        make(account, "gone", connected=False, phone="5511", removed_at=now),
    ]
    up, stale, silent, down, *_rest, gone = rows
    for row, state in ((up, "trialing"), (stale, "unpaid"), (silent, "unpaid"), (gone, "unpaid")):
        Subscription.objects.create(instance=row, state=state)
    wanted: dict[str, Any] = {"desired_events": ["All"], "desired_host_and_path": "x/y", "checked_at": now}
    fine = wanted | {"actual_events": ["All"], "actual_host_and_path": "x/y"}
    Webhook.objects.create(instance=up, **fine)
    Webhook.objects.create(instance=stale, **fine, last_failure_at=now)
    Webhook.objects.create(instance=silent, **fine, last_failure_at=now - timedelta(days=2))
    Webhook.objects.create(instance=down, **wanted)
    Webhook.objects.create(instance=gone, **wanted)
    event(up, state="pending", received_at=now - timedelta(seconds=90))
    event(up, state="pending", received_at=now)
    event(up, state="failed")
    event(up, state="done")
    unsettled_charge(up)
    operation(up, lock="billing:other")
    operation(up, outcome="running", lock="billing:third")
    operation(up)
    Account.objects.filter(pk=account.pk).update(synced_at=now - timedelta(seconds=600), sync_error="No answer.")
    Account.objects.create(name="asleep", is_active=False)
    return rows


def test_counts_what_there_is(site: list[Instance], api: APIClient, fake_vzaps: FakeVZaps) -> None:
    response = api.get(URL)
    assert response.status_code == 200
    shown = response.json()
    assert (shown["status"], shown["failing"]) == ("ok", [])
    assert shown["connections"] == {"connected": 1, "disconnected": 1, "stale": 2, "never_paired": 1, "unknown": 1}
    assert {state: count for state, count in shown["subscriptions"].items() if count} == {"trialing": 1, "unpaid": 2}
    assert len(shown["subscriptions"]) == 8
    assert shown["webhooks"] == {"ok": 2, "failing": 1, "drifted": 1, "not_set": 0, "unmanaged": 0, "unchecked": 0}
    assert shown["backlog"]["waiting"] == 2
    assert 90 <= shown["backlog"]["age"] < 120
    assert shown["backlog"]["oldest_at"].endswith("Z")
    assert (shown["failed_events"], shown["unsettled_operations"]) == (1, 2)
    (sync,) = shown["syncs"]
    assert (sync["account"], sync["error"]) == ("default", "No answer.")
    assert 600 <= sync["age"] < 630
    assert fake_vzaps.calls == []


def test_each_count_is_how_many_the_list_shows(site: list[Instance], api: APIClient) -> None:
    shown = api.get(URL).json()
    for counts, name in (("connections", "connection"), ("subscriptions", "subscription"), ("webhooks", "webhook")):
        for state, count in shown[counts].items():
            assert api.get(f"{ROOT}instances/", {name: state}).json()["count"] == count, (name, state)


def test_nothing_at_all_is_well(api: APIClient) -> None:
    shown = api.get(URL, {"max_backlog_age": 1, "max_disconnected": 0}).json()
    nothing = {"waiting": 0, "oldest_at": None, "age": None, "untried_age": None}
    assert (shown["status"], shown["backlog"]) == ("ok", nothing)
    assert shown["syncs"] == []


def test_where_there_is_nothing_to_sync_nothing_is_up_to_date(api: APIClient) -> None:
    shown = api.get(URL, {"max_sync_age": 10**9})
    assert (shown.status_code, shown.json()["failing"]) == (503, ["max_sync_age"])


@pytest.mark.parametrize(
    ("name", "kept", "passed"),
    [
        ("max_backlog_age", 1000, 60),
        ("max_sync_age", 1000, 300),
        ("max_disconnected", 3, 2),
        ("max_failed_events", 1, 0),
        ("max_unsettled", 2, 1),
    ],
)
def test_a_limit_that_is_passed_is_named(name: str, kept: int, passed: int, site: Any, api: APIClient) -> None:
    fine, bad = api.get(URL, {name: kept}), api.get(URL, {name: passed})
    assert (fine.status_code, fine.json()["status"]) == (200, "ok")
    assert (bad.status_code, bad["Content-Type"]) == (503, "application/json")
    assert (bad.json()["status"], bad.json()["failing"]) == ("failing", [name])
    assert bad.json()["connections"] == fine.json()["connections"]


def test_all_that_fails_is_named(site: Any, api: APIClient) -> None:
    limits = {"max_unsettled": 0, "max_sync_age": 1, "max_failed_events": 0, "max_disconnected": 9}
    assert api.get(URL, limits).json()["failing"] == ["max_failed_events", "max_sync_age", "max_unsettled"]


def test_what_was_never_synced_is_older_than_any_limit(api: APIClient, account: Account) -> None:
    shown = api.get(URL, {"max_sync_age": 10**9})
    assert shown.status_code == 503
    assert shown.json()["syncs"][0]["age"] is None


def test_counting_ends_somewhere(site: Any, api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "COUNTED", 1)
    shown = api.get(URL).json()
    assert (shown["backlog"]["waiting"], shown["failed_events"], shown["unsettled_operations"]) == (1, 1, 1)


def test_one_sees_ones_own(site: list[Instance], api_with: ClientWith, settings: Any) -> None:
    scope_by_owner(settings)
    client = api_with("view_instance")
    nothing = client.get(URL).json()
    assert set(nothing["connections"].values()) == set(nothing["webhooks"].values()) == {0}
    assert set(nothing["subscriptions"].values()) == {0}
    assert (nothing["backlog"]["waiting"], nothing["failed_events"], nothing["unsettled_operations"]) == (0, 0, 0)
    # Not even the name of somebody else's account.
    assert nothing["syncs"] == []
    Instance.objects.filter(name="stale").update(owner=User.objects.get())
    shown = client.get(URL).json()
    assert (shown["connections"]["stale"], sum(shown["connections"].values())) == (1, 1)
    assert (shown["webhooks"]["failing"], shown["subscriptions"]["unpaid"]) == (1, 1)
    assert [sync["account"] for sync in shown["syncs"]] == ["default"]


def test_a_probe_needs_one_permission(api_with: ClientWith, account: Account) -> None:
    assert api_with("view_instance").get(URL).status_code == 200
    problem(api_with("view_event", "view_operation", "view_account").get(URL), "permission-denied")
