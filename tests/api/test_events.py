from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from django_vzaps.events import InboundEvent, dispatch, handlers, on
from django_vzaps.models import Account, Event, EventState, HandlerRun, Instance
from django_vzaps.testing import FakeVZaps
from tests.api.conftest import ROOT, problem
from tests.api.rows import event, make

LIST = f"{ROOT}events/"


@pytest.fixture(autouse=True)
def _only_this_tests_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "_registered", {})


def found(api: APIClient, **query: Any) -> list[int]:
    response = api.get(LIST, query)
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


def test_an_event_is_shown_with_what_became_of_it(api: APIClient, instance: Instance) -> None:
    row = event(
        instance,
        state="failed",
        message_id="3EB0",
        chat="5511@s.whatsapp.net",
        payload=json.dumps({"type": "Message", "event": {"text": "Olá"}}),
    )
    error = 'Traceback (most recent call last):\n  File "/srv/shop/handlers.py", line 3\nValueError: no stock\n'
    HandlerRun.objects.create(event=row, handler="shop.handlers.reserve", state="failed", attempts=2, error=error)
    HandlerRun.objects.create(event=row, handler="shop.handlers.log", state="done", attempts=1)
    shown = api.get(f"{LIST}{row.pk}/").json()
    assert shown["payload"] == {"type": "Message", "event": {"text": "Olá"}}
    assert (shown["instance"], shown["state"], shown["message_id"]) == (instance.vzaps_id, "failed", "3EB0")
    assert (shown["url"], shown["occurred_at"]) == (f"http://testserver{LIST}{row.pk}/", None)
    assert [(run["handler"], run["state"], run["attempts"], run["error"]) for run in shown["runs"]] == [
        ("shop.handlers.reserve", "failed", 2, "ValueError: no stock"),
        ("shop.handlers.log", "done", 1, None),
    ]
    (listed,) = api.get(LIST).json()["results"]
    assert listed == {name: value for name, value in shown.items() if name not in ("payload", "runs")}


def test_the_list_is_filtered(api: APIClient, instance: Instance, account: Account) -> None:
    now = timezone.now()
    other = make(account, "other")
    a = event(instance, state="failed", message_id="3EB0", chat="5511999@s.whatsapp.net", received_at=now).pk
    b = event(other, type="Connected", state="done", received_at=now - timedelta(hours=2)).pk
    assert found(api) == [b, a]
    assert found(api, instance=instance.vzaps_id) == found(api, type="Message") == found(api, state="failed") == [a]
    assert found(api, message_id="3EB0") == found(api, chat="5511999@s.whatsapp.net") == [a]
    assert found(api, received_after=(now - timedelta(hours=1)).isoformat()) == [a]
    assert found(api, received_before=(now - timedelta(hours=1)).isoformat()) == found(api, type="Connected") == [b]
    assert found(api, instance=other.vzaps_id, state="failed") == found(api, message_id="3eb0") == []


def test_the_list_is_searched_as_the_admins(api: APIClient, instance: Instance) -> None:
    a = event(instance, message_id="3EB0C431", chat="5511999990000@s.whatsapp.net").pk
    event(instance, message_id="3EB0C432", chat="5521888880000@s.whatsapp.net")
    for text in ("3EB0C431", "+55 (11) 99999", "5511999990000@s.whatsapp.net", f"#{a}"):
        assert found(api, search=text) == [a], text
    assert found(api, search="nothing") == []


def test_what_arrives_meanwhile_shifts_no_page(api: APIClient, instance: Instance) -> None:
    pks = [event(instance).pk for _number in range(7)][::-1]
    page, seen = api.get(f"{LIST}?page_size=3&type=Message").json(), []
    while True:
        seen += [row["id"] for row in page["results"]]
        event(instance)
        if page["next"] is None:
            break
        page = api.get(page["next"]).json()
    assert seen == pks
    # Back again, newest first as ever.
    back = api.get(page["previous"]).json()
    assert [row["id"] for row in back["results"]] == pks[3:6]


