from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from django_vzaps.models import Instance, Operation, Webhook
from django_vzaps.testing import FakeVZaps
from tests.api.conftest import ROOT, problem


@pytest.fixture
def url(instance: Instance) -> str:
    return f"{ROOT}instances/{instance.vzaps_id}/webhook/"


def apply(api: APIClient, url: str, **body: Any) -> Any:
    return api.post(f"{url}apply/", body, format="json")


def test_what_was_never_asked_is_not_made_up(url: str, api: APIClient, fake_vzaps: FakeVZaps) -> None:
    Webhook.objects.all().delete()
    shown = api.get(url).json()
    assert shown == {
        "health": "unchecked",
        "is_managed": False,
        "desired": None,
        "actual": None,
        "drift": [],
        "checked_at": None,
        "last_failure_at": None,
    }
    assert not Webhook.objects.exists()
    assert fake_vzaps.calls == []


def test_check_reads_what_vzaps_has(url: str, api: APIClient, instance: Instance, fake_vzaps: FakeVZaps) -> None:
    remote = fake_vzaps.instances[instance.vzaps_id]
    remote.webhook, remote.events = "https://other.example/in", ["Presence", "Message"]
    shown = api.post(f"{url}check/").json()
    assert (shown["health"], shown["is_managed"], shown["desired"]) == ("unmanaged", False, None)
    assert shown["actual"] == {"host_and_path": "other.example/in", "events": ["Message", "Presence"]}
    assert api.get(url).json() == shown
    assert not Operation.objects.exists()


def test_apply_points_it_here(url: str, api: APIClient, instance: Instance, fake_vzaps: FakeVZaps) -> None:
    response = apply(api, url, events=["Message", "Connected"])
    assert (response.status_code, response.json()["kind"]) == (200, "webhook.set")
    shown = api.get(url).json()
    assert (shown["health"], shown["drift"]) == ("ok", [])
    assert shown["desired"] == shown["actual"]
    assert shown["desired"]["events"] == ["Connected", "Message"]
    assert shown["desired"]["host_and_path"].startswith("hooks.example.test/vzaps/webhook/")
    remote = fake_vzaps.instances[instance.vzaps_id]
    assert sorted(remote.events) == ["Connected", "Message"]
    assert remote.webhook.rpartition("/")[2] not in str([response.json(), shown])
    # As they are wanted, or as settings have them.
    apply(api, url)
    assert sorted(remote.events) == ["Connected", "Message"]


def test_somebody_elses_webhook_is_overwritten_when_asked_only(
    url: str, api: APIClient, instance: Instance, fake_vzaps: FakeVZaps
) -> None:
    remote = fake_vzaps.instances[instance.vzaps_id]
    remote.webhook = "https://other.example/in"
    refused = problem(apply(api, url), "foreign-webhook")
    assert "other.example/in" in refused["detail"]
    assert remote.webhook == "https://other.example/in"
    assert fake_vzaps.calls_to("webhook_set") == []
    assert apply(api, url, overwrite=True).status_code == 200
    assert remote.webhook.startswith("https://hooks.example.test/")


def test_a_new_secret_is_given_and_the_old_one_dies(
    url: str, api: APIClient, instance: Instance, fake_vzaps: FakeVZaps
) -> None:
    problem(api.post(f"{url}rotate-secret/"), "change-refused")
    apply(api, url)
    remote = fake_vzaps.instances[instance.vzaps_id]
    old = remote.webhook
    response = api.post(f"{url}rotate-secret/")
    assert (response.status_code, response.json()["parameters"]["rotate"]) == (200, True)
    new = remote.webhook
    assert new.rpartition("/")[0] == old.rpartition("/")[0]
    assert new != old

    def post(to: str) -> int:
        return Client().post(to, {"type": "Connected"}, content_type="application/json", secure=True).status_code

    assert [post(new), post(old)] == [200, 200]
    Webhook.objects.update(previous_secret_expires_at=timezone.now() - timedelta(seconds=1))
    assert [post(new), post(old)] == [200, 404]


def test_a_lost_answer_is_to_be_followed(url: str, api: APIClient, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("webhook_set", drop=True)
    response = apply(api, url)
    assert response.status_code == 202
    assert problem(apply(api, url), "operation-in-progress")["operation"]["url"] == response["Location"]
    assert api.post(f"{response['Location']}settle/").json()["outcome"] == "succeeded"
