"""Nothing is guessed: what is sent has the type that JSON has for it, and what is not there is said as a problem."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from django_vzaps.models import Account, Instance
from django_vzaps.testing import FakeVZaps
from tests.api.conftest import ROOT, problem


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("instances/", {"name": 123}, "name"),
        ("instances/", {"name": "Front desk", "reject_calls": 1}, "reject_calls"),
        ("instances/", {"name": "Front desk", "reject_calls": "true"}, "reject_calls"),
        ("instances/", {"name": "Front desk", "account": "1"}, "account"),
        ("instances/", {"name": "Front desk", "owner": 7}, "owner"),
        ("batches/", {"kind": "sync_account", "accounts": ["1"]}, "accounts.0"),
        ("batches/", {"kind": "sync_account", "accounts": [True]}, "accounts.0"),
        ("batches/", {"kind": "sync_account", "accounts": [1, 1.5]}, "accounts.1"),
        ("batches/", {"kind": "restart", "instances": [1]}, "instances.0"),
    ],
)
def test_another_type_of_json_is_refused(api: APIClient, account: Account, path: str, body: Any, field: str) -> None:
    answer = api.post(f"{ROOT}{path}", body, format="json")

    found = problem(answer, "invalid")
    assert [error["field"] for error in found["errors"]] == [field]


@pytest.mark.parametrize("end", ["\n", " ", "\x1c", "\x85", "\ufeff", "\0"])
@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("instances/", {}, "name"),
        ("accounts/", {"client_secret": "secret", "client_token": "token"}, "name"),
        ("instances/VZ1/messages/", {"phone": "4915123456789", "message": "Hello"}, "reply_to"),
    ],
)
def test_nothing_is_copied_along_at_the_end(
    api: APIClient, instance: Instance, path: str, body: Any, field: str, end: str
) -> None:
    answer = api.post(f"{ROOT}{path.replace('VZ1', instance.vzaps_id)}", {**body, field: f"abc{end}"}, format="json")

    assert {error["field"] for error in problem(answer, "invalid")["errors"]} == {field}


def test_a_whole_number_may_be_written_with_a_point(api: APIClient, fake_vzaps: FakeVZaps, account: Account) -> None:
    answer = api.post(
        f"{ROOT}batches/",
        f'{{"kind": "sync_account", "accounts": [{account.pk}.0]}}',
        content_type="application/json",
    )

    assert answer.status_code == 202, answer.json()


@pytest.mark.parametrize("name", ["instance", "type", "state", "received_after"])
def test_an_empty_filter_finds_not_everything(api: APIClient, name: str) -> None:
    found = problem(api.get(f"{ROOT}events/?{name}="), "invalid")

    assert [(error["in"], error["field"]) for error in found["errors"]] == [("query", name)]


@pytest.mark.parametrize("account", ["0", "-1", "1.0", "1e3", " 1", "\N{ARABIC-INDIC DIGIT ONE}", "9" * 30, "NaN"])
def test_only_digits_are_the_id_of_an_account(api: APIClient, account: str) -> None:
    assert problem(api.get(f"{ROOT}instances/", {"account": account}), "invalid")["errors"][0]["field"] == "account"


def test_instances_of_one_account(api: APIClient, instance: Instance) -> None:
    found = [api.get(f"{ROOT}instances/", {"account": pk}).json()["count"] for pk in (instance.account_id, 10**18 - 1)]

    assert found == [1, 0]


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
@pytest.mark.parametrize("path", ["", "accounts/one/", "no/such/thing/", "batches/7/?anything=1"])
def test_where_nothing_is_it_says_so_in_json(api: APIClient, method: str, path: str) -> None:
    problem(getattr(api, method)(f"{ROOT}{path}"), "not-found")


def test_nobody_learns_what_there_is_not(db: None) -> None:
    problem(APIClient().get(f"{ROOT}no/such/thing/"), "not-authenticated")


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_forgets_the_slash_is_told_and_led_nowhere(api: APIClient, method: str) -> None:
    """A redirect would have most clients make a GET of a POST: "created" would answer with a list."""
    assert "slash" in problem(getattr(api, method)(f"{ROOT}instances"), "not-found")["detail"]
