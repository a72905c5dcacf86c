"""What an error says: its class, its words, and whether the call may have been carried out."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import responses

from django_vzaps.client import (
    VZapsAPIError,
    VZapsAuthenticationError,
    VZapsCallError,
    VZapsClient,
    VZapsError,
    VZapsNotFoundError,
    VZapsPermissionError,
    VZapsRateLimitError,
    VZapsServerError,
    VZapsValidationError,
)

from .conftest import BASE, Clock, make_client

SUBSCRIBE = f"{BASE}/instances/VZ1/subscribe"


def failure(client: VZapsClient) -> VZapsAPIError:
    with pytest.raises(VZapsAPIError) as got:
        client.instances.subscribe("VZ1", {})
    return got.value


@pytest.mark.parametrize(
    ("status", "kind", "may_have_been_carried_out"),
    [
        (400, VZapsValidationError, False),
        (401, VZapsAuthenticationError, False),
        (402, VZapsAPIError, False),
        (403, VZapsPermissionError, False),
        (404, VZapsNotFoundError, False),
        (408, VZapsAPIError, True),
        (409, VZapsAPIError, False),
        (422, VZapsValidationError, False),
        (429, VZapsRateLimitError, False),
        (500, VZapsServerError, True),
        (502, VZapsServerError, True),
        (504, VZapsServerError, True),
        (599, VZapsServerError, True),
    ],
)
def test_classes(
    client: VZapsClient,
    wire: responses.RequestsMock,
    status: int,
    kind: type[VZapsAPIError],
    may_have_been_carried_out: bool,
) -> None:
    wire.post(SUBSCRIBE, status=status, json={"message": "No such luck", "code": "no_luck"})
    error = failure(client)
    assert type(error) is kind
    assert (error.status_code, error.code, error.message) == (status, "no_luck", "No such luck")
    assert error.may_have_been_carried_out is may_have_been_carried_out
    assert f"HTTP {status}: No such luck (code no_luck)" in str(error)


@pytest.mark.parametrize(
    ("body", "kind", "may_have_been_carried_out"),
    [
        ({"success": False, "message": "No such luck"}, VZapsAPIError, False),
        ({"code": 404, "success": False, "data": {"error": "No such luck"}}, VZapsNotFoundError, False),
        ({"code": 200, "success": False, "data": None, "error": "No such luck"}, VZapsAPIError, False),
        ({"code": 500, "success": False, "message": "No such luck"}, VZapsServerError, True),
    ],
)
def test_http_200_without_success_is_an_error(
    client: VZapsClient, wire: responses.RequestsMock, body: Any, kind: type, may_have_been_carried_out: bool
) -> None:
    wire.post(SUBSCRIBE, json=body)
    error = failure(client)
    assert type(error) is kind
    assert (error.status_code, error.message) == (200, "No such luck")
    assert error.may_have_been_carried_out is may_have_been_carried_out


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (b'{"error": "Name too short"}', "Name too short", ""),
        (b'{"error": {"message": "Name too short", "code": 7}}', "Name too short", ""),
        (b'{"errors": [{"message": "Name too short"}], "code": 422}', "Name too short", "422"),
        (b'{"errors": ["Name too short"]}', "Name too short", ""),
        (b'{"detail": "Name too short", "error_code": "short"}', "Name too short", "short"),
        (b'{"data": {"error": "Name too short"}, "errorCode": "short"}', "Name too short", "short"),
        (b"Name too\n short\x00", "Name too short", ""),
        (b'"Name too short"', "Name too short", ""),
        (b"<html><body>Proxy page</body></html>", "Unprocessable", ""),
        (b"", "Unprocessable", ""),
        (b'{"message": null, "errors": []}', "Unprocessable", ""),
        (b"[" * 100_000, "[[[", ""),
        (b"\xff\xfe", "", ""),
    ],
)
def test_the_words_of_vzaps_are_found_wherever_they_are(
    client: VZapsClient, wire: responses.RequestsMock, body: bytes, message: str, code: str
) -> None:
    wire.post(SUBSCRIBE, status=422, body=body, headers={"X-Request-Id": "req-1"})
    error = failure(client)
    assert error.message.startswith(message)
    assert error.code == code
    assert error.request_id == "req-1"
    assert str(error).endswith("[request req-1]")
    assert len(str(error)) < 500
    str(error).encode()


def test_details_hold_the_rest(client: VZapsClient, wire: responses.RequestsMock) -> None:
    wire.post(SUBSCRIBE, status=422, json={"message": "Bad", "fields": {"name": ["short"]}, "instance_token": "inst_1"})
    details = failure(client).details
    assert details["fields"] == {"name": ["short"]}
    assert "inst_1" not in str(details)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Mon, 12 Jan 1970 13:47:10 GMT", 30.0),
        ("Mon, 12 Jan 1970 13:00:00 GMT", 0.0),
        ("soon", None),
        ("nan", None),
        ("1e400", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(
    client: VZapsClient, wire: responses.RequestsMock, clock: Clock, header: str | None, seconds: float | None
) -> None:
    wire.post(SUBSCRIBE, status=429, headers={"Retry-After": header} if header is not None else {})
    error = failure(client)
    assert isinstance(error, VZapsRateLimitError)
    assert error.retry_after == seconds


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_are_named(clock: Clock, status: int) -> None:
    with responses.RequestsMock() as wire:
        wire.post(f"{BASE}/token", status=status, json={"error": "client-secret is wrong for client-token"})
        with pytest.raises(VZapsAuthenticationError, match="refused the client token and secret") as got:
            make_client(clock=clock).instances.create(name="Desk")
    assert "client-secret" not in str(got.value)
    assert not got.value.may_have_been_carried_out


@pytest.mark.parametrize(
    "reply",
    [
        {"status": 500},
        {"status": 408},
        {"body": b"no json"},
        {"json": {"access_token": "jwt"}},
        {"json": {"access_token": "jwt", "expires_in": 0}},
        {"json": {"access_token": "jwt", "expires_in": True}},
        {"json": {"access_token": "two\nlines", "expires_in": 60}},
        {"body": b'{"access_token": "jwt", "expires_in": 1e400}'},
    ],
)
def test_a_change_for_which_we_could_not_sign_in_was_not_carried_out(clock: Clock, reply: Any) -> None:
    with responses.RequestsMock() as wire:
        wire.post(f"{BASE}/token", **reply)
        with pytest.raises(VZapsCallError) as got:
            make_client(clock=clock, sleep=clock.sleep).instances.subscribe("VZ1", {})
        assert len(wire.calls) == 1
    assert not got.value.may_have_been_carried_out


def test_an_error_survives_a_task_queue(client: VZapsClient, wire: responses.RequestsMock) -> None:
    wire.post(SUBSCRIBE, status=429, json={"message": "Slow down"}, headers={"Retry-After": "7"})
    error = failure(client)
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301
        assert isinstance(other, VZapsRateLimitError)
        assert (str(other), other.retry_after, other.status_code) == (str(error), 7.0, 429)
    assert isinstance(type(error)(*error.args), VZapsError)  # how Celery's JSON serializer makes it again
