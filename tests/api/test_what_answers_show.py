"""Every answer of the API with the worst data there is: it stays JSON, and secrets stay secret."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from django.core.signals import got_request_exception
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.test import APIClient

from django_vzaps.api.views.events import EventViewSet
from django_vzaps.models import (
    Account,
    Alert,
    BatchItem,
    Event,
    HandlerRun,
    Instance,
    InstanceChange,
    Operation,
    Pairing,
    Subscription,
    Webhook,
)
from django_vzaps.secret import Secret
from django_vzaps.testing import FakeVZaps
from django_vzaps.testing.routes import find
from django_vzaps.testing.wire import Answer, Request
from tests.api.conftest import ROOT, problem
from tests.api.rows import event, operation
from tests.api.test_every_route import ROUTES, ROUTES_IN_ORDER, ask, urls

__all__ = ["urls"]

PLANTED: Final = "planted-secret-0123456789"
#: Turns round what follows it, breaks lines where JavaScript does, and is no ASCII.
WORDS: Final = "<script>\u202e\u2028é💬\x7f" + "W" * 10_000
#: What JSON may hold and a database column, an encoder or another program may not.
WORST: Final[dict[str, Any]] = {
    "\x00": "\x00",
    "\ud800": "\udfff",
    "numbers": [float("inf"), float("-inf"), float("nan"), 1e308, 10**400],
    "__proto__": {"": WORDS},
    "<script>": None,
}


def nested(depth: int) -> str:
    return '{"a":[' * depth + "1" + "]}" * depth


@pytest.fixture
def hostile(urls: dict[str, str], instance: Instance) -> dict[str, str]:
    """Every address, about rows full of what strangers write and of secrets."""
    Instance.objects.filter(pk=instance.pk).update(
        name=WORDS[:255],
        phone=WORDS[:64],
        whatsapp_jid=WORDS[:255],
        push_name=WORDS[:255],
        status=WORDS[:255],
        url="javascript:alert(1)",
        labels=WORST,
        profile=WORST,
        data=WORST | {"token": PLANTED},
        connected=True,
        connection_source=WORDS[:16],
        token=Secret(PLANTED),
    )
    Account.objects.filter(name=instance.account.name).update(sync_error=WORDS)
    Account.objects.create(name=WORDS[:100], client_token=PLANTED, client_secret=PLANTED, sync_error=WORDS)
    Subscription.objects.filter(instance=instance).update(billing_status=WORDS[:255], state=WORDS[:16], mode="?")
    Webhook.objects.update_or_create(
        instance=instance,
        defaults={
            "actual_host_and_path": WORDS[:500],
            "actual_events": [WORDS],
            "desired_host_and_path": WORDS[:500],
            "desired_events": ["All", WORDS],
            "secret_hash": PLANTED,
            "previous_secret_hash": PLANTED,
            "checked_at": timezone.now(),
        },
    )
    Pairing.objects.create(instance=instance, code=Secret(f"data:image/png;base64,{PLANTED}"), words=WORDS[:500])
    payload = {"type": "Message", "token": PLANTED, "event": WORST | {"qr_code": PLANTED, "webhook": url_with_secret()}}
    Event.objects.update(
        type=WORDS[:64], payload=json.dumps(payload), chat=WORDS[:128], message_id=WORDS[:128], state=WORDS[:16]
    )
    HandlerRun.objects.create(event=Event.objects.get(), handler=WORDS[:255], state=WORDS[:16], error=WORDS)
    Operation.objects.update(
        error=WORDS, request_id=WORDS[:255], parameters=WORST, answer=WORST, effect={"cancel_at": "2026-13-45T00:00"}
    )
    BatchItem.objects.update(detail=WORDS)
    Alert.objects.update(kind=WORDS[:32], details=WORST)
    InstanceChange.objects.create(instance=instance, field=WORDS[:32], source=WORDS[:16], old=WORST, new=WORDS)
    InstanceChange.objects.create(
        instance=instance, field="cancel_at", source="api", old="2026-13-45", new="9999-12-31T23:59:59-14:00"
    )
    return urls


def url_with_secret() -> str:
    return f"https://hooks.example.test/vzaps/webhook/0d6cf8b8-5d1a-4e0e-9d7c-1f3a1f0e8a11/{PLANTED}"


def body_of(response: Any) -> Any:
    """What any program reads: UTF-8, and numbers that there are."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(response.content.decode(), parse_constant=refuse) if response.content else None


def gets() -> list[tuple[str, str]]:
    return [key for key in ROUTES if key[1] == "GET"]


def test_whatever_is_in_the_rows_the_answer_is_json(hostile: dict[str, str], api: APIClient) -> None:
    for key in gets():
        response = ask(api, hostile, key)
        assert response.status_code == 200, (key, response.content[:500])
        assert response.content.isascii(), key
        assert response["Content-Type"] == "application/json", key
        assert body_of(response) is not None, key


