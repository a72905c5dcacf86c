"""What is asked again is not done again."""

from __future__ import annotations

import uuid
from itertools import product
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.request import Request as DRFRequest
from rest_framework.test import APIClient

from django_vzaps.api.idempotency import key_of
from django_vzaps.models import Account, Batch, Instance, Operation
from django_vzaps.testing import FakeVZaps
from django_vzaps.testing.wire import Answer, Request
from tests.api.conftest import ROOT, ClientWith, problem, program_of
from tests.api.rows import scope_by_owner
from tests.services.conftest import during

KEY: Final = "b5c1d0d6-4d0a-4f4e-9c55-1f2a0c8d4e11"
PHONE: Final = "5511999990000"


class Verb:
    """Something to ask for: the route of VZaps that carries it out, the address below an instance, and a body."""

    def __init__(self, route: str, path: str, body: Any = None, *, status: int = 200, method: str = "post") -> None:
        self.route, self.path, self.body, self.status, self.method = route, path, body, status, method

    def __repr__(self) -> str:
        return self.route

    def ask(self, client: APIClient, instance: Instance, key: str | None = KEY, **body: Any) -> Any:
        path = self.path.format(instance=f"instances/{instance.vzaps_id}", account=instance.account_id)
        headers = {} if key is None else {"Idempotency-Key": key}
        given = body or self.body
        return getattr(client, self.method)(ROOT + path, given, format="json", headers=headers)


SUBSCRIBE = Verb("subscribe", "{instance}/subscribe/")
RESTART = Verb("restart", "{instance}/restart/")
CREATE = Verb("create", "instances/", {"name": "Another", "labels": {"floor": 2}}, status=201)
SEND = Verb("send_text", "{instance}/messages/", {"phone": "+55 11 99999-0000", "message": "Good morning"})
APPLY = Verb("webhook_set", "{instance}/webhook/apply/")
ROTATE = Verb("webhook_set", "{instance}/webhook/rotate-secret/")
DISCONNECT = Verb("disconnect", "{instance}/session/disconnect/")
CANCEL = Verb("cancel", "{instance}/cancel-subscription/")
DELETE = Verb("delete", "{instance}/?despite_subscription=true", method="delete")
VERBS: Final = [SUBSCRIBE, RESTART, CREATE, SEND, APPLY, ROTATE, DISCONNECT, DELETE]


@pytest.fixture
def ready(instance: Instance, fake_vzaps: FakeVZaps, api: APIClient) -> Instance:
    """Connected, and with a webhook of this site, so that there is a secret to rotate."""
    fake_vzaps.instances[instance.vzaps_id].connected = True
    assert APPLY.ask(api, instance, key=None).status_code == 200
    fake_vzaps.calls.clear()
    Operation.objects.all().delete()
    return instance


@pytest.mark.parametrize("verb", VERBS, ids=repr)
def test_the_same_key_is_one_change_and_one_call(
    verb: Verb, ready: Instance, api: APIClient, fake_vzaps: FakeVZaps
) -> None:
    first = verb.ask(api, ready)
    assert first.status_code == verb.status, first.content
    calls = len(fake_vzaps.calls)
    again = verb.ask(api, ready)
    assert again.status_code == verb.status
    assert again.json() == first.json()
    assert Operation.objects.count() == 1
    assert len(fake_vzaps.calls_to(verb.route)) == 1
    # Nor is anything read for it.
    assert len(fake_vzaps.calls) == calls


def test_the_first_webhook_is_set_once_too(instance: Instance, api: APIClient, fake_vzaps: FakeVZaps) -> None:
    """Although by the second time there are events that it has."""
    first, again = (APPLY.ask(api, instance) for _number in range(2))
    assert (again.status_code, again.json()) == (200, first.json())
    assert len(fake_vzaps.calls_to("webhook_set")) == 1


