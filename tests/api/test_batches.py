from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from django_vzaps import broker
from django_vzaps.models import Account, Batch, BatchKind, Instance, Operation
from django_vzaps.services import batches, sync
from django_vzaps.testing import FakeVZaps
from tests.api.conftest import ROOT, ClientWith, problem, program_of
from tests.api.rows import batch, make, operation, scope_by_owner

LIST = f"{ROOT}batches/"


@pytest.fixture
def three(fake_vzaps: FakeVZaps, account: Account) -> list[Instance]:
    for name in ("A", "B", "C"):
        fake_vzaps.add_instance(name=name)
    sync.sync_account(account)
    fake_vzaps.calls.clear()
    return list(Instance.objects.order_by("name"))


@pytest.fixture
def _nobody_works(settings: Any, fake_vzaps: FakeVZaps, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.VZAPS = {**settings.VZAPS, "TASKS": "celery"}
    monkeypatch.setattr(broker, "_sent", lambda *_args, **_options: True)
    broker.breaker.note(worked=True)


def start(api: APIClient, kind: str, rows: list[Instance], **more: Any) -> Any:
    body = {"kind": kind, "instances": [row.vzaps_id for row in rows]} | more
    return api.post(LIST, body, format="json")


def items(api: APIClient, url: str, **query: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = api.get(f"{url}items/", query).json()["results"]
    return rows


def test_a_batch_is_started_and_followed(api: APIClient, three: list[Instance], fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("restart", status=400)
    fake_vzaps.faults.add("restart", drop=True)
    response = start(api, "restart", three)
    assert response.status_code == 202
    shown = api.get(response["Location"]).json()
    assert shown == response.json()
    assert (shown["kind"], shown["actor"], shown["is_finished"], shown["retry_of"]) == (
        "restart",
        "operator",
        True,
        None,
    )
    assert shown["progress"] == {
        "total": 3,
        "ended": 3,
        "waiting": 0,
        "running": 0,
        "succeeded": 1,
        "failed": 1,
        "unknown": 1,
        "stopped": 0,
    }
    rows = api.get(shown["items_url"]).json()["results"]
    assert {row["instance"]: row["state"] for row in rows} == dict(
        zip((row.vzaps_id for row in three), ("failed", "unknown", "succeeded"), strict=True)
    )
    (failed,) = items(api, shown["url"], state="failed")
    assert "VZaps did not accept the values" in failed["detail"]
    assert api.get(failed["operation"]).json()["batch"] == shown["id"]


def test_what_failed_is_tried_again_once(api: APIClient, three: list[Instance], fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("restart", status=400)
    first = start(api, "restart", three).json()
    again = api.post(f"{first['url']}retry/")
    assert (again.status_code, again.json()["retry_of"], again.json()["progress"]["total"]) == (202, first["id"], 1)
    assert api.post(f"{first['url']}retry/")["Location"] == again["Location"]
    assert len(fake_vzaps.calls_to("restart")) == 4
    problem(api.post(f"{again['Location']}retry/"), "change-refused")


def test_whoever_comes_second_to_a_retry_that_they_may_not_see_is_told(
    three: list[Instance], api_with: ClientWith, fake_vzaps: FakeVZaps
) -> None:
    keeper = api_with("view_instance", "restart_instance")
    fake_vzaps.faults.add("restart", status=400)
    url = start(keeper, "restart", three)["Location"]
    batches.retry_failed(Batch.objects.get(), actor=User.objects.create_superuser("root"))
    assert "retried before" in problem(keeper.post(f"{url}retry/"), "change-refused")["detail"]


@pytest.mark.usefixtures("_nobody_works")
def test_what_waits_is_stopped(api: APIClient, three: list[Instance], fake_vzaps: FakeVZaps) -> None:
    url = start(api, "restart", three)["Location"]
    assert api.get(url).json()["progress"]["waiting"] == 3
    problem(api.post(f"{url}retry/"), "change-refused")
    assert api.post(f"{url}stop/").json() == {"stopped": 3}
    shown = api.get(url).json()
    assert (shown["is_finished"], shown["progress"]["stopped"]) == (True, 3)
    assert api.post(f"{url}stop/").json() == {"stopped": 0}
    assert fake_vzaps.calls == []


@pytest.mark.parametrize(
    ("kind", "more", "route"),
    [("sync", {}, "get"), ("set_webhook", {"events": ["Message"], "overwrite": True}, "webhook_set")],
)
def test_each_kind_does_what_it_says(
    kind: str, more: dict[str, Any], route: str, api: APIClient, three: list[Instance], fake_vzaps: FakeVZaps
) -> None:
    assert start(api, kind, three, **more).json()["progress"]["succeeded"] == 3
    assert len(fake_vzaps.calls_to(route)) == 3
    if kind == "set_webhook":
        assert {tuple(remote.events) for remote in fake_vzaps.instances.values()} == {("Message",)}


def test_many_are_deleted(api: APIClient, three: list[Instance], fake_vzaps: FakeVZaps) -> None:
    api.post(f"{ROOT}instances/{three[0].vzaps_id}/subscribe/")
    shown = start(api, "delete", three).json()
    assert (shown["progress"]["succeeded"], shown["progress"]["failed"]) == (2, 1)
    assert start(api, "delete", three[:1], despite_subscription=True).json()["progress"]["succeeded"] == 1
    assert fake_vzaps.instances == {}


def test_accounts_are_synced(api: APIClient, three: list[Instance], account: Account, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.add_instance(name="D")
    shown = api.post(LIST, {"kind": "sync_account", "accounts": [account.pk]}, format="json").json()
    (item,) = items(api, shown["url"])
    assert (item["account"], item["instance"], item["seen"], item["expected"]) == (account.pk, None, 4, 4)
    assert "1 new" in item["detail"]
    assert Instance.objects.count() == 4


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "restart", "instances": ["{id}"], "accounts": [1]}, "accounts"),
        ({"kind": "sync_account", "instances": ["{id}"]}, "accounts"),
        ({"kind": "sync_account", "accounts": [10**15]}, "accounts.0"),
        ({"kind": "restart", "instances": ["{id}"], "events": ["Message"]}, "events"),
        ({"kind": "restart", "instances": ["{id}"], "overwrite": True}, "overwrite"),
        ({"kind": "set_webhook", "instances": ["{id}"], "despite_subscription": True}, "despite_subscription"),
        ({"kind": "restart", "instances": []}, "instances"),
        ({"kind": "restart", "instances": ["VZ1"] * 1001}, "instances"),
    ],
)
def test_what_makes_no_sense_is_refused(
    body: dict[str, Any], field: str, api: APIClient, three: list[Instance]
) -> None:
    if "{id}" in body.get("instances", ()):
        body = body | {"instances": [three[0].vzaps_id]}
    errors = problem(api.post(LIST, body, format="json"), "invalid")["errors"]
    assert field in [error["field"] for error in errors]
    assert not Batch.objects.exists()


VERBS = {
    "sync": "change_instance",
    "restart": "restart_instance",
    "set_webhook": "set_webhook_instance",
    "delete": "delete_instance",
}


@pytest.mark.parametrize("kind", VERBS)
def test_each_kind_takes_its_permission(
    kind: str, three: list[Instance], api_with: ClientWith, fake_vzaps: FakeVZaps
) -> None:
    others = api_with("view_instance", "view_batch", *(set(VERBS.values()) - {VERBS[kind]}))
    refused = problem(start(others, kind, three), "permission-denied")
    assert refused["detail"].endswith(f"django_vzaps.view_instance + django_vzaps.{VERBS[kind]}.")
    blind = api_with(VERBS[kind])
    problem(start(blind, kind, three), "permission-denied")
    assert fake_vzaps.calls == []
    assert start(api_with("view_instance", VERBS[kind]), kind, three).status_code == 202


def test_accounts_take_two_permissions(account: Account, api_with: ClientWith, fake_vzaps: FakeVZaps) -> None:
    body = {"kind": "sync_account", "accounts": [account.pk]}
    for held in (("view_account", "view_batch"), ("change_instance", "view_instance")):
        problem(api_with(*held).post(LIST, body, format="json"), "permission-denied")
    assert api_with("view_account", "change_instance").post(LIST, body, format="json").status_code == 202


def test_without_the_permission_one_sees_ones_own(three: list[Instance], api_with: ClientWith) -> None:
    mine, other = api_with("view_instance", "restart_instance"), api_with("view_instance", "restart_instance")
    url = start(mine, "restart", three)["Location"]
    assert mine.get(url).status_code == 200
    assert len(mine.get(LIST).json()["results"]) == 1
    assert other.get(LIST).json()["results"] == []
    for response in (other.get(url), other.get(f"{url}items/"), other.post(f"{url}stop/")):
        problem(response, "not-found")
    assert api_with("view_batch").get(url).status_code == 200


def test_of_others_batches_one_sees_what_one_may_see(account: Account, api_with: ClientWith, settings: Any) -> None:
    scope_by_owner(settings)
    client = api_with("view_batch", "view_instance", "restart_instance")
    mine, theirs = make(account, "mine", owner=User.objects.get()), make(account, "theirs")
    mixed, hidden = batch(mine, theirs), batch(theirs)
    url = f"{LIST}{mixed.public_id}/"
    shown = client.get(url).json()
    assert (shown["progress"]["total"], shown["progress"]["failed"]) == (1, 1)
    assert [row["id"] for row in client.get(LIST).json()["results"]] == [str(mixed.public_id)]
    assert [row["instance"] for row in items(client, url)] == ["VZmine"]
    problem(client.get(f"{LIST}{hidden.public_id}/"), "not-found")


def test_of_others_batches_one_changes_what_one_may_see(
    account: Account, api_with: ClientWith, settings: Any, fake_vzaps: FakeVZaps
) -> None:
    scope_by_owner(settings)
    client = api_with("view_batch", "view_instance", "restart_instance")
    mine, theirs = make(account, "mine", owner=User.objects.get()), make(account, "theirs")
    waiting, failed = batch(mine, theirs, state="waiting"), batch(mine, theirs)
    assert client.post(f"{LIST}{waiting.public_id}/stop/").json() == {"stopped": 1}
    assert dict(waiting.items.values_list("instance__name", "state")) == {"mine": "stopped", "theirs": "waiting"}
    again = client.post(f"{LIST}{failed.public_id}/retry/").json()
    items_of = Batch.objects.get(public_id=again["id"]).items
    assert [item.instance for item in items_of.select_related("instance")] == [mine]


def test_accounts_of_others_batches_are_seen_by_whoever_may_see_accounts(
    account: Account, api_with: ClientWith, settings: Any
) -> None:
    scope_by_owner(settings)
    made = Batch.objects.create(kind=BatchKind.SYNC_ACCOUNT, actor=User.objects.create_user("other"))
    made.items.create(account=account)
    url = f"{LIST}{made.public_id}/"
    problem(api_with("view_batch").get(url), "not-found")
    assert [row["account"] for row in items(api_with("view_batch", "view_account"), url)] == [account.pk]


def test_a_filter_tells_nothing_of_what_one_may_not_see(account: Account, api_with: ClientWith, settings: Any) -> None:
    scope_by_owner(settings)
    client = api_with("view_batch")
    mine, theirs = make(account, "mine", owner=User.objects.get()), make(account, "theirs")
    made = batch(mine, theirs, state="succeeded")
    made.items.filter(instance=theirs).update(state="failed")
    assert client.get(LIST, {"state": "failed"}).json()["results"] == []
    made.items.filter(instance=mine).update(state="failed")
    assert len(client.get(LIST, {"state": "failed"}).json()["results"]) == 1


def test_the_list_is_filtered(api: APIClient, account: Account) -> None:
    row = make(account, "desk")
    made = {
        "failed": batch(row),
        "unknown": batch(row, state="unknown", kind=BatchKind.DELETE),
        "open": batch(row, state="waiting"),
    }
    names = {str(each.public_id): name for name, each in made.items()}

    def found(**query: str) -> list[str]:
        return [names[each["id"]] for each in api.get(LIST, query).json()["results"]]

    assert found() == ["open", "unknown", "failed"]
    for state in names.values():
        assert found(state=state) == [state]
    assert found(kind="delete") == ["unknown"]
    assert found(kind="sync") == []


def test_the_items_of_one_are_of_that_one(api: APIClient, account: Account) -> None:
    row = make(account, "desk")
    first, _second = batch(row), batch(row)
    first.items.update(operation=operation(row), started_at=timezone.now())
    (item,) = items(api, f"{LIST}{first.public_id}/")
    assert item["operation"] == f"http://testserver{ROOT}operations/{Operation.objects.get().pk}/"
    assert item["started_at"].endswith("Z")


# The sync of one account


@pytest.mark.usefixtures("_nobody_works")
def test_a_sync_that_is_under_way_is_followed(api: APIClient, account: Account, api_with: ClientWith) -> None:
    url = f"{ROOT}accounts/{account.pk}/sync/"
    first, second = api.post(url), api.post(url)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first["Location"] == second["Location"]
    assert api.get(first["Location"]).json()["kind"] == "sync_account"
    # Somebody who may not see it starts their own.
    assert api_with("view_account", "change_instance").post(url)["Location"] != first["Location"]


def test_a_sync_tells_what_it_found(api: APIClient, account: Account, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.add_instance(name="New")
    shown = api.post(f"{ROOT}accounts/{account.pk}/sync/").json()
    assert (shown["is_finished"], shown["progress"]["succeeded"]) == (True, 1)
    assert Instance.objects.get().name == "New"


def test_the_one_who_asked_is_the_actor(three: list[Instance]) -> None:
    other = program_of(User.objects.create_superuser("other"))
    assert start(other, "restart", three).json()["actor"] == "other"
