"""What charges a card, and what stops that. What is asked twice is in test_idempotency.py."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from django_vzaps.models import Instance, Subscription
from django_vzaps.testing import FakeVZaps
from tests.api.conftest import ROOT, problem


@pytest.fixture
def url(instance: Instance) -> str:
    return f"{ROOT}instances/{instance.vzaps_id}/"


def test_a_subscription_is_begun_ended_and_taken_up_again(url: str, api: APIClient, fake_vzaps: FakeVZaps) -> None:
    begun = api.post(f"{url}subscribe/")
    assert (begun.status_code, begun.json()["effect"]["billing_status"]) == (200, "ACTIVE")
    assert len(fake_vzaps.charges) == 1
    assert api.get(f"{url}subscription/").json()["state"] == "active"
    assert "Resume" not in problem(api.post(f"{url}subscribe/"), "already-subscribed")["detail"]
    ended = api.post(f"{url}cancel-subscription/")
    assert (ended.status_code, ended.json()["kind"]) == (200, "subscription.cancel")
    assert ended.json()["effect"]["cancel_at"].endswith("Z")
    shown = api.get(f"{url}subscription/").json()
    assert (shown["ends_at"], shown["state"]) == (shown["cancel_at"], "active")
    problem(api.post(f"{url}cancel-subscription/"), "change-refused")
    assert "Resume it" in problem(api.post(f"{url}subscribe/"), "already-subscribed")["detail"]
    assert api.post(f"{url}resume-subscription/").status_code == 200
    assert api.get(f"{url}subscription/").json()["ends_at"] is None
    problem(api.post(f"{url}resume-subscription/"), "change-refused")
    assert len(fake_vzaps.charges) == 1


def test_what_vzaps_does_not_show_yet_is_to_be_followed(url: str, api: APIClient, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.billing_lag = 1
    begun = api.post(f"{url}subscribe/")
    assert (begun.status_code, begun.json()["outcome"], begun.json()["is_settled"]) == (202, "succeeded", False)
    problem(api.post(f"{url}cancel-subscription/"), "operation-in-progress")
    api.post(f"{url}subscription/refresh/")
    assert api.get(begun["Location"]).json()["is_settled"]


def test_nothing_is_charged_where_the_state_could_not_be_read(url: str, api: APIClient, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("get", status=403)
    refused = problem(api.post(f"{url}subscribe/"), "vzaps-refused")
    assert "Nothing was sent" in refused["detail"]
    assert refused["operation"]["outcome"] == "failed"
    assert fake_vzaps.calls_to("subscribe") == []


def test_a_card_that_is_refused_is_said_in_vzaps_words(url: str, api: APIClient, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("subscribe", status=402)
    refused = problem(api.post(f"{url}subscribe/"), "vzaps-refused")
    assert (refused["status"], refused["vzaps"]["status"]) == (422, 402)
    assert api.post(f"{url}subscribe/").status_code == 200


def test_a_page_to_pay_on_is_shown(url: str, api: APIClient, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.variants.checkout = True
    begun = api.post(f"{url}subscribe/").json()
    assert begun["checkout_url"] == api.get(f"{url}subscription/").json()["checkout_url"] != ""
    assert begun["phase"] == "checkout"
    assert fake_vzaps.charges == []


def test_looking_asks_nothing_and_refreshing_reads(
    url: str, api: APIClient, instance: Instance, fake_vzaps: FakeVZaps
) -> None:
    Subscription.objects.all().delete()
    unknown = api.get(f"{url}subscription/").json()
    assert (unknown.pop("state"), set(unknown.values())) == ("unknown", {None})
    assert fake_vzaps.calls == []
    fake_vzaps.instances[instance.vzaps_id].billing.status = "PAST_DUE"
    shown = api.post(f"{url}subscription/refresh/").json()
    assert (shown["state"], shown["billing_status"]) == ("past_due", "PAST_DUE")
    assert shown["refreshed_at"].endswith("Z")
    assert [call.route for call in fake_vzaps.calls] == ["get"]
