from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone
from rest_framework.test import APIClient

from django_vzaps.management.commands import vzaps_health
from django_vzaps.models import Account, Instance, Subscription
from django_vzaps.schedules import BEAT_SCHEDULE
from django_vzaps.testing import FakeVZaps
from tests.api.rows import event, make, scope_by_owner, unsettled_charge
from tests.management.conftest import Run


def synced(account: Account, seconds: float, **columns: Any) -> None:
    columns["synced_at"] = timezone.now() - timedelta(seconds=seconds)
    Account.objects.filter(pk=account.pk).update(**columns)


@pytest.fixture
def up(account: Account) -> Instance:
    """An instance of an account that was synced just now."""
    synced(account, 1)
    return make(account, "up", connected=True, connection_asked_at=timezone.now())


def waiting(instance: Instance, seconds: float, **columns: Any) -> None:
    event(instance, state="pending", received_at=timezone.now() - timedelta(seconds=seconds), **columns)


def test_it_says_how_it_goes(up: Instance, run: Run, fake_vzaps: FakeVZaps) -> None:
    make(up.account, "down", connected=False, phone="5511")
    Subscription.objects.create(instance=up, state="active")
    waiting(up, 5)
    synced(up.account, 60, sync_error="VZaps listed no instances.")
    Account.objects.create(name="asleep", is_active=False)

    said = run("vzaps_health")

    assert said.out.splitlines() == [
        "Instances: 1 connected, 1 disconnected.",
        "Webhooks: 0.",
        "Subscriptions: 1 active.",
        "Open alerts: 0.",
        "Events: 1 waiting, 0 failed.",
        "Operations whose end is not known: 0.",
        "default: synced 60 s ago.",
        "  VZaps listed no instances.",
    ]
    assert (said.code, said.failure) == (0, "")
    assert fake_vzaps.calls == []


@pytest.mark.parametrize(
    ("option", "kept", "passed", "meaning", "advice"),
    [
        ("untried", 1000, 60, "An event that no handler was offered yet waits for 9", "Nobody handles events."),
        ("backlog", 1000, 400, "An event waits to be handled for 5", "whether a handler fails"),
        ("sync", 1000, 300, "The last complete sync of an account was 6", "manage.py vzaps_sync syncs now"),
        ("disconnected", 2, 1, "Instances that are disconnected or stale: 2 (limit: 1).", "Pair again"),
        ("failed", 1, 0, "Events that failed: 1 (limit: 0).", "manage.py vzaps_replay --state failed"),
        ("unsettled", 1, 0, "Operations whose end is not known: 1 (limit: 0).", "Run manage.py vzaps_settle"),
    ],
)
def test_a_limit_that_is_passed_is_said_with_what_to_do(
    up: Instance, run: Run, option: str, kept: int, passed: int, meaning: str, advice: str
) -> None:
    make(up.account, "down", connected=False, phone="5511")
    make(up.account, "stale", connected=True)
    waiting(up, 90)
    waiting(up, 500, retry_at=timezone.now())
    event(up, state="failed")
    unsettled_charge(up)
    synced(up.account, 600)
    names = {"untried": "untried-age", "backlog": "backlog-age", "sync": "sync-age", "failed": "failed-events"}
    name = f"--max-{names.get(option, option)}"

    fine, bad = run("vzaps_health", f"{name}={kept}"), run("vzaps_health", f"{name}={passed}")

    assert (fine.code, fine.failure) == (0, "")
    assert (bad.code, bad.failure) == (1, "1 limit is passed.")
    assert bad.out.startswith(fine.out)
    told, what_to_do = bad.out.removeprefix(fine.out).splitlines()
    assert told.startswith(meaning)
    assert f"(limit: {passed})" in told
    assert advice in what_to_do


def test_all_that_is_passed_is_said(up: Instance, run: Run) -> None:
    unsettled_charge(up)
    event(up, state="failed")
    said = run("vzaps_health", "--max-unsettled=0", "--max-failed-events=0", "--max-disconnected=0")
    assert (said.code, said.failure) == (1, "2 limits are passed.")


@pytest.mark.parametrize(("untried", "sync", "code"), [(590, 890, 0), (610, 1, 1), (1, 910, 1)])
def test_by_itself_it_fails_where_nobody_works(up: Instance, run: Run, untried: int, sync: int, code: int) -> None:
    waiting(up, untried)
    synced(up.account, sync)
    assert run("vzaps_health").code == code


def test_by_itself_it_does_not_fail_for_what_a_restart_would_not_mend(up: Instance, run: Run) -> None:
    make(up.account, "down", connected=False, phone="5511")
    waiting(up, 5000, retry_at=timezone.now() + timedelta(minutes=5))
    event(up, state="failed")
    unsettled_charge(up)
    assert run("vzaps_health").code == 0


def test_what_was_never_synced_is_too_old_and_no_account_is_nothing_to_sync(run: Run) -> None:
    assert run("vzaps_health").code == 0
    assert run("vzaps_health", "--max-sync-age=1000000").code == 1
    Account.objects.create(name="new")
    said = run("vzaps_health")
    assert said.code == 1
    assert "new: never synced completely." in said.out
    assert "inf" not in said.out


def test_a_limit_that_is_given_counts_alone(up: Instance, run: Run) -> None:
    waiting(up, 5000)
    synced(up.account, 5000)
    assert run("vzaps_health", "--max-failed-events=0").code == 0


def test_the_limit_for_a_sync_is_three_that_were_missed() -> None:
    assert vzaps_health.DEFAULT_LIMITS["max_sync_age"] == 3 * BEAT_SCHEDULE["vzaps-sync"]["schedule"]


@pytest.mark.parametrize(("limit", "code"), [(0, 1), (5, 0)])
def test_as_json_it_is_what_the_api_answers(up: Instance, run: Run, limit: int, code: int) -> None:
    event(up, state="failed")
    waiting(up, 90)
    client = APIClient()
    client.force_authenticate(User(is_superuser=True))

    said = run("vzaps_health", "--json", f"--max-failed-events={limit}")
    answer = client.get("/api/vzaps/health/", {"max_failed_events": limit}).json()

    shown = json.loads(said.out)
    assert said.code == code
    for found in (shown, answer):
        assert found["backlog"].pop("age") == pytest.approx(90, abs=30)
        assert found["backlog"].pop("oldest_at").endswith("Z")
        assert found["backlog"].pop("untried_age", 90) == pytest.approx(90, abs=30)
        assert found["syncs"][0].pop("age") == pytest.approx(1, abs=30)
        assert found["syncs"][0].pop("synced_at").endswith("Z")
    assert shown == answer


@pytest.mark.parametrize("error", [OperationalError, InterfaceError, ImproperlyConfigured])
def test_a_database_that_cannot_be_read_is_told_apart(run: Run, error: type[Exception]) -> None:
    def refuse(*args: object) -> None:
        raise error("no such table: planted\n")

    with connection.execute_wrapper(refuse):
        said = run("vzaps_health")

    assert said.code == 2
    assert said.failure.splitlines() == [
        "The database cannot be used: no such table: planted",
        "Run manage.py migrate, or correct DATABASES in the settings.",
    ]
    assert said.out == ""


def test_a_command_sees_everything_whatever_the_scope(up: Instance, run: Run, settings: Any) -> None:
    scope_by_owner(settings)
    Account.objects.create(name="without instances")
    said = run("vzaps_health")
    assert "Instances: 1 connected." in said.out
    assert "without instances: never synced completely." in said.out
