from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient
from rest_framework.validators import UniqueValidator

from django_vzaps.models import Account
from django_vzaps.services import client_for
from django_vzaps.services.clients import forget_clients
from django_vzaps.testing import FakeVZaps
from django_vzaps.testing.wire import Answer, Request
from tests.api.conftest import ROOT, problem, program_of
from tests.api.rows import make
from tests.services.conftest import during

LIST = f"{ROOT}accounts/"
GIVEN = {"name": "branch", "client_token": "branch-client-token", "client_secret": "branch-client-secret"}


def url(account: Account, path: str = "") -> str:
    return f"{LIST}{account.pk}/{path}"


def fields(response: Any) -> list[str]:
    return sorted(error["field"] for error in problem(response, "invalid")["errors"])


@pytest.fixture
def branch(db: None) -> Account:
    return Account.objects.create(**GIVEN)


def test_the_account_of_settings_is_there_from_the_first_look(api: APIClient) -> None:
    (shown,) = api.get(LIST).json()["results"]
    assert (shown["name"], shown["credentials"], shown["synced_at"]) == ("default", "settings", None)
    assert api.get(shown["url"]).json() == shown


def test_credentials_go_in_and_never_come_out(api: APIClient, fake_vzaps: FakeVZaps) -> None:
    response = api.post(LIST, GIVEN, format="json")
    assert response.status_code == 201
    shown = response.json()
    assert response["Location"] == shown["url"]
    assert set(shown) == {"id", "url", "name", "is_active", "credentials", "is_syncing", "synced_at", "sync_error"}
    assert (shown["credentials"], shown["is_active"], shown["is_syncing"]) == ("stored", True, False)
    account = Account.objects.get(name="branch")
    assert [each.reveal() for each in account.credentials] == [GIVEN["client_token"], GIVEN["client_secret"]]
    with connection.cursor() as cursor:
        cursor.execute("SELECT client_token, client_secret FROM django_vzaps_account")
        assert GIVEN["client_token"] not in str(cursor.fetchall())
    assert fake_vzaps.calls == []


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"name": "branch"}, ["client_secret", "client_token"]),
        ({"name": "branch", "client_token": "x"}, ["client_secret"]),
        ({"name": "branch", "client_secret": "x"}, ["client_token"]),
        ({"name": "default", "client_secret": "x"}, ["client_token"]),
        (GIVEN | {"client_token": "with space"}, ["client_token"]),
        (GIVEN | {"client_token": ""}, ["client_token"]),
        (GIVEN | {"client_token": None}, ["client_token"]),
        (GIVEN | {"client_token": "x" * 5000}, ["client_token"]),
        (GIVEN | {"name": "branch "}, ["name"]),
        (GIVEN | {"name": ""}, ["name"]),
        (GIVEN | {"name": "taken"}, ["name"]),
        (GIVEN | {"name": "x" * 101}, ["name"]),
        (GIVEN | {"synced_at": None}, ["synced_at"]),
        (GIVEN | {"base_url": "https://elsewhere.example"}, ["base_url"]),
    ],
)
def test_both_credentials_or_none(given: dict[str, Any], wrong: list[str], api: APIClient) -> None:
    Account.objects.create(name="taken")
    response = api.post(LIST, given, format="json")
    assert fields(response) == wrong
    for secret in ("with space", GIVEN["client_token"], GIVEN["client_secret"]):
        assert secret not in response.content.decode()
    assert Account.objects.count() == 1


def test_the_account_of_settings_needs_none(api: APIClient) -> None:
    assert api.post(LIST, {"name": "default"}, format="json").json()["credentials"] == "settings"


def test_only_what_is_given_is_written(api: APIClient, branch: Account) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert api.patch(url(branch), {"is_active": False}, format="json").json()["is_active"] is False
    (update,) = [query["sql"] for query in captured if query["sql"].startswith("UPDATE")]
    assert "is_active" in update
    assert "sync" not in update
    assert "client" not in update


