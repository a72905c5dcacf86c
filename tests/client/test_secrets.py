"""Secrets are planted everywhere, and looked for in everything that a person or a log could see."""

from __future__ import annotations

import json
import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses

from django_vzaps.client import Secret, VZapsClient, VZapsError

from .conftest import make_client
from .loopback import Loopback, Script, Seen, answer

PLANTED = {
    "client token": "PLANTED-client-token",
    "client secret": "PLANTED-client-secret",
    "access token": "PLANTED-access-token",
    "instance token": "PLANTED-instance-token",
    "webhook secret": "PLANTED-webhook-secret",
}
WEBHOOK = f"https://h.example/vzaps/webhook/pub/{PLANTED['webhook secret']}"
INSTANCE = {"id": "VZ1", "name": "Desk", "token": PLANTED["instance token"], "webhook": WEBHOOK, "webhookURL": WEBHOOK}
EVERYTHING = {
    "success": True,
    "data": {
        **INSTANCE,
        "content": [INSTANCE],
        "connected": True,
        "qr_code": "PLANTED-qr",
        "LinkingCode": "PLANTED-code",
        "message_id": "M1",
        "webhook_url": WEBHOOK,
        "events": "Message",
    },
}
TOKEN = Secret(PLANTED["instance token"])
CALLS: list[Callable[[VZapsClient], Any]] = [
    lambda c: c.instances.create(name="Desk", webhook=Secret(WEBHOOK)),
    lambda c: c.instances.update("VZ1", name="Desk", instance_token=TOKEN),
    lambda c: c.instances.restart("VZ1", instance_token=TOKEN),
    lambda c: c.instances.subscribe("VZ1", {}, instance_token=TOKEN),
    lambda c: c.sessions.status("VZ1", instance_token=TOKEN),
    lambda c: c.sessions.qr("VZ1", instance_token=TOKEN),
    lambda c: c.sessions.pair_code("VZ1", "5511", instance_token=TOKEN),
    lambda c: c.webhooks.get("VZ1", instance_token=TOKEN),
    lambda c: c.webhooks.set(instance_id="VZ1", webhook_url=Secret(WEBHOOK), instance_token=TOKEN),
    lambda c: c.messages.send_text(instance_id="VZ1", phone="5511", message="hi", instance_token=TOKEN),
]


def says(body: Any, status: str = "200 OK", *, echo: bool = False) -> Script:
    """Answers ``body``; with ``echo`` also all that it was sent, under names that nobody would mask."""

    def script(seen: Seen, connection: socket.socket) -> bool:
        content = body
        if echo:
            sent = f"You sent {seen.headers} {seen.body.decode()}"
            content = body | {"message": sent, "you_sent": [*seen.headers.values(), sent]}
        if status.startswith("500"):
            content = json.dumps(content).encode() + b"!"
        request_id = f"X-Request-Id: {PLANTED['access token']}\r\n"
        connection.sendall(answer(content, status=status, extra=request_id))
        return True

    return script


def hangs_up(seen: Seen, connection: socket.socket) -> bool:
    return False


ANSWERS: dict[str, Script] = {
    "all well": says(EVERYTHING),
    "an error that repeats the request": says({}, "422 Unprocessable Entity", echo=True),
    "the same as text": says({}, "500 Oops", echo=True),
    "an error without success": says({"success": False}, echo=True),
    "refused": says({}, "401 Unauthorized", echo=True),
    "an answer without what matters": says({"token": PLANTED["instance token"], "webhook": WEBHOOK}),
    "not JSON": says(json.dumps(EVERYTHING).encode() + b"!"),
    "no answer": hangs_up,
}


@pytest.fixture(autouse=True)
def issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_planted_token(body: Any, **options: Any) -> bytes:
        body = body | {"access_token": PLANTED["access token"]} if "access_token" in body else body
        return answer(body, **options)

    monkeypatch.setattr("tests.client.loopback.answer", with_planted_token)


@pytest.fixture
def root_log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG):
        yield caplog


def visible(error: BaseException) -> str:
    """All that error pages and error trackers show: the chain, the attributes, and the values in our own frames."""
    assert error.__cause__ is None
    assert error.__context__ is None
    assert error.__traceback__ is not None
    ours = error.with_traceback(error.__traceback__.tb_next)  # not the frame of the test, where all is planted
    trace = traceback.TracebackException.from_exception(ours, capture_locals=True)
    return "\n".join([str(error), repr(error), repr(vars(error)), *trace.format(chain=True)])


def outcome(client: VZapsClient, call: Callable[[VZapsClient], Any]) -> str:
    try:
        result = call(client)
    except VZapsError as error:
        return visible(error)
    return repr(result) + str(result) + repr(result.raw)


@pytest.mark.parametrize("script", ANSWERS.values(), ids=ANSWERS)
def test_no_secret_is_ever_shown(
    loopback: Callable[[Script], Loopback], root_log: pytest.LogCaptureFixture, script: Script
) -> None:
    server = loopback(script)
    with make_client(
        server.url,
        client_token=PLANTED["client token"],
        client_secret=PLANTED["client secret"],
        timeout=(1.0, 1.0),
        retries=1,
        sleep=lambda seconds: None,
    ) as client:
        shown = [outcome(client, call) for call in CALLS]
        shown += [repr(client), repr(vars(client)), repr(vars(client.instances)), repr(vars(client._transport))]
        shown.append(repr(vars(client._transport.tokens)))
    assert any(PLANTED["access token"] in seen.headers.get("authorization", "") for seen in server.seen)
    assert len(root_log.records) > len(CALLS)
    for record in root_log.records:
        shown.append(record.getMessage() + repr(record.args) + str(record.exc_text))
    for text in shown:
        assert "PLANTED" not in text


@pytest.mark.parametrize(
    "body",
    [
        {"error": f"not {PLANTED['client token']} with {PLANTED['client secret']}", PLANTED["client secret"]: 1},
        f"not {PLANTED['client secret']}".encode(),
        {"access_token": PLANTED["access token"]},
    ],
    ids=["echo", "text", "half"],
)
@pytest.mark.parametrize("status", [200, 401, 500])
def test_no_secret_is_shown_when_signing_in_fails(root_log: pytest.LogCaptureFixture, status: int, body: Any) -> None:
    with responses.RequestsMock() as wire:
        wire.post("https://vzaps.test/token", status=status, body=body if isinstance(body, bytes) else json.dumps(body))
        client = make_client(client_token=PLANTED["client token"], client_secret=PLANTED["client secret"])
        with pytest.raises(VZapsError) as got:
            client.instances.create(name="Desk")
    assert "PLANTED" not in visible(got.value) + root_log.text
