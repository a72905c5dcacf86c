from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from django_vzaps.models import Account, Instance, Operation, OperationKind, OperationOutcome
from django_vzaps.testing import FakeVZaps
from tests.api.conftest import ROOT, ClientWith, problem, program_of
from tests.api.rows import batch, make, operation, scope_by_owner, unsettled_charge

LIST = f"{ROOT}operations/"


@pytest.fixture
def lost(instance: Instance, api: APIClient, fake_vzaps: FakeVZaps) -> str:
    """The address of a subscription whose answer was lost, and that VZaps does not show yet."""
    fake_vzaps.faults.add("subscribe", drop=True)
    fake_vzaps.billing_lag = 2
    response = api.post(f"{ROOT}instances/{instance.vzaps_id}/subscribe/")
    assert response.status_code == 202
    url: str = response["Location"]
    return url


def found(api: APIClient, **query: Any) -> list[int]:
    response = api.get(LIST, query)
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


def test_an_operation_is_shown(api: APIClient, instance: Instance, lost: str) -> None:
    shown = api.get(lost).json()
    assert shown["url"] == lost
    assert (shown["kind"], shown["outcome"], shown["phase"]) == ("subscription.subscribe", "unknown", "unknown")
    assert (shown["instance"], shown["account"], shown["actor"]) == (
        instance.vzaps_id,
        instance.account_id,
        "operator",
    )
    assert (shown["is_settled"], shown["batch"], shown["effect"], shown["answer"]) == (False, None, None, None)
    assert "could not be reached" in shown["error"]
    assert shown["deadline"] > shown["started_at"]
    assert {"baseline", "lock", "idempotency_key"}.isdisjoint(shown)


def test_following_it_reads_until_it_is_known(api: APIClient, lost: str, fake_vzaps: FakeVZaps) -> None:
    answers = [api.post(f"{lost}settle/").json() for _number in range(3)]
    assert [answer["is_settled"] for answer in answers] == [False, False, True]
    last = api.get(lost).json()
    assert (last["outcome"], last["effect"]["billing_status"]) == ("succeeded", "ACTIVE")
    assert last["effect"]["read_at"].endswith("Z")
    assert last["confirmed_at"].endswith("Z")
    assert len(fake_vzaps.calls_to("subscribe")) == 1