def test_what_strangers_wrote_is_shown_as_they_wrote_it(hostile: dict[str, str], api: APIClient) -> None:
    labels = body_of(api.get(hostile["instance"]))["labels"]
    assert labels["\x00"] == "\x00"
    assert labels["\ud800"] == "\udfff"
    assert labels["numbers"] == ["inf", "-inf", "nan", 1e308, 10**400]
    assert labels["__proto__"] == {"": WORDS}


@pytest.mark.parametrize("is_indented", [False, True])
def test_no_depth_is_too_deep(instance: Instance, api: APIClient, is_indented: bool) -> None:
    """Where one of those that walk through it gives up, the text itself is shown."""
    row = event(instance)
    accept = "application/json; indent=2" if is_indented else "application/json"
    for depth in (20, *range(100, sys.getrecursionlimit(), 150), 100_000):
        Event.objects.update(payload=nested(depth))
        response = api.get(f"{ROOT}events/{row.pk}/", headers={"accept": accept})
        assert response.status_code == 200, depth
        assert response.content.count(b"[") == depth + 1  # and that of the runs


def test_a_body_that_is_too_deep_is_refused(api: APIClient, instance: Instance) -> None:
    for depth in (*range(100, sys.getrecursionlimit(), 150), 100_000):
        response = api.generic("POST", f"{ROOT}instances/", '{"labels":' * depth, content_type="application/json")
        problem(response, "not-json")
        labels = f'{{"name":"Deep","labels":{nested(depth)}}}'
        response = api.generic("PATCH", f"{ROOT}instances/{instance.vzaps_id}/", labels, "application/json")
        assert response.status_code in (200, 400), (depth, response.content[:300])


def test_a_number_without_an_end_is_refused(api: APIClient, account: Account, fake_vzaps: FakeVZaps) -> None:
    body = '{"name":"Branch","labels":{"a":[1e400]}}'
    refused = problem(api.generic("POST", f"{ROOT}instances/", body, "application/json"), "not-json")
    assert "too large" in refused["detail"]
    assert fake_vzaps.calls == []


def test_text_that_is_no_json_is_shown_as_text(instance: Instance, api: APIClient) -> None:
    row = event(instance, payload="type=Message&token=" + PLANTED)
    assert body_of(api.get(f"{ROOT}events/{row.pk}/"))["payload"] == "type=Message&token=********"
    Event.objects.update(payload="")
    assert body_of(api.get(f"{ROOT}events/{row.pk}/"))["payload"] is None


# Secrets


class Secrets:
    """What VZaps and this site know, or knew, that nobody else may; and that no answer shows any of it."""

    def __init__(self, fake: FakeVZaps) -> None:
        self.fake = fake
        self.known = {"planted": PLANTED, "entered token": "another-token", "entered secret": "another-secret"}

    def hidden_in(self, response: Any, key: object) -> Any:
        """The answer, which shows none."""
        self.known |= {"client token": self.fake.account.client_token, "secret": self.fake.account.client_secret}
        self.known |= {f"access token {token[:9]}": token for token in self.fake.access_tokens}
        for remote in self.fake.instances.values():
            self.known[f"instance token {remote.id}"] = remote.token
            if remote.webhook:
                self.known[f"webhook {remote.webhook}"] = remote.webhook.rstrip("/").rpartition("/")[2]
        for webhook in Webhook.objects.exclude(secret_hash=""):
            self.known[f"hash {webhook.secret_hash}"] = webhook.secret_hash
        seen = json.dumps(dict(response.items())) + response.content.decode()
        for name, secret in self.known.items():
            assert secret not in seen, (name, key)
        return response


@pytest.fixture
def secrets(fake_vzaps: FakeVZaps) -> Secrets:
    return Secrets(fake_vzaps)


def test_no_answer_shows_a_secret(hostile: dict[str, str], api: APIClient, secrets: Secrets) -> None:
    for key in gets():
        secrets.hidden_in(ask(api, hostile, key), key)


def test_no_change_shows_a_secret(
    urls: dict[str, str], api: APIClient, fake_vzaps: FakeVZaps, instance: Instance, secrets: Secrets
) -> None:
    for key in ROUTES_IN_ORDER:
        secrets.hidden_in(ask(api, urls, key), key)
        if key == ("webhook-apply", "POST"):
            # What VZaps shows from now on has a secret in its URL, and its log of what failed quotes it.
            fake_vzaps.instances[instance.vzaps_id].connected = True
            fake_vzaps.faults.webhooks.lose()
            fake_vzaps.receive(instance.vzaps_id)
    for key in gets():
        secrets.hidden_in(ask(api, urls, key), key)
    kinds = ("instance token", "access token", "webhook", "hash")
    assert [sum(name.startswith(kind) for name in secrets.known) for kind in kinds] == [2, 1, 3, 3]


Echo = Callable[[Request], Answer]