def test_what_is_erased_is_told_apart_from_what_was_never_said(api: APIClient, instance: Instance) -> None:
    for payload, shown in (("", None), ("null", "null"), ("[1]", [1]), ('"text"', "text"), ("no json", "no json")):
        row = event(instance, payload=payload)
        assert api.get(f"{LIST}{row.pk}/").json()["payload"] == shown


# Replaying

Calls = list[int]
Failing = Callable[[bool], None]


@pytest.fixture
def calls(settings: Any) -> Calls:
    """What a handler was called with; it fails for the first event as long as it is the only call."""
    settings.VZAPS = {**settings.VZAPS, "HANDLER_ATTEMPTS": 1}
    calls: Calls = []

    @on("Message", atomic=False)
    def keep(event: InboundEvent) -> None:
        calls.append(event.record.pk)
        if len(calls) == 1:
            raise ValueError("no stock")

    return calls


@pytest.fixture
def failed(instance: Instance, fake_vzaps: FakeVZaps, calls: Calls, api: APIClient) -> str:
    """The address of an event whose handler failed."""
    assert api.post(f"{ROOT}instances/{instance.vzaps_id}/webhook/apply/").status_code == 200
    fake_vzaps.instances[instance.vzaps_id].connected = True
    fake_vzaps.receive(instance.vzaps_id, "ping")
    row = Event.objects.get()
    assert (row.state, len(calls)) == (EventState.FAILED, 1)
    return f"{LIST}{row.pk}/"


def replay(api: APIClient, url: str, **body: Any) -> dict[str, Any]:
    response = api.post(f"{url}replay/", body, format="json")
    assert response.status_code == 200, response.content
    report: dict[str, Any] = response.json()
    return report


def test_what_failed_is_handled_again(api: APIClient, failed: str, calls: Calls) -> None:
    report = replay(api, failed)
    assert report["is_replayed"]
    assert report["left_out_because"] is None
    assert [name.rpartition(".")[2] for name in report["handlers"]] == ["keep"]
    assert len(calls) == 2
    assert api.get(failed).json()["state"] == "done"


def test_a_dry_run_only_tells(api: APIClient, failed: str, calls: Calls) -> None:
    report = replay(api, failed, dry_run=True)
    assert (report["is_replayed"], len(report["handlers"]), len(calls)) == (False, 1, 1)
    assert api.get(failed).json()["state"] == "failed"


def test_what_is_done_is_done_again_when_asked_only(api: APIClient, failed: str, calls: Calls) -> None:
    replay(api, failed)
    report = replay(api, failed)
    assert (report["is_replayed"], report["handlers"], report["left_out_because"]) == (False, [], "nothing")
    assert len(calls) == 2
    assert replay(api, failed, what="again")["is_replayed"]
    assert len(calls) == 3


def test_what_was_interrupted_is_run_again_when_asked_only(api: APIClient, failed: str, calls: Calls) -> None:
    HandlerRun.objects.update(state="interrupted")
    assert not replay(api, failed)["is_replayed"]
    assert replay(api, failed, what="interrupted")["is_replayed"]
    assert len(calls) == 2


def test_what_is_left_out_says_why(
    api: APIClient, instance: Instance, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "wake", lambda *_args, **_kwargs: True)
    for columns, reason in (
        ({"state": "pending"}, "pending"),
        ({"state": "unparsed", "payload": "no json"}, "unparsed"),
        ({"state": "done", "payload": ""}, "erased"),
    ):
        row = event(instance, **columns)
        assert replay(api, f"{LIST}{row.pk}/", what="again")["left_out_because"] == reason
    assert calls == []


def test_what_is_replayed_is_named(api: APIClient, instance: Instance) -> None:
    row = event(instance)
    problem(api.post(f"{LIST}{row.pk}/replay/", {"what": "everything"}, format="json"), "invalid")
