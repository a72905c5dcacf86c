"""Alerts, as a program and its user see them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from django_vzaps.models import Account, Alert, Instance
from django_vzaps.services.alerts import words
from tests.api.conftest import ROOT, ClientWith, problem
from tests.api.rows import make, scope_by_owner

LIST = f"{ROOT}alerts/"


@pytest.fixture
def raised(account: Account) -> dict[str, Alert]:
    """One of each: about an instance, over, about an account, about the site."""
    one, two = make(account, "one"), make(Account.objects.create(name="other"), "two")
    hour = timezone.now() - timedelta(hours=1)
    return {
        "down": Alert.objects.create(kind="disconnected", instance=one, since=hour),
        "over": Alert.objects.create(kind="webhook_drift", instance=two, resolved_at=hour),
        "account": Alert.objects.create(kind="credentials_rejected", account=account),
        "site": Alert.objects.create(kind="events_waiting"),
    }


def shown(api: APIClient, raised: dict[str, Alert], **query: Any) -> list[str]:
    """The names of those that are listed."""
    names = {alert.pk: name for name, alert in raised.items()}
    return [names[row["id"]] for row in api.get(LIST, query).json()["results"]]


def test_an_alert_says_what_is_so_and_leads_to_what_it_is_about(api: APIClient, raised: dict[str, Alert]) -> None:
    alert = raised["down"]
    row = api.get(f"{LIST}{alert.pk}/").json()
    assert row["url"] == f"http://testserver{LIST}{alert.pk}/"
    assert (row["kind"], row["is_open"], row["resolved_at"]) == ("disconnected", True, None)
    assert [row[name] for name in ("title", "meaning", "advice")] == [
        words.title(alert),
        words.meaning(alert),
        words.advice(alert),
    ]
    assert row["title"]
    assert row["since"].endswith("Z")
    assert (row["instance"], row["account"], row["account_url"]) == ("VZone", None, None)
    assert api.get(row["instance_url"]).json()["id"] == "VZone"
    of_account = api.get(f"{LIST}{raised['account'].pk}/").json()
    assert (of_account["instance"], of_account["instance_url"]) == (None, None)
    assert api.get(of_account["account_url"]).json()["id"] == of_account["account"]
    of_site = api.get(f"{LIST}{raised['site'].pk}/").json()
    assert (of_site["instance"], of_site["account"], of_site["since"]) == (None, None, None)
    assert api.get(f"{LIST}{raised['over'].pk}/").json()["is_open"] is False


def test_the_list_is_filtered_and_begins_with_the_newest(
    api: APIClient, raised: dict[str, Alert], account: Account
) -> None:
    assert shown(api, raised) == ["site", "account", "over", "down"]
    assert shown(api, raised, open="true") == ["site", "account", "down"]
    assert shown(api, raised, open="false") == ["over"]
    assert shown(api, raised, kind="disconnected") == ["down"]
    assert shown(api, raised, instance="VZtwo") == ["over"]
    assert shown(api, raised, account=account.pk) == ["account"]
    for query in ({"open": "1"}, {"kind": "disconnect"}, {"account": "default"}, {"open": ""}):
        problem(api.get(LIST, query), "invalid")


def test_a_scope_shows_those_about_what_one_sees(raised: dict[str, Alert], api_with: ClientWith, settings: Any) -> None:
    scope_by_owner(settings)
    client = api_with("view_alert")
    # Of an account that one sees, and yet about somebody else's instance.
    Alert.objects.filter(pk=raised["over"].pk).update(account=raised["account"].account)
    assert shown(client, raised) == []
    for alert in raised.values():
        problem(client.get(f"{LIST}{alert.pk}/"), "not-found")
    Instance.objects.filter(name="one").update(owner=User.objects.get())
    assert shown(client, raised) == ["account", "down"]
    assert client.get(f"{LIST}{raised['account'].pk}/").status_code == 200
    problem(client.get(f"{LIST}{raised['over'].pk}/"), "not-found")
    problem(client.get(f"{LIST}{raised['site'].pk}/"), "not-found")