def echoing(fake: FakeVZaps, answer: Echo) -> None:
    """VZaps answers whatever it is asked for with what it was sent."""
    handle = fake.handle

    def handle_and_echo(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        request = Request.read(method, target, headers, body)
        return handle(method, target, headers, body) if find(request).name == "token" else answer(request)

    fake.handle = handle_and_echo  # type: ignore[method-assign]


def words_of(request: Request) -> str:
    return f"You sent {dict(request.headers)} and {request.body!r}"


def refused(request: Request) -> Answer:
    body = {"success": False, "code": "no", "message": words_of(request), "token": PLANTED}
    return Answer(status=422, headers={"Content-Type": "application/json"}, body=json.dumps(body).encode())


def accepted(request: Request) -> Answer:
    names = ("token", "access_token", "clientSecret", "Authorization")
    data: dict[str, Any] = {"id": "VZ-echo", "name": "Echo", **dict.fromkeys(names, words_of(request))}
    data["details"] = dict(data)
    return Answer(
        status=200,
        headers={"Content-Type": "application/json"},
        body=json.dumps({"success": True, "code": 200, "data": data}).encode(),
    )


@pytest.mark.parametrize("answer", [refused, accepted])
def test_a_vzaps_that_repeats_what_it_was_sent_is_not_repeated(
    urls: dict[str, str], api: APIClient, fake_vzaps: FakeVZaps, answer: Echo, secrets: Secrets
) -> None:
    for key in (("webhook-apply", "POST"), ("subscription-refresh", "POST")):
        assert secrets.hidden_in(ask(api, urls, key), key).status_code == 200
    echoing(fake_vzaps, answer)
    for key in (*ROUTES_IN_ORDER, *gets()):
        secrets.hidden_in(ask(api, urls, key), key)


def test_codes_to_pair_with_are_kept_by_nobody(api: APIClient, instance: Instance, fake_vzaps: FakeVZaps) -> None:
    root = f"{ROOT}instances/{instance.vzaps_id}/session/"
    begun = api.post(f"{root}qr/")
    looked = api.get(f"{root}qr/", {"watch": begun.json()["watch"]})
    typed = api.post(f"{root}pair-code/", {"phone": "5511999990000", "take_over": True}, format="json")
    assert begun.json()["qr_code"].startswith("data:image/png;base64,")
    assert typed.json()["code"]
    for response in (begun, looked, typed):
        assert response.status_code == 200
        assert response["Cache-Control"] == "no-store"


def test_nothing_at_all_is_kept_on_the_way(urls: dict[str, str], api: APIClient) -> None:
    for key in gets():
        assert ask(api, urls, key)["Cache-Control"] == "no-store", key
    assert api.get(f"{ROOT}instances/none/")["Cache-Control"] == "no-store"


# An error in this program


def test_an_error_in_this_program_is_told_without_a_word_of_it(
    api: APIClient, account: Account, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError(PLANTED)

    heard: list[tuple[Any, HttpRequest]] = []

    def listen(sender: Any, request: HttpRequest, **_kwargs: Any) -> None:
        heard.append((sender, request))

    got_request_exception.connect(listen)
    monkeypatch.setattr(EventViewSet, "_in_scope", fail)
    api.raise_request_exception = False
    try:
        with caplog.at_level(logging.ERROR, logger="django.request"):
            response = api.get(f"{ROOT}events/")
    finally:
        got_request_exception.disconnect(listen)

    body = problem(response, "internal-error")
    assert response.status_code == 500
    assert set(body) == {"type", "title", "status", "detail"}
    for word in (PLANTED, "RuntimeError", "Traceback", ".py"):
        assert word not in response.content.decode()
    (record,) = caplog.records
    assert record.getMessage() == f"Internal Server Error: {ROOT}events/"
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == PLANTED
    assert [(sender, request.path) for sender, request in heard] == [(EventViewSet, f"{ROOT}events/")]


def test_an_error_is_raised_where_the_project_wants_that(
    api: APIClient, account: Account, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError("as it is")

    settings.DEBUG_PROPAGATE_EXCEPTIONS = True
    monkeypatch.setattr(EventViewSet, "_in_scope", fail)
    with pytest.raises(RuntimeError, match="as it is"):
        api.get(f"{ROOT}events/")


def test_an_id_that_no_url_can_hold_breaks_no_list(api: APIClient, account: Account) -> None:
    """Whatever VZaps calls an instance: it is shown, without an address where it can have none."""
    for number, vzaps_id in enumerate(("a/b", "..", "%2F", "?x#y", " ", "é\u202e")):
        operation(Instance.objects.create(account=account, vzaps_id=vzaps_id, name=f"n{number}"))
    found = {row["id"]: row["url"] for row in api.get(f"{ROOT}instances/").json()["results"]}
    assert found["a/b"] is None
    assert [api.get(found[each]).json()["id"] for each in ("%2F", "?x#y", "é\u202e")] == ["%2F", "?x#y", "é\u202e"]
    assert len(api.get(f"{ROOT}operations/").json()["results"]) == 6
