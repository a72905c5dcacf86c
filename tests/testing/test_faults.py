from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from django_vzaps.testing import FakeInstance, FakeVZaps
from tests.testing.conftest import CREDENTIALS, Caller

BASE = "https://vzaps.test"


@pytest.fixture
def instance(fake: FakeVZaps) -> FakeInstance:
    return fake.add_instance(connected=True)


def test_an_error_status_changes_nothing_and_may_say_when_to_come_back(
    fake: FakeVZaps, ask: Caller, instance: FakeInstance
) -> None:
    fake.faults.add("subscribe", status=429, retry_after=7, times=2)
    for _ in range(2):
        answer = ask("POST", f"/instances/{instance.id}/subscribe", {})
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    assert fake.charges == []
    assert ask("POST", f"/instances/{instance.id}/subscribe", {}).status == 200
    assert [(call.status, call.carried_out) for call in fake.calls_to("subscribe")] == [
        (429, False),
        (429, False),
        (200, True),
    ]


def test_an_error_may_come_after_the_change_was_made(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    fake.faults.add("subscribe", status=504, carried_out=True)
    assert ask("POST", f"/instances/{instance.id}/subscribe", {}).status == 504
    assert len(fake.charges) == 1
    assert fake.calls_to("subscribe")[0].carried_out


def test_malformed_json_other_bodies_and_other_content_types(fake: FakeVZaps, ask: Caller) -> None:
    fake.faults.add("list", malformed=True)
    with pytest.raises(ValueError, match="delimiter"):
        json.loads(ask("POST", "/instances/list", {}).body)
    fake.faults.add("list", content_type="text/html", body=b"<h1>Bad gateway</h1>", status=502)
    answer = ask("POST", "/instances/list", {})
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (502, "text/html", b"<h1>Bad gateway</h1>")
    assert ask("POST", "/instances/list", {}).status == 200


def test_a_predicate_picks_its_requests(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    fake.faults.add(lambda request: request.instance_id == instance.id, status=503, times=None)
    for _ in range(3):
        assert ask("POST", "/instances/get", {"id": instance.id}).status == 503
    assert ask("POST", "/instances/list", {}).status == 200
    fake.faults.clear()
    assert ask("POST", "/instances/get", {"id": instance.id}).status == 200


def test_a_misspelled_route_is_an_error(fake: FakeVZaps) -> None:
    with pytest.raises(ValueError, match="subscribe"):
        fake.faults.add("Subscribe", status=500)


def test_in_process_a_dropped_answer_is_a_connection_error_after_the_change(
    fake: FakeVZaps, ask: Caller, instance: FakeInstance
) -> None:
    fake.faults.add("subscribe", drop=True)
    fake.faults.add("delete", drop=True, carried_out=False)
    with fake.mount(BASE):
        with pytest.raises(requests.ConnectionError):
            requests.post(f"{BASE}/instances/{instance.id}/subscribe", json={}, headers=ask.headers, timeout=1)
        with pytest.raises(requests.ConnectionError):
            requests.delete(f"{BASE}/instances/{instance.id}", headers=ask.headers, timeout=1)
    assert len(fake.charges) == 1
    assert [(call.status, call.carried_out) for call in fake.calls_to("subscribe")] == [(None, True)]
    assert instance.id in fake.instances


@pytest.mark.parametrize(("timeout", "patient"), [(1, False), ((0.1, 1), False), (3, True), (None, True)])
def test_in_process_a_slow_answer_is_a_timeout_for_who_would_not_wait(
    fake: FakeVZaps, ask: Caller, instance: FakeInstance, timeout: Any, patient: bool
) -> None:
    fake.faults.add("subscribe", delay=2)
    url = f"{BASE}/instances/{instance.id}/subscribe"
    with fake.mount(BASE):
        if patient:
            assert requests.post(url, json={}, headers=ask.headers, timeout=timeout).status_code == 200
        else:
            with pytest.raises(requests.ReadTimeout):
                requests.post(url, json={}, headers=ask.headers, timeout=timeout)
    assert len(fake.charges) == 1


def test_in_process_webhooks_meet_the_same_mock(fake: FakeVZaps) -> None:
    fake = FakeVZaps()
    instance = fake.add_instance(connected=True, webhook="https://hooks.example.test/x", events=["All"])
    with fake.mount(f"{BASE}/") as mock:
        mock.post("https://hooks.example.test/x", status=202)
        fake.receive(instance.id)
        instance.webhook = "https://nobody.example.test/"
        fake.receive(instance.id)
        answer = requests.post(f"{BASE}/token", json=CREDENTIALS, timeout=1)
        assert answer.headers["Content-Type"] == "application/json"
        with pytest.raises(requests.ConnectionError):
            requests.get("https://vzaps.test.evil.example/token", timeout=1)
    assert [entry.status for entry in fake.logs(instance.id)] == ["delivered", "failed"]
    assert fake.base_url == "https://api.vzaps.com"