def test_what_cannot_be_read_is_not_settled(api: APIClient, lost: str, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("get", status=403, times=None)
    problem(api.post(f"{lost}settle/"), "vzaps-refused")
    assert not api.get(lost).json()["is_settled"]


@pytest.mark.parametrize(("carried_out", "outcome"), [(True, "succeeded"), (False, "failed")])
def test_a_person_decides(carried_out: bool, outcome: str, api: APIClient, lost: str) -> None:
    response = api.post(f"{lost}decide/", {"carried_out": carried_out, "phase": "unknown"}, format="json")
    assert response.status_code == 200
    assert (response.json()["outcome"], response.json()["settled_by"]) == (outcome, "operator")
    # What was charged is locked until VZaps shows it.
    assert response.json()["is_settled"] is not carried_out


def test_saying_it_twice_is_not_saying_it_once_more(
    api: APIClient, lost: str, instance: Instance, fake_vzaps: FakeVZaps
) -> None:
    said = {"carried_out": True, "phase": "unknown"}
    first, second = (api.post(f"{lost}decide/", said, format="json") for _number in range(2))
    assert first.status_code == 200
    refused = problem(second, "change-refused")
    assert "changed since you looked" in refused["detail"]
    assert refused["operation"]["phase"] == first.json()["phase"]
    assert Operation.objects.get().lock is not None
    problem(api.post(f"{ROOT}instances/{instance.vzaps_id}/subscribe/"), "operation-in-progress")
    assert len(fake_vzaps.calls_to("subscribe")) == 1
    again = {"carried_out": True, "phase": first.json()["phase"]}
    assert api.post(f"{lost}decide/", again, format="json").json()["is_settled"]


@pytest.mark.parametrize(
    "body", [{}, {"carried_out": True}, {"phase": "unknown"}, {"carried_out": "perhaps", "phase": "unknown"}]
)
def test_a_decision_is_said_in_full(body: dict[str, Any], api: APIClient, lost: str) -> None:
    problem(api.post(f"{lost}decide/", body, format="json"), "invalid")
    assert Operation.objects.get().outcome == OperationOutcome.UNKNOWN


def test_what_is_settled_or_runs_is_not_decided(api: APIClient, instance: Instance) -> None:
    for row, phase in ((operation(instance), "succeeded"), (operation(instance, outcome="running"), "running")):
        shown = api.get(f"{LIST}{row.pk}/").json()
        said = {"carried_out": False, "phase": shown["phase"]}
        refused = problem(api.post(f"{LIST}{row.pk}/decide/", said, format="json"), "change-refused")
        assert refused["operation"]["outcome"] == phase
    assert api.post(f"{LIST}{row.pk}/settle/").json()["outcome"] == "running"


def test_what_ran_out_of_time_is_given_up(api: APIClient, instance: Instance, fake_vzaps: FakeVZaps) -> None:
    row = operation(instance, outcome="running", deadline=timezone.now() - timedelta(seconds=1))
    assert api.post(f"{LIST}{row.pk}/settle/").json()["outcome"] == "unknown"
    assert fake_vzaps.calls == []


def test_the_list_is_filtered(api: APIClient, account: Account, instance: Instance) -> None:
    other = make(account, "other")
    made = batch(instance)
    old = timezone.now() - timedelta(days=2)
    rows = {
        "restart": operation(instance, batch=made),
        "failed": operation(other, outcome="failed", started_at=old),
        "running": operation(other, outcome="running"),
        "charge": unsettled_charge(instance),
        "locked": operation(other, kind=OperationKind.CANCEL, lock="billing:other"),
        "create": operation(None, kind=OperationKind.CREATE),
    }
    pks = {name: row.pk for name, row in rows.items()}

    def names(**query: Any) -> set[str]:
        by_pk = {pk: name for name, pk in pks.items()}
        return {by_pk[pk] for pk in found(api, **query)}

    assert found(api) == sorted(pks.values(), reverse=True)
    assert names(instance=instance.vzaps_id) == {"restart", "charge"}
    assert names(instance="VZnone") == set()
    assert names(kind="instance.create") == {"create"}
    assert names(outcome="failed") == names(started_before=(old + timedelta(1)).isoformat()) == {"failed"}
    assert names(started_after=(old + timedelta(1)).isoformat()) == pks.keys() - {"failed"}
    assert names(batch=made.public_id) == {"restart"}
    assert names(is_settled="false") == {"running", "charge", "locked"}
    assert names(is_settled="true") == {"restart", "failed", "create"}
    for name, pk in pks.items():
        assert api.get(f"{LIST}{pk}/").json()["is_settled"] is (name in names(is_settled="true")), name


def test_pages_hold_what_they_held_while_more_arrives(api: APIClient, instance: Instance) -> None:
    pks = [operation(instance).pk for _number in range(5)][::-1]
    first = api.get(LIST, {"page_size": 2}).json()
    operation(instance)
    second = api.get(first["next"]).json()
    third = api.get(second["next"]).json()
    assert [row["id"] for page in (first, second, third) for row in page["results"]] == pks
    assert third["next"] is None
    assert "count" not in first


def test_whoever_sees_an_instance_sees_its_operations_and_everybody_their_own(
    instance: Instance, account: Account, api_with: ClientWith, settings: Any
) -> None:
    scope_by_owner(settings)
    client = api_with("view_operation")
    user = User.objects.get()
    theirs, mine = make(account, "theirs"), make(account, "mine", owner=user)
    shown = [operation(mine).pk, operation(None, kind=OperationKind.CREATE, actor=user).pk]
    hidden = [operation(theirs).pk, operation(None).pk, operation(theirs, actor=user).pk]
    assert found(client) == shown[::-1]
    for pk in hidden:
        problem(client.get(f"{LIST}{pk}/"), "not-found")
    assert found(client, instance="VZtheirs") == []


def test_who_may_pay_may_decide_and_who_may_change_may_settle(lost: str, api_with: ClientWith) -> None:
    payer, keeper = api_with("view_operation", "bill_instance"), api_with("view_operation", "change_instance")
    assert keeper.post(f"{lost}settle/").status_code == 200
    said = {"carried_out": False, "phase": "unknown"}
    problem(keeper.post(f"{lost}decide/", said, format="json"), "permission-denied")
    Operation.objects.update(outcome="unknown", lock="billing:1")
    assert payer.post(f"{lost}decide/", said, format="json").status_code == 200


def test_somebody_else_decides_in_their_own_name(lost: str) -> None:
    other = program_of(User.objects.create_superuser("other"))
    said = {"carried_out": False, "phase": "unknown"}
    assert other.post(f"{lost}decide/", said, format="json").json()["settled_by"] == "other"
