"""Every kind of problem, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.test import APIClient
from rest_framework.views import APIView

from django_vzaps.api.problems import KINDS
from django_vzaps.api.throttling import BillingThrottle
from django_vzaps.api.views.instances import InstanceViewSet
from django_vzaps.models import Account, Instance, Operation
from django_vzaps.services import clients
from tests.api.conftest import ROOT, problem, program_of
from tests.api.rows import unsettled_charge
from tests.api.world import World, world

__all__ = ["world"]


CASES: Final[dict[str, Callable[[World], Any]]] = {}


def case(kind: str) -> Callable[[Callable[[World], Any]], Callable[[World], Any]]:
    def add(cause: Callable[[World], Any]) -> Callable[[World], Any]:
        CASES[kind] = cause
        return cause

    return add


CASES["invalid"] = lambda world: world.ask("restart/", {"force": True})
CASES["not-authenticated"] = lambda world: world.ask("restart/", api=APIClient())
CASES["not-found"] = lambda world: world.api.get(f"{ROOT}instances/none/")
CASES["method-not-allowed"] = lambda world: world.api.put(f"{ROOT}instances/")
CASES["not-acceptable"] = lambda world: world.api.get(f"{ROOT}instances/", headers={"accept": "text/html"})
CASES["in-use"] = lambda world: world.api.delete(f"{ROOT}accounts/{world.instance.account_id}/")
CASES["change-refused"] = lambda world: world.ask("resume-subscription/")


@case("not-json")
def body_that_is_no_json(world: World) -> Any:
    return world.api.generic("POST", f"{ROOT}instances/", "{", "application/json")


@case("unsupported-media-type")
def body_of_another_type(world: World) -> Any:
    return world.api.generic("POST", f"{ROOT}instances/", "name=x", "application/x-www-form-urlencoded")


@case("permission-denied")
def no_permission(world: World) -> Any:
    return world.ask("restart/", api=program_of(User.objects.create_user("nobody")))


@case("read-only")
def read_only(world: World) -> Any:
    world.configure(READ_ONLY=True)
    return world.ask("restart/")


@case("already-subscribed")
def subscribed_before(world: World) -> Any:
    world.ask("subscribe/")
    return world.ask("subscribe/")


@case("subscription-active")
def paid_for(world: World) -> Any:
    world.ask("subscribe/")
    return world.api.delete(f"{ROOT}instances/{world.instance.vzaps_id}/")


@case("operation-in-progress")
def unsettled(world: World) -> Any:
    unsettled_charge(world.instance)
    return world.ask("cancel-subscription/")


@case("operation-failed")
def failed_before(world: World) -> Any:
    world.fake.faults.add("restart", status=400)
    world.ask("restart/", headers={"Idempotency-Key": "key"})
    return world.ask("restart/", headers={"Idempotency-Key": "key"})


@case("idempotency-key-reused")
def key_of_another_change(world: World) -> Any:
    world.ask("restart/", headers={"Idempotency-Key": "key"})
    return world.ask("subscribe/", headers={"Idempotency-Key": "key"})


@case("foreign-webhook")
def somebody_elses_webhook(world: World) -> Any:
    world.fake.instances[world.instance.vzaps_id].webhook = "https://other.example/in"
    return world.ask("webhook/apply/")


@case("instance-removed")
def gone(world: World) -> Any:
    Instance.objects.update(removed_at=timezone.now())
    return world.ask("restart/")


@case("pairing-in-progress")
def paired_elsewhere(world: World) -> Any:
    world.ask("session/qr/", api=world.other())
    return world.ask("session/qr/")


@case("sync-running")
def synced_by_the_schedule(world: World) -> Any:
    Account.objects.update(sync_lease_until=timezone.now() + timedelta(minutes=1))
    return world.api.post(f"{ROOT}accounts/{world.instance.account_id}/sync/")


@case("unknown-to-vzaps")
def deleted_elsewhere(world: World) -> Any:
    world.fake.instances.clear()
    return world.ask("restart/")


@case("vzaps-refused")
def refused(world: World) -> Any:
    world.fake.faults.add("restart", status=400)
    return world.ask("restart/")


@case("throttled")
def too_often(world: World) -> Any:
    world.monkeypatch.setattr(BillingThrottle, "rate", "1/min", raising=False)
    world.ask("subscribe/")
    return world.ask("subscribe/")


@case("vzaps-rate-limited")
def slow_down(world: World) -> Any:
    world.fake.faults.add("restart", status=429, retry_after=16.2)
    return world.ask("restart/")


@case("internal-error")
def error_in_this_program(world: World) -> Any:
    world.monkeypatch.setattr(InstanceViewSet, "in_scope", lambda _self: 1 / 0)
    world.api.raise_request_exception = False
    return world.api.get(f"{ROOT}instances/")


@case("vzaps-credentials-refused")
def wrong_credentials(world: World) -> Any:
    clients.forget_clients()
    world.fake.access_tokens.clear()
    world.configure(CLIENT_SECRET="wrong")
    return world.ask("session/status/")


@case("vzaps-unreachable")
def hung_up(world: World) -> Any:
    world.fake.faults.add("get", drop=True, times=None)
    return world.ask("sync/")


@case("vzaps-failed")
def failed(world: World) -> Any:
    world.fake.faults.add("get", status=500, times=None)
    return world.ask("sync/")


@case("not-configured")
def no_credentials(world: World) -> Any:
    world.configure(CLIENT_SECRET="")
    return world.ask("restart/")


@case("vzaps-timeout")
def no_answer_in_time(world: World) -> Any:
    world.fake.faults.add("get", delay=1000, times=None)
    return world.ask("sync/")


def test_each_kind_there_is_comes_up() -> None:
    assert CASES.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_a_problem_says_what_happened(kind: str, world: World) -> None:
    response = CASES[kind](world)
    body = problem(response, kind)
    assert response.status_code == KINDS[kind].status
    assert body["title"] == KINDS[kind].title
    assert body["detail"].strip().endswith((".", ")")), body["detail"]
    assert response["Cache-Control"] == "no-store"
    assert set(body) - {"operation", "vzaps", "errors", "retry_after"} == {"type", "title", "status", "detail"}
    # Whoever has the operation can look at it.
    if "operation" in body:
        assert world.api.get(body["operation"]["url"]).json() == body["operation"]


# What VZaps said


def test_vzaps_own_words_and_numbers_are_passed_on(world: World) -> None:
    world.fake.faults.add("restart", status=400)
    body = problem(world.ask("restart/"), "vzaps-refused")
    assert body["vzaps"] == {
        "status": 400,
        "code": "http_400",
        "message": "The service answered with 400 on demand.",
        "request_id": Operation.objects.get().request_id,
    }
    assert body["operation"]["outcome"] == "failed"
    assert body["operation"]["request_id"] == body["vzaps"]["request_id"] != ""
    assert body["vzaps"]["message"] in body["detail"]


@pytest.mark.parametrize(
    ("path", "route"), [("restart/", "restart"), ("session/status/", "session_status"), ("subscribe/", "get")]
)
def test_how_long_to_wait_is_passed_on(path: str, route: str, world: World) -> None:
    world.fake.faults.add(route, status=429, retry_after=16.2, times=None)
    response = world.ask(path)
    assert problem(response, "vzaps-rate-limited")["retry_after"] == 17
    assert response["Retry-After"] == "17"


def test_where_vzaps_does_not_say_how_long_nothing_is_made_up(world: World) -> None:
    world.fake.faults.add("restart", status=429)
    response = world.ask("restart/")
    assert "retry_after" not in problem(response, "vzaps-rate-limited")
    assert "Retry-After" not in response


READS: Final = ("sync/", "session/status/", "subscription/refresh/", "webhook/check/")


@pytest.mark.parametrize(
    ("fault", "kind", "status"),
    [
        ({"status": 500}, "vzaps-failed", 502),
        ({"status": 503}, "vzaps-failed", 502),
        ({"malformed": True}, "vzaps-failed", 502),
        ({"drop": True}, "vzaps-unreachable", 502),
        ({"delay": 1000}, "vzaps-timeout", 504),
        ({"status": 404}, "unknown-to-vzaps", 409),
        ({"status": 403}, "vzaps-refused", 422),
    ],
)
def test_what_cannot_be_read_says_why(fault: dict[str, Any], kind: str, status: int, world: World) -> None:
    world.fake.faults.add(lambda request: request.route != "token", times=None, **fault)
    for path in READS:
        body = problem(world.ask(path), kind)
        assert body["status"] == status, path
        assert set(body["vzaps"]) == {"status", "code", "message", "request_id"}, path
        assert body["vzaps"]["status"] == fault.get("status"), path
    assert not Operation.objects.exists()


def test_where_vzaps_said_nothing_it_is_null(world: World) -> None:
    world.fake.faults.add("session_status", drop=True, times=None)
    body = problem(world.ask("session/status/"), "vzaps-unreachable")
    assert body["vzaps"] == {"status": None, "code": None, "message": None, "request_id": None}


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("instances/?connection=up", {"connection": "“up” is none of: connected, disconnected, stale, "}),
        ("instances/?ordering=phone", {"ordering": "“phone” is none of: name, -name, last_event_at, "}),
        ("operations/?is_settled=1", {"is_settled": "“1” is none of: true, false."}),
        ("batches/?kind=subscribe", {"kind": "“subscribe” is none of: "}),
    ],
)
def test_whoever_filters_by_another_word_is_told_which_there_are(
    path: str, names: dict[str, str], world: World
) -> None:
    errors = problem(world.api.get(f"{ROOT}{path}"), "invalid")["errors"]
    assert {error["field"] for error in errors} == set(names)
    assert all(error["detail"].startswith(names[error["field"]]) for error in errors), errors


@pytest.mark.parametrize(
    ("path", "given", "words"),
    [
        ("batches/", {"kind": "subscribe"}, "“subscribe” is none of: "),
        ("instances/", {"name": " Desk"}, "Give a text that neither begins nor ends with white space."),
        ("instances/", {"name": "Desk", "account": 99}, "There is no account of this id, or it is not active."),
    ],
)
def test_what_is_wrong_is_said_so_that_it_can_be_mended(
    path: str, given: dict[str, Any], words: str, world: World
) -> None:
    (error,) = problem(world.api.post(f"{ROOT}{path}", given, format="json"), "invalid")["errors"]
    assert error["detail"].startswith(words)


def test_without_credentials_vzaps_is_not_blamed(world: World) -> None:
    world.configure(CLIENT_TOKEN="")
    for path in (*READS, "restart/", "subscribe/", "webhook/apply/", "session/disconnect/"):
        body = problem(world.ask(path), "not-configured")
        assert body["status"] == 503, path
        assert "has no credentials" in body["detail"], path
        assert "vzaps" not in body, path
    assert world.fake.calls == []


def test_without_a_public_address_there_is_no_webhook(world: World) -> None:
    world.configure(WEBHOOK_BASE_URL="")
    assert "WEBHOOK_BASE_URL" in problem(world.ask("webhook/apply/"), "not-configured")["detail"]


def test_credentials_that_cannot_be_decrypted_are_told_of(world: World) -> None:
    Account.objects.update(client_token="token", client_secret="secret")
    world.configure(ENCRYPTION_KEYS=["b3RoZXItdGVzdHMtb25seS0zMi1ieXRlcy1sb25nLWs="])
    problem(world.ask("session/status/"), "not-configured")


CHANGES: Final[list[tuple[str, str, Any]]] = [
    ("post", "instances/", {"name": "Branch"}),
    ("patch", "instances/{id}/", {"name": "Branch"}),
    ("delete", "instances/{id}/", None),
    ("post", "instances/{id}/restart/", None),
    ("post", "instances/{id}/subscribe/", None),
    ("post", "instances/{id}/cancel-subscription/", None),
    ("post", "instances/{id}/resume-subscription/", None),
    ("post", "instances/{id}/session/qr/", None),
    ("post", "instances/{id}/session/pair-code/", {"phone": "5511999990000"}),
    ("post", "instances/{id}/session/disconnect/", None),
    ("post", "instances/{id}/webhook/apply/", None),
    ("post", "instances/{id}/deliveries/log_1/retry/", None),
    ("post", "instances/{id}/messages/", {"phone": "5511999990000", "message": "x"}),
    ("post", "batches/", {"kind": "restart", "instances": ["{id}"]}),
]


def test_where_the_site_is_set_to_read_only_nothing_is_changed(world: World) -> None:
    world.configure(READ_ONLY=True)
    for method, path, body in CHANGES:
        response = world.send(method, path, body)
        assert problem(response, "read-only")["status"] == 403, path
    assert {call.route for call in world.fake.calls} <= {"token", "webhook_get"}
    assert not Operation.objects.exists()


NOT_OF_WHAT_IS_GONE: Final[list[tuple[str, str, Any]]] = [
    *(("post", path, None) for path in (*READS, "restart/", "subscribe/", "cancel-subscription/")),
    *(("post", path, None) for path in ("session/qr/", "session/disconnect/", "webhook/apply/")),
    ("post", "session/pair-code/", {"phone": "5511999990000"}),
    ("post", "messages/", {"phone": "5511999990000", "message": "x"}),
    ("post", "deliveries/log_1/retry/", None),
    ("get", "deliveries/", None),
    ("get", "session/qr/", None),
    ("patch", "", {"name": "Branch"}),
    ("delete", "", None),
]


def test_what_is_gone_can_only_be_looked_at(world: World) -> None:
    Instance.objects.update(removed_at=timezone.now())
    for method, path, body in NOT_OF_WHAT_IS_GONE:
        problem(world.send(method, f"instances/{{id}}/{path}", body), "instance-removed")
    assert world.fake.calls == []
    for path in ("", "subscription/", "session/", "webhook/"):
        assert world.send("get", f"instances/{{id}}/{path}").status_code == 200, path


# Of the project's own


def test_a_project_that_raises_problems_of_its_own_keeps_them(world: World) -> None:
    class Locked(exceptions.APIException):
        status_code = 423
        default_detail = "The till is locked."

    class Lock(BaseAuthentication):
        def authenticate(self, request: Any) -> None:
            raise Locked

    world.monkeypatch.setattr(APIView, "authentication_classes", [Lock])
    response = APIClient().get(f"{ROOT}instances/")
    assert (response.status_code, response["Content-Type"]) == (423, "application/problem+json")
    assert response.json() == {
        "type": "about:blank",
        "title": "The till is locked.",
        "status": 423,
        "detail": "The till is locked.",
    }


def test_a_handler_of_the_projects_own_is_not_asked(world: World, settings: Any) -> None:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "EXCEPTION_HANDLER": "tests.nowhere"}
    problem(world.api.get(f"{ROOT}instances/none/"), "not-found")
