from __future__ import annotations

import json

import pytest

from django_vzaps.testing import FakeVZaps
from tests.testing.conftest import Caller, log_in

JWT_ONLY = [
    ("PUT", "/instances/create"),
    ("POST", "/instances/list"),
    ("POST", "/instances/get"),
    ("POST", "/instances/{id}/subscribe"),
    ("POST", "/instances/{id}/resume-subscription"),
    ("PUT", "/instances/{id}/cancel"),
]
EITHER = [
    ("GET", "/instances/{id}/session/status"),
    ("GET", "/instances/{id}/webhook"),
    ("POST", "/instances/{id}/restart"),
    ("DELETE", "/instances/{id}"),
]


def pair_headers(fake: FakeVZaps, instance_id: str) -> dict[str, str]:
    return {"X-Client-Token": "demo-client-token", "X-Instance-Token": fake.instances[instance_id].token}


def test_credentials_are_exchanged_for_an_access_token(ask: Caller) -> None:
    body = {"client_token": "demo-client-token", "client_secret": "demo-client-secret"}
    answer = ask.json("POST", "/token", body)
    assert answer["expires_in"] == 1800
    assert answer["access_token"].count(".") == 2


@pytest.mark.parametrize(
    "body", [{"client_token": "demo-client-token", "client_secret": "wrong"}, {"client_token": "x"}]
)
def test_wrong_credentials_are_refused(ask: Caller, body: dict[str, str]) -> None:
    assert ask("POST", "/token", body).status in {400, 401}


def test_an_access_token_expires_by_the_fakes_clock(fake: FakeVZaps, ask: Caller) -> None:
    fake.clock.advance(1799)
    assert ask("POST", "/instances/list", {}).status == 200
    fake.clock.advance(1)
    assert ask.error("POST", "/instances/list", {}) == (401, "token_expired")


@pytest.mark.parametrize(("method", "path"), JWT_ONLY)
def test_billing_create_and_list_take_nothing_but_an_access_token(
    fake: FakeVZaps, ask: Caller, method: str, path: str
) -> None:
    instance = fake.add_instance()
    headers = pair_headers(fake, instance.id)
    assert ask.error(method, path.format(id=instance.id), {"id": instance.id}, headers=headers)[0] == 401


@pytest.mark.parametrize(("method", "path"), EITHER)
def test_other_routes_take_the_token_pair(fake: FakeVZaps, ask: Caller, method: str, path: str) -> None:
    instance = fake.add_instance()
    headers = pair_headers(fake, instance.id)
    assert ask.error(method, path.format(id=instance.id), headers={})[0] == 401
    for missing in headers:
        assert ask.error(method, path.format(id=instance.id), headers={missing: headers[missing]})[0] == 401
    assert ask(method, path.format(id=instance.id), headers=headers).status in {200, 204}


def test_an_instance_token_opens_its_own_instance_only(fake: FakeVZaps, ask: Caller) -> None:
    mine, other = fake.add_instance(), fake.add_instance()
    path = f"/instances/{other.id}/session/status"
    assert ask.error("GET", path, headers=pair_headers(fake, mine.id)) == (403, "forbidden")


def test_another_accounts_instance_is_forbidden_and_a_missing_one_not_found(fake: FakeVZaps, ask: Caller) -> None:
    stranger = fake.add_account("other-token", "other-secret")
    theirs = fake.add_instance(account=stranger)
    assert ask.error("GET", f"/instances/{theirs.id}/session/status") == (403, "forbidden")
    assert ask.error("POST", "/instances/get", {"id": theirs.id}) == (403, "forbidden")
    assert ask.error("POST", "/instances/get", {"id": "VZNOPE"}) == (404, "instance_not_found")
    assert ask.json("POST", "/instances/list", {})["total"] == 0
    own = log_in(fake, client_token="other-token", client_secret="other-secret")
    assert own.json("POST", "/instances/list", {})["total"] == 1


def test_a_wrong_bearer_is_not_saved_by_a_right_pair(fake: FakeVZaps, ask: Caller) -> None:
    instance = fake.add_instance()
    headers = pair_headers(fake, instance.id) | {"Authorization": "Bearer nonsense"}
    assert ask.error("GET", f"/instances/{instance.id}/webhook", headers=headers) == (401, "invalid_token")


def test_every_answer_has_a_request_id_and_an_error_says_what_is_wrong(ask: Caller) -> None:
    answer = ask("GET", "/nowhere")
    assert answer.status == 404
    assert answer.headers["X-Request-Id"].startswith("req_")
    body = json.loads(answer.body)
    assert body["code"] == "route_not_found"
    assert body["error"] == body["message"]
    assert ask("GET", "/instances/list").status == 405
    assert ask.error("PUT", "/instances/create", b"[1]") == (400, "invalid_body")
    assert ask.error("PUT", "/instances/create", b"{") == (400, "invalid_json")


def test_no_secret_shows_in_what_the_fake_remembers(fake: FakeVZaps, ask: Caller) -> None:
    instance = fake.add_instance(webhook="https://hooks.example.test/the-secret", events=["All"], connected=True)
    fake.receive(instance.id)
    shown = repr((fake.calls, fake.accounts, fake.instances, fake.logs(instance.id)))
    assert "demo-client-secret" not in shown
    assert instance.token not in shown
    assert "the-secret" not in shown
    assert fake.calls_to("token")[0].body is None


def test_a_route_that_does_not_exist_is_not_counted_as_zero_calls(fake: FakeVZaps) -> None:
    with pytest.raises(ValueError, match="subscribe"):
        fake.calls_to("subscribed")