def test_a_credential_is_replaced_by_itself(api: APIClient, branch: Account) -> None:
    shown = api.patch(url(branch), {"client_secret": "new-client-secret"}, format="json").json()
    assert "new-client-secret" not in str(shown)
    branch.refresh_from_db()
    assert [each.reveal() for each in branch.credentials] == [GIVEN["client_token"], "new-client-secret"]
    assert fields(api.patch(url(branch), {"client_secret": ""}, format="json")) == ["client_secret"]
    assert api.patch(url(branch), {"name": "branch"}, format="json").status_code == 200


def test_an_account_of_settings_is_not_renamed_away_from_them(api: APIClient, account: Account) -> None:
    assert fields(api.patch(url(account), {"name": "other"}, format="json")) == ["client_secret", "client_token"]


def test_what_has_instances_stays(api: APIClient, branch: Account) -> None:
    instance = make(branch, "desk")
    assert "has instances" in problem(api.delete(url(branch)), "in-use")["detail"]
    instance.delete()
    gone = api.delete(url(branch))
    assert (gone.status_code, gone.content) == (204, b"")
    problem(api.get(url(branch)), "not-found")


def test_credentials_are_tried_by_reading(api: APIClient, account: Account, fake_vzaps: FakeVZaps) -> None:
    for number in range(3):
        fake_vzaps.add_instance(name=f"n{number}")
    assert api.post(url(account, "check-credentials/")).json() == {"instances": 3}
    assert {call.route for call in fake_vzaps.calls} == {"token", "list"}
    fake_vzaps.variants.omit_from_list = {"total"}
    assert api.post(url(account, "check-credentials/")).json() == {"instances": None}


def test_wrong_credentials_are_said_to_be_so(api: APIClient, branch: Account, fake_vzaps: FakeVZaps) -> None:
    forget_clients()
    assert client_for(branch)
    response = api.post(url(branch, "check-credentials/"))
    refused = problem(response, "vzaps-credentials-refused")
    assert (refused["status"], refused["vzaps"]["status"]) == (502, 401)
    assert GIVEN["client_token"] not in response.content.decode()


def test_what_keeps_the_mirror_from_being_kept_is_shown(api: APIClient, branch: Account) -> None:
    now = timezone.now()
    Account.objects.update(
        sync_error="VZaps did not answer in time.", synced_at=now, sync_lease_until=now + timedelta(minutes=1)
    )
    shown = api.get(url(branch)).json()
    assert (shown["sync_error"], shown["is_syncing"]) == ("VZaps did not answer in time.", True)
    assert shown["synced_at"].endswith("Z")


def test_of_two_that_take_a_name_at_once_one_is_told(
    api: APIClient, branch: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both looked before either wrote."""
    monkeypatch.setattr(UniqueValidator, "__call__", lambda *_args: None)
    assert fields(api.post(LIST, GIVEN, format="json")) == ["name"]
    other = Account.objects.create(**GIVEN | {"name": "other"})
    assert fields(api.patch(url(other), {"name": "branch"}, format="json")) == ["name"]


@pytest.mark.parametrize("is_lost", [False, True])
def test_an_account_stays_while_an_instance_of_it_may_come(
    is_lost: bool, api: APIClient, operator: User, branch: Account, fake_vzaps: FakeVZaps
) -> None:
    answers: list[Any] = []

    def delete_meanwhile(_request: Request, _answer: Answer) -> None:
        answers.append(program_of(operator).delete(url(branch)))

    fake_vzaps.add_account(GIVEN["client_token"], GIVEN["client_secret"])
    during(fake_vzaps, "create", delete_meanwhile)
    if is_lost:
        fake_vzaps.faults.add("create", drop=True)
    made = api.post(f"{ROOT}instances/", {"name": "Desk", "account": branch.pk}, format="json")
    assert made.status_code == (202 if is_lost else 201)
    if is_lost:
        answers.append(api.delete(url(branch)))
    for answer in answers:
        assert "not known yet" in problem(answer, "in-use")["detail"]
