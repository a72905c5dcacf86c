"""A repeat happens only where it is harmless (DESIGN section 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
import responses

from django_vzaps.client import (
    VZapsAuthenticationError,
    VZapsCallError,
    VZapsClient,
    VZapsConnectionError,
    VZapsRateLimitError,
    VZapsTimeoutError,
)

from .conftest import BASE, Clock, make_client

Call = Callable[[VZapsClient], Any]

READS: list[tuple[str, str, Call]] = [
    ("POST", "/instances/list", lambda c: c.instances.list()),
    ("POST", "/instances/get", lambda c: c.instances.get("VZ1")),
    ("GET", "/instances/VZ1/session/status", lambda c: c.sessions.status("VZ1")),
    ("GET", "/instances/VZ1/session/qr", lambda c: c.sessions.qr("VZ1")),
    ("GET", "/instances/VZ1/session/paircode/55", lambda c: c.sessions.pair_code("VZ1", "55")),
    ("GET", "/instances/VZ1/webhook", lambda c: c.webhooks.get("VZ1")),
    ("POST", "/instances/VZ1/webhook/logs/search", lambda c: c.webhooks.search_logs(instance_id="VZ1")),
    ("GET", "/instances/VZ1/webhook/logs/L1", lambda c: c.webhooks.get_log(instance_id="VZ1", log_id="L1")),
    ("GET", "/anything", lambda c: c.request("get", "/anything")),
]
CHANGES: list[tuple[str, str, Call]] = [
    ("PUT", "/instances/create", lambda c: c.instances.create(name="Desk")),
    ("PATCH", "/instances/VZ1", lambda c: c.instances.update("VZ1", name="Desk")),
    ("POST", "/instances/VZ1/restart", lambda c: c.instances.restart("VZ1")),
    ("DELETE", "/instances/VZ1", lambda c: c.instances.delete("VZ1")),
    ("POST", "/instances/VZ1/subscribe", lambda c: c.instances.subscribe("VZ1", {})),
    ("POST", "/instances/VZ1/resume-subscription", lambda c: c.instances.resume_subscription("VZ1")),
    ("PUT", "/instances/VZ1/cancel", lambda c: c.instances.cancel("VZ1")),
    ("POST", "/instances/VZ1/session/disconnect", lambda c: c.sessions.disconnect("VZ1")),
    ("POST", "/instances/VZ1/webhook", lambda c: c.webhooks.set(instance_id="VZ1", webhook_url="https://h/x")),
    ("POST", "/instances/VZ1/webhook/logs/L1/retry", lambda c: c.webhooks.retry_log(instance_id="VZ1", log_id="L1")),
    (
        "POST",
        "/instances/VZ1/chat/send/text",
        lambda c: c.messages.send_text(instance_id="VZ1", phone="55", message="hi"),
    ),
    ("POST", "/anything", lambda c: c.request("POST", "/anything", body={})),
]
NO_CONNECTION = requests.ConnectionError("refused")
FAULTS: list[Any] = [NO_CONNECTION, requests.ConnectTimeout("slow"), 429, 502, 503, 504]


def fail(wire: responses.RequestsMock, method: str, path: str, fault: Any) -> None:
    if isinstance(fault, Exception):
        wire.add(method, BASE + path, body=fault)
    else:
        wire.add(method, BASE + path, status=fault)


def attempts(wire: responses.RequestsMock) -> int:
    return len([call for call in wire.calls if not str(call.request.url).endswith("/token")])


@pytest.mark.parametrize(("method", "path", "call"), READS, ids=[path for _, path, _ in READS])
def test_reads_are_repeated(
    client: VZapsClient, wire: responses.RequestsMock, clock: Clock, method: str, path: str, call: Call
) -> None:
    fail(wire, method, path, NO_CONNECTION)
    with pytest.raises(VZapsConnectionError):
        call(client)
    assert attempts(wire) == 3
    assert 0.25 <= clock.slept[0] <= 0.75
    assert 0.5 <= clock.slept[1] <= 1.5


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_read_is_repeated_after(client: VZapsClient, wire: responses.RequestsMock, fault: Any) -> None:
    fail(wire, "POST", "/instances/get", fault)
    wire.post(f"{BASE}/instances/get", json={"id": "VZ1"})
    assert client.instances.get("VZ1").id == "VZ1"
    assert attempts(wire) == 2


@pytest.mark.parametrize("fault", [requests.ReadTimeout("slow"), 400, 404, 408, 500, 501], ids=str)
def test_a_read_is_not_repeated_after(client: VZapsClient, wire: responses.RequestsMock, fault: Any) -> None:
    fail(wire, "POST", "/instances/get", fault)
    with pytest.raises(VZapsCallError):
        client.instances.get("VZ1")
    assert attempts(wire) == 1


@pytest.mark.parametrize("fault", [*FAULTS, requests.ReadTimeout("slow")], ids=str)
@pytest.mark.parametrize(("method", "path", "call"), CHANGES, ids=[f"{m} {path}" for m, path, _ in CHANGES])
def test_a_change_is_never_repeated(
    client: VZapsClient, wire: responses.RequestsMock, clock: Clock, method: str, path: str, call: Call, fault: Any
) -> None:
    fail(wire, method, path, fault)
    with pytest.raises(VZapsCallError):
        call(client)
    assert attempts(wire) == 1
    assert clock.slept == []


@pytest.mark.parametrize(("header", "slept"), [("3", 3.0), ("0", 0.0), ("3600", 30.0)])
def test_retry_after_is_honoured_up_to_a_limit(
    client: VZapsClient, wire: responses.RequestsMock, clock: Clock, header: str, slept: float
) -> None:
    wire.post(f"{BASE}/instances/get", status=429, headers={"Retry-After": header})
    wire.post(f"{BASE}/instances/get", json={"id": "VZ1"})
    client.instances.get("VZ1")
    assert clock.slept == [slept]


def test_the_error_of_the_last_attempt_is_raised(client: VZapsClient, wire: responses.RequestsMock) -> None:
    wire.post(f"{BASE}/instances/get", status=503)
    wire.post(f"{BASE}/instances/get", body=NO_CONNECTION)
    wire.post(f"{BASE}/instances/get", status=429, headers={"Retry-After": "90"})
    with pytest.raises(VZapsRateLimitError) as got:
        client.instances.get("VZ1")
    assert got.value.retry_after == 90


def test_repeats_can_be_switched_off(wire: responses.RequestsMock, clock: Clock) -> None:
    wire.post(f"{BASE}/instances/get", status=503)
    with pytest.raises(VZapsCallError):
        make_client(clock=clock, sleep=clock.sleep, retries=0).instances.get("VZ1")
    assert attempts(wire) == 1


def test_signing_in_is_repeated_after_a_failed_connection_only(clock: Clock) -> None:
    with responses.RequestsMock() as wire:
        wire.post(f"{BASE}/token", body=NO_CONNECTION)
        wire.post(f"{BASE}/token", json={"access_token": "jwt", "expires_in": 60})
        assert make_client(clock=clock, sleep=clock.sleep).auth.get_access_token() == "jwt"
    with responses.RequestsMock() as wire:
        wire.post(f"{BASE}/token", status=503)
        with pytest.raises(VZapsCallError):
            make_client(clock=clock, sleep=clock.sleep).auth.get_access_token()
        assert len(wire.calls) == 1


@pytest.mark.parametrize(
    ("method", "path", "call"), [*READS, *CHANGES], ids=[f"{c[0]} {c[1]}" for c in READS + CHANGES]
)
def test_every_call_is_made_again_once_with_a_new_access_token(
    clock: Clock, method: str, path: str, call: Call
) -> None:
    """A 401 says that nothing was done, so this holds for changes too; a second 401 is final."""
    with responses.RequestsMock() as wire:
        wire.post(f"{BASE}/token", json={"access_token": "old", "expires_in": 3600})
        wire.post(f"{BASE}/token", json={"access_token": "new", "expires_in": 3600})
        wire.add(method, BASE + path, status=401)
        with pytest.raises(VZapsAuthenticationError) as got:
            call(make_client(clock=clock, sleep=clock.sleep))
        sent = [made.request.headers.get("Authorization") for made in wire.calls]
    assert sent == [None, "Bearer old", None, "Bearer new"]
    assert not got.value.may_have_been_carried_out


def test_connect_timeout_is_a_timeout_that_did_nothing(client: VZapsClient, wire: responses.RequestsMock) -> None:
    wire.put(f"{BASE}/instances/create", body=requests.ConnectTimeout("slow"))
    with pytest.raises(VZapsTimeoutError, match="did not accept a connection within 5 s") as got:
        client.instances.create(name="Desk")
    assert not got.value.may_have_been_carried_out