@pytest.mark.parametrize("verb", VERBS, ids=repr)
def test_the_same_key_of_another_user_is_another_key(verb: Verb, ready: Instance, api: APIClient) -> None:
    """They do not meet, and nobody learns of the other's operation."""
    mine = verb.ask(api, ready).json()
    other = program_of(User.objects.create_superuser("other"))
    response = verb.ask(other, ready)
    kinds = {"subscribe": "already-subscribed", "delete": "instance-removed"}
    if verb.route in kinds:
        problem(response, kinds[verb.route])
    else:
        assert response.status_code == verb.status
        assert response.json()["id"] != mine["id"]


@pytest.mark.parametrize(
    ("verb", "other"),
    [(SUBSCRIBE, RESTART), (RESTART, SUBSCRIBE), (CREATE, RESTART), (SEND, CREATE), (APPLY, ROTATE), (RESTART, SEND)],
    ids=repr,
)
def test_a_key_stands_for_one_kind_of_change(
    verb: Verb, other: Verb, ready: Instance, api: APIClient, fake_vzaps: FakeVZaps
) -> None:
    verb.ask(api, ready)
    fake_vzaps.calls.clear()
    refused = problem(other.ask(api, ready), "idempotency-key-reused")
    assert refused["status"] == 422
    assert refused["operation"]["id"] == Operation.objects.get().pk
    assert fake_vzaps.calls_to(other.route) == []


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        (CREATE, {"name": "Somebody else"}),
        (CREATE, {"name": "Another", "labels": {"floor": 3}}),
        (SEND, {"phone": "5511999990001", "message": "Good morning"}),
        (SEND, {"phone": PHONE, "message": "Good evening"}),  # as long as the first
        (CREATE, {"name": "Another", "labels": {"floor": 2}, "events": ["Message"]}),
        (APPLY, {"events": ["Message"]}),
    ],
    ids=repr,
)
def test_a_key_stands_for_one_set_of_values(
    verb: Verb, body: Any, ready: Instance, api: APIClient, fake_vzaps: FakeVZaps
) -> None:
    verb.ask(api, ready)
    fake_vzaps.calls.clear()
    problem(verb.ask(api, ready, **body), "idempotency-key-reused")
    assert fake_vzaps.calls == []


def test_keys_of_users_with_any_primary_key_do_not_meet() -> None:
    """Such as names or addresses, which may be long and have any character; each key fits into its column."""

    def key(pk: object, given: str) -> str:
        request = SimpleNamespace(headers={"Idempotency-Key": given}, user=SimpleNamespace(pk=pk))
        return str(key_of(cast("DRFRequest", request)))

    long = "x" * 254
    asked = [(1, "1:x"), ("1:1", "x"), ("1", "x"), ("1:", "x"), (uuid.uuid4(), "x"), (long, "k" * 150), (long[1:], "x")]
    keys = [key(pk, given) for pk, given in asked]
    assert len(set(keys)) == len(asked)
    assert max(map(len, keys)) <= 255
    assert keys[0] == "api:1:1:x"


def test_who_may_no_longer_see_what_they_created_is_told_so_and_not_shown_it(
    account: Account, api: APIClient, api_with: ClientWith, settings: Any, fake_vzaps: FakeVZaps
) -> None:
    scope_by_owner(settings)
    client = api_with("add_instance", "restart_instance", "view_instance")
    name = User.objects.get(username__startswith="program").username

    def create(key: str, **body: Any) -> Any:
        headers = {"Idempotency-Key": key}
        return client.post(f"{ROOT}instances/", {"name": "Branch", **body}, format="json", headers=headers)

    # Nobody's from the beginning: the answer to the creation itself still says what it is.
    assert create("nobodys").json()["owner"] is None
    first = create("mine", owner=name)
    assert create("mine", owner=name).json() == first.json()
    Instance.objects.update(owner=User.objects.get(username="operator"), phone="5511999990001")
    for again in (create("nobodys"), create("mine", owner=name)):
        body = problem(again, "not-found")
        assert "created before" in body["detail"]
        assert "operation" not in body
    assert "operation" not in problem(create("mine", owner=name, labels={"a": 1}), "idempotency-key-reused")
    assert len(fake_vzaps.calls_to("create")) == 2


