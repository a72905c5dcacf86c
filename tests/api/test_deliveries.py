from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from rest_framework.test import APIClient

from django_vzaps.models import Event, Instance, Operation
from django_vzaps.services import webhooks
from django_vzaps.testing import FakeVZaps, events
from tests.api.conftest import ROOT, problem


@pytest.fixture
def url(instance: Instance, fake_vzaps: FakeVZaps) -> str:
    """The log of one with a delivery that arrived and, newer, one that was lost."""
    webhooks.set(instance, actor=None)
    fake_vzaps.emit(instance.vzaps_id, events.message("arrived"))
    fake_vzaps.faults.webhooks.lose()
    fake_vzaps.emit(instance.vzaps_id, events.message("lost"))
    fake_vzaps.calls.clear()
    Operation.objects.all().delete()
    return f"{ROOT}instances/{instance.vzaps_id}/deliveries/"


def test_what_failed_is_shown(url: str, api: APIClient, fake_vzaps: FakeVZaps) -> None:
    page = api.get(url).json()
    assert (page["page"], page["total"], page["has_next"], page["problems"]) == (1, 1, False, [])
    (row,) = page["results"]
    assert (row["status"], row["is_failed"], row["attempts"], row["error"]) == ("failed", True, 1, "lost on demand")
    assert (row["event_type"], row["response_code"], row["event"]) == ("Message", None, None)
    assert row["at"].endswith("Z")
    assert "payload" not in row
    assert [call.body for call in fake_vzaps.calls_to("logs_search")] == [{"status": "failed"}]


def test_what_arrived_leads_to_its_event(url: str, api: APIClient) -> None:
    results = api.get(url, {"status": "all"}).json()["results"]
    assert [row["is_failed"] for row in results] == [True, False]
    assert results[1]["event"] == f"http://testserver{ROOT}events/{Event.objects.get().pk}/"
    assert api.get(results[1]["event"]).json()["payload"]["event"]["message"]


def test_page_by_page(url: str, api: APIClient, instance: Instance, fake_vzaps: FakeVZaps) -> None:
    for number in range(25):
        fake_vzaps.emit(instance.vzaps_id, events.message(f"text {number}"))
    pages = [api.get(url, {"status": "all", "page": str(number)}).json() for number in (1, 2)]
    assert [(page["page"], len(page["results"]), page["has_next"]) for page in pages] == [
        (1, 20, True),
        (2, 7, False),
    ]


def test_looking_changes_nothing(url: str, api: APIClient, fake_vzaps: FakeVZaps) -> None:
    api.get(url)
    assert {call.route for call in fake_vzaps.calls} <= {"token", "logs_search"}
    assert not Operation.objects.exists()


def test_what_was_lost_is_delivered_again(url: str, api: APIClient, instance: Instance) -> None:
    (row,) = api.get(url).json()["results"]
    response = api.post(f"{url}{row['id']}/retry/", headers={"Idempotency-Key": "key"})
    assert (response.status_code, response.json()["kind"]) == (200, "delivery.retry")
    assert response.json()["parameters"] == {"log_id": row["id"]}
    assert Event.objects.count() == 2
    assert api.post(f"{url}{row['id']}/retry/", headers={"Idempotency-Key": "key"}).json() == response.json()
    assert api.get(url).json()["results"] == []


@pytest.mark.parametrize("log_id", ["none", "a/b", "..%2F", "é\u202e", "%00", "x" * 500])
def test_a_log_that_vzaps_does_not_have(log_id: str, url: str, api: APIClient, fake_vzaps: FakeVZaps) -> None:
    body: dict[str, Any] = problem(api.post(f"{url}{quote(log_id)}/retry/"), "unknown-to-vzaps")
    assert body["vzaps"]["status"] == 404
    assert {call.route for call in fake_vzaps.calls} <= {"token", "log_retry", None}
