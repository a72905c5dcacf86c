"""The history of an instance, as a program reads it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from django_vzaps.models import Account, Instance, InstanceChange
from tests.api.conftest import ROOT, ClientWith, problem
from tests.api.rows import make, scope_by_owner

NOON = "2025-11-25 12:00:00+00:00"


@pytest.fixture
def desk(account: Account) -> Instance:
    return make(account, "desk")


def changed(instance: Instance, field: str, old: Any, new: Any, **columns: Any) -> InstanceChange:
    return InstanceChange.objects.create(
        instance=instance, field=field, old=old, new=new, **{"source": "api"} | columns
    )


def history(api: APIClient, instance: Instance, **query: Any) -> list[dict[str, Any]]:
    response = api.get(f"{ROOT}instances/{instance.vzaps_id}/changes/", query)
    assert response.status_code == 200, response.content
    found: list[dict[str, Any]] = response.json()["results"]
    return found


def test_each_change_says_what_it_was_and_became_and_who_said_so(api: APIClient, desk: Instance) -> None:
    change = changed(desk, "connected", True, False, source="webhook")
    assert history(api, desk) == [
        {
            "id": change.pk,
            "field": "connected",
            "label": "connected",
            "old": True,
            "new": False,
            "source": "webhook",
            "at": change.at.isoformat().replace("+00:00", "Z"),
        }
    ]


@pytest.mark.parametrize(
    ("field", "kept", "shown"),
    [
        ("cancel_at", NOON, "2025-11-25T12:00:00Z"),
        ("cancel_at", "2025-11-25 09:00:00.5-03:00", "2025-11-25T12:00:00.500000Z"),
        ("expired_at", "some day", "some day"),
        ("name", NOON, NOON),
        ("labels", {"floor": [2]}, {"floor": [2]}),
        ("webhook_events", ["Message"], ["Message"]),
        ("phone", "", ""),
        ("phone", None, None),
    ],
)
def test_a_value_is_what_it_was_and_a_moment_is_in_utc(
    field: str, kept: Any, shown: Any, api: APIClient, desk: Instance
) -> None:
    changed(desk, field, kept, None)
    assert history(api, desk)[0]["old"] == shown


def test_the_history_is_filtered_paged_and_begins_with_the_newest(
    api: APIClient, desk: Instance, account: Account
) -> None:
    for number in range(3):
        changed(desk, "name", str(number), str(number + 1))
    changed(desk, "connected", True, False, source="webhook")
    changed(make(account, "other"), "name", "x", "y")
    assert [row["new"] for row in history(api, desk)] == [False, "3", "2", "1"]
    assert [row["new"] for row in history(api, desk, field="name")] == ["3", "2", "1"]
    assert [row["new"] for row in history(api, desk, source="webhook")] == [False]
    first = api.get(f"{ROOT}instances/{desk.vzaps_id}/changes/", {"field": "name", "page_size": "2"}).json()
    changed(desk, "name", "3", "4")
    assert [row["new"] for row in api.get(first["next"]).json()["results"]] == ["1"]
    wrong: list[dict[str, str]] = [{"field": "colour"}, {"source": "hearsay"}, {"instance": desk.vzaps_id}]
    for query in wrong:
        problem(api.get(f"{ROOT}instances/{desk.vzaps_id}/changes/", query), "invalid")


def test_whoever_may_not_see_the_instance_sees_no_history(desk: Instance, api_with: ClientWith, settings: Any) -> None:
    changed(desk, "name", "a", "b")
    address = f"{ROOT}instances/{desk.vzaps_id}/changes/"
    problem(api_with("view_instancechange").get(address), "permission-denied")
    problem(api_with("view_instance").get(address), "permission-denied")
    scope_by_owner(settings)
    client = api_with("view_instance", "view_instancechange")
    problem(client.get(address), "not-found")
    Instance.objects.update(owner=User.objects.latest("pk"))
    assert len(history(client, desk)) == 1


def test_a_connection_says_since_when_and_whether_it_is_doubted(api: APIClient, account: Account) -> None:
    now = timezone.now()
    make(account, "silent", connected=True, last_event_at=now, silent_since=now, connection_changed_at=now)
    make(account, "talking", connected=True, last_event_at=now, silent_since=now.replace(year=2020))
    shown = {row["name"]: row["connection"] for row in api.get(f"{ROOT}instances/").json()["results"]}
    assert {name: row["is_doubtful"] for name, row in shown.items()} == {"silent": True, "talking": False}
    assert shown["silent"]["since"] == now.isoformat().replace("+00:00", "Z")
    assert shown["talking"]["since"] is None