def test_a_key_stands_for_one_instance(ready: Instance, api: APIClient, account: Account) -> None:
    RESTART.ask(api, ready)
    other = Instance.objects.create(account=account, vzaps_id="VZother", name="Other")
    problem(RESTART.ask(api, other), "idempotency-key-reused")


def test_a_key_stands_for_one_account(ready: Instance, api: APIClient, fake_vzaps: FakeVZaps) -> None:
    other = Account.objects.create(name="other", client_token="other-token", client_secret="other-secret")
    assert CREATE.ask(api, ready, name="Another", account=ready.account_id).status_code == 201
    problem(CREATE.ask(api, ready, name="Another", account=other.pk), "idempotency-key-reused")
    assert len(fake_vzaps.calls_to("create")) == 1


def test_without_a_key_it_is_done_again(ready: Instance, api: APIClient, fake_vzaps: FakeVZaps) -> None:
    for _number in range(2):
        assert RESTART.ask(api, ready, key=None).status_code == 200
    assert len(fake_vzaps.calls_to("restart")) == 2


@pytest.mark.parametrize("key", [None, "another-key"])
def test_what_is_asked_while_another_is_under_way_is_told_of_that(
    key: str | None, ready: Instance, api: APIClient, fake_vzaps: FakeVZaps
) -> None:
    second: list[Any] = []

    def ask_meanwhile(_request: Request, _answer: Answer) -> None:
        second.append(SUBSCRIBE.ask(program_of(User.objects.get()), ready, key=key))

    during(fake_vzaps, "subscribe", ask_meanwhile)
    first = SUBSCRIBE.ask(api, ready)
    refused = problem(second[0], "operation-in-progress")
    assert refused["status"] == 409
    assert refused["operation"]["outcome"] == "running"
    assert refused["operation"]["url"] == first.json()["url"]
    assert api.get(refused["operation"]["url"]).json()["outcome"] == "succeeded"
    assert len(fake_vzaps.charges) == 1


def test_what_is_asked_again_while_it_is_under_way_is_to_be_followed(
    ready: Instance, api: APIClient, fake_vzaps: FakeVZaps
) -> None:
    second: list[Any] = []

    def ask_meanwhile(_request: Request, _answer: Answer) -> None:
        second.append(SUBSCRIBE.ask(program_of(User.objects.get()), ready))

    during(fake_vzaps, "subscribe", ask_meanwhile)
    first = SUBSCRIBE.ask(api, ready)
    assert second[0].status_code == 202
    assert second[0]["Location"] == first.json()["url"]
    assert second[0].json()["phase"] == "running"
    assert len(fake_vzaps.charges) == 1


