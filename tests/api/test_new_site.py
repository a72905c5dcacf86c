"""A site on which nobody has done anything yet: no sync has run, and no page of the admin was opened."""

from __future__ import annotations

from typing import Any

from rest_framework.test import APIClient

from django_vzaps.models import Account
from django_vzaps.testing import FakeVZaps
from tests.api.conftest import ROOT, problem


def test_the_first_instance_is_one_of_the_account_in_settings(api: APIClient, fake_vzaps: FakeVZaps) -> None:
    answer = api.post(f"{ROOT}instances/", {"name": "Front desk"}, format="json")

    assert answer.status_code == 201, answer.json()
    assert answer.json()["account"]["name"] == Account.objects.get().name
    assert [instance.name for instance in fake_vzaps.instances.values()] == ["Front desk"]


def test_without_any_account_it_is_said_where_to_put_one(api: APIClient, fake_vzaps: FakeVZaps, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "CLIENT_TOKEN": "", "CLIENT_SECRET": ""}

    answer = api.post(f"{ROOT}instances/", {"name": "Front desk"}, format="json")

    (error,) = problem(answer, "invalid")["errors"]
    assert error["field"] == "account"
    assert "CLIENT_TOKEN" in error["detail"]
    assert fake_vzaps.calls == []
