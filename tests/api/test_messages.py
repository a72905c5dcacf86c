from __future__ import annotations

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from django_vzaps.models import Instance, Operation
from django_vzaps.testing import FakeVZaps
from tests.api.conftest import ROOT, problem

TEXT = "Olá! Your order is ready. 💬"


@pytest.fixture
def url(instance: Instance, fake_vzaps: FakeVZaps) -> str:
    fake_vzaps.instances[instance.vzaps_id].connected = True
    return f"{ROOT}instances/{instance.vzaps_id}/messages/"


def send(api: APIClient, url: str, **body: Any) -> Any:
    # Escaped, so that half a surrogate pair can be sent.
    return api.generic("POST", url, json.dumps({"phone": "5511999990000", "message": TEXT} | body), "application/json")


def test_a_text_is_sent_as_it_is(url: str, api: APIClient, instance: Instance, fake_vzaps: FakeVZaps) -> None:
    text = f"  {TEXT}\n\n"
    response = send(api, url, message=text, reply_to="3EB0")
    assert response.status_code == 200
    (sent,) = fake_vzaps.sent_messages(instance.vzaps_id)
    assert (sent.text, response.json()["answer"]) == (text, {"message_id": sent.id})
    (call,) = fake_vzaps.calls_to("send_text")
    assert call.body is not None
    assert (call.body["phone"], call.body["reply_to_message_id"]) == ("5511999990000", "3EB0")


def test_the_text_is_kept_nowhere(url: str, api: APIClient) -> None:
    response = send(api, url)
    assert response.json()["parameters"] == {"phone": "5511999990000", "characters": len(TEXT), "reply_to": None}
    assert TEXT not in json.dumps(list(Operation.objects.values()), default=str)


def test_under_a_key_a_fingerprint_is_kept_that_nobody_else_can_make(url: str, api: APIClient, settings: Any) -> None:
    def fingerprint(key: str) -> str:
        body = {"phone": "5511999990000", "message": TEXT}
        response = api.post(url, body, format="json", headers={"Idempotency-Key": key})
        return str(response.json()["parameters"]["fingerprint"])

    first = fingerprint("a")
    assert fingerprint("b") == first
    settings.SECRET_KEY = "another"
    assert fingerprint("c") != first
    assert TEXT not in json.dumps(list(Operation.objects.values()), default=str)


@pytest.mark.parametrize("phone", ["+55 (11) 99999-0000", "5511 99999 0000", "+5511999990000"])
def test_a_number_is_taken_as_people_write_it(phone: str, url: str, api: APIClient, fake_vzaps: FakeVZaps) -> None:
    send(api, url, phone=phone)
    (call,) = fake_vzaps.calls_to("send_text")
    assert call.body is not None
    assert call.body["phone"] == "5511999990000"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"phone": "0000"}, "phone"),
        ({"phone": "1" * 16}, "phone"),
        ({"phone": "call me"}, "phone"),
        ({"phone": None}, "phone"),
        ({"message": ""}, "message"),
        ({"message": "x" * 4001}, "message"),
        ({"message": "a\x00b"}, "message"),
        ({"message": "a\ud800"}, "message"),
        ({"reply_to": "3EB0 X"}, "reply_to"),
        ({"text": TEXT}, "text"),
    ],
)
def test_what_cannot_be_sent_is_named(
    body: dict[str, Any], field: str, url: str, api: APIClient, fake_vzaps: FakeVZaps
) -> None:
    errors = problem(send(api, url, **body), "invalid")["errors"]
    assert field in [error["field"] for error in errors]
    assert fake_vzaps.calls == []
    assert not Operation.objects.exists()


def test_without_a_connection_vzaps_says_no(url: str, api: APIClient, instance: Instance, fake_vzaps: Any) -> None:
    fake_vzaps.instances[instance.vzaps_id].connected = False
    refused = problem(send(api, url), "vzaps-refused")
    assert refused["vzaps"]["message"] == "The instance is not connected to WhatsApp."
    assert TEXT not in json.dumps(refused)