@pytest.mark.parametrize("verb", [SUBSCRIBE, RESTART, CREATE, SEND, DISCONNECT, DELETE], ids=repr)
def test_a_lost_answer_is_to_be_followed_and_stays_so_under_its_key(
    verb: Verb, ready: Instance, api: APIClient, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.faults.add(verb.route, drop=True)
    fake_vzaps.billing_lag = 10
    responses = [verb.ask(api, ready) for _number in range(2)]
    for response in responses:
        assert response.status_code == 202, response.content
        assert response["Location"] == response.json()["url"]
        body = api.get(response["Location"]).json()
        assert (body["outcome"], body["is_settled"]) == ("unknown", False)
    assert len(fake_vzaps.calls_to(verb.route)) == 1
    assert Operation.objects.count() == 1


def test_what_failed_under_a_key_stays_failed(ready: Instance, api: APIClient, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("restart", status=400)
    first = problem(RESTART.ask(api, ready), "vzaps-refused")
    again = problem(RESTART.ask(api, ready), "operation-failed")
    assert again["status"] == 409
    assert again["operation"]["id"] == first["operation"]["id"]
    assert first["operation"]["error"] in again["detail"]
    assert "another key" in again["detail"]
    assert len(fake_vzaps.calls_to("restart")) == 1
    assert RESTART.ask(api, ready, key="another").status_code == 200


def test_a_checkout_is_to_be_followed(ready: Instance, api: APIClient, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.variants.checkout = True
    first = SUBSCRIBE.ask(api, ready)
    again, other = SUBSCRIBE.ask(api, ready), SUBSCRIBE.ask(api, ready, key="another")
    assert [response.status_code for response in (first, again, other)] == [202, 202, 202]
    assert first.json()["checkout_url"].startswith("https://")
    assert first.json()["phase"] == "checkout"
    assert first.json() == again.json() == other.json()
    assert len(fake_vzaps.calls_to("subscribe")) == 1
    fake_vzaps.complete_checkout(ready.vzaps_id)
    api.post(f"{ROOT}instances/{ready.vzaps_id}/subscription/refresh/")
    settled = SUBSCRIBE.ask(api, ready)
    assert (settled.status_code, settled.json()["is_settled"]) == (200, True)


def test_what_is_gone_can_be_asked_about_by_whoever_removed_it_only(
    ready: Instance, api: APIClient, fake_vzaps: FakeVZaps
) -> None:
    first = DELETE.ask(api, ready)
    assert DELETE.ask(api, ready).json() == first.json()
    problem(DELETE.ask(api, ready, key="another"), "instance-removed")
    problem(DELETE.ask(api, ready, key=None), "instance-removed")
    problem(RESTART.ask(api, ready), "instance-removed")
    other = Instance.objects.create(account=ready.account, vzaps_id="VZgone", name="Gone", removed_at=timezone.now())
    problem(DELETE.ask(api, other), "instance-removed")
    assert len(fake_vzaps.calls_to("delete")) == 1


def test_a_malformed_key_is_named(instance: Instance, api: APIClient) -> None:
    keys = ("", " ", "a b", "a" * 151, "é", "tab\there", "\x7f")
    for verb, key in product((SUBSCRIBE, CREATE, DELETE), keys):
        (error,) = problem(verb.ask(api, instance, key=key), "invalid")["errors"]
        assert (error["in"], error["field"]) == ("header", "Idempotency-Key"), (verb, key)
    assert not Operation.objects.exists()


def test_the_longest_key_fits(instance: Instance, api: APIClient) -> None:
    keys = ["~" * 150, "~" * 149 + "!"]
    assert [RESTART.ask(api, instance, key=key).status_code for key in keys] == [200, 200]
    assert Operation.objects.count() == 2


# Batches


def start(client: APIClient, *ids: str, key: str = KEY, **more: Any) -> Any:
    body = {"kind": "restart", "instances": list(ids)} | more
    return client.post(f"{ROOT}batches/", body, format="json", headers={"Idempotency-Key": key})


def test_the_same_key_is_one_batch(instance: Instance, api: APIClient, fake_vzaps: FakeVZaps) -> None:
    first, again = (start(api, instance.vzaps_id) for _number in range(2))
    assert [first.status_code, again.status_code] == [202, 202]
    assert first["Location"] == again["Location"]
    assert first.json() == again.json()
    assert len(fake_vzaps.calls_to("restart")) == 1
    other = start(program_of(User.objects.create_superuser("other")), instance.vzaps_id)
    assert other.json()["id"] != first.json()["id"]
    assert uuid.UUID(first.json()["id"]).version == 5


def test_a_key_stands_for_one_batch(instance: Instance, api: APIClient, account: Account) -> None:
    other = Instance.objects.create(account=account, vzaps_id="VZother", name="Other")
    first = start(api, instance.vzaps_id, kind="set_webhook")
    for ids, more in (
        ([instance.vzaps_id], {}),
        ([other.vzaps_id], {"kind": "set_webhook"}),
        ([instance.vzaps_id, other.vzaps_id], {"kind": "set_webhook"}),
        ([instance.vzaps_id], {"kind": "set_webhook", "overwrite": True}),
    ):
        refused = problem(start(api, *ids, **more), "idempotency-key-reused")
        assert "another batch" in refused["detail"]
    again = start(api, instance.vzaps_id, instance.vzaps_id, kind="set_webhook")
    assert again.json()["id"] == first.json()["id"]
    assert Batch.objects.count() == 1
    problem(start(api, instance.vzaps_id, key="a b"), "invalid")
