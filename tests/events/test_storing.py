from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_vzaps.events import storing
from django_vzaps.models import Event, EventState, Instance
from django_vzaps.secret import MASK
from django_vzaps.testing import events
from tests.events.test_parsing import bodies

pytestmark = pytest.mark.django_db


def receive(instance: Instance, body: object, **extra: Any) -> Event:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    stored = storing.receive(data, instance_id=instance.pk, vzaps_id=instance.vzaps_id, **extra)
    assert stored.pk is not None
    return Event.objects.get(pk=stored.pk)


def test_a_message_is_stored_as_it_came(instance: Instance) -> None:
    body = json.dumps(
        {"json_data": events.message("hello", message_id="3EB0", timestamp="2026-09-20T11:00:00Z")}, indent=1
    )
    event = receive(instance, body.encode())
    assert event.payload == body
    assert (event.type, event.state, event.source) == ("Message", EventState.PENDING, "webhook")
    assert (event.message_id, event.chat) == ("3EB0", "5511988887777@s.whatsapp.net")
    assert event.occurred_at is not None
    assert event.occurred_at.isoformat() == "2026-09-20T11:00:00+00:00"


def test_a_redelivery_is_counted_and_not_stored_again(instance: Instance) -> None:
    message = events.message("hello")
    for _ in range(3):
        event = receive(instance, message)
    assert Event.objects.count() == 1
    assert event.duplicates == 2


def test_each_connected_is_kept(instance: Instance) -> None:
    for _ in range(2):
        receive(instance, events.connected())
    assert [event.duplicates for event in Event.objects.all()] == [0, 0]


def test_the_same_event_for_two_instances_is_two_events(instance: Instance) -> None:
    from tests.events.conftest import new_instance

    message = events.message("hello")
    receive(instance, message)
    receive(new_instance("VZ0002"), message)
    assert Event.objects.count() == 2


def test_the_ids_of_several_messages_are_no_message_id(instance: Instance) -> None:
    assert receive(instance, events.read_receipt(["A"])).message_id == "A"
    assert receive(instance, events.read_receipt(["A", "B"])).message_id == ""


@pytest.mark.parametrize("wrap", [lambda body: body, lambda body: {"json_data": json.dumps(body)}])
def test_secrets_are_masked_before_they_are_stored(instance: Instance, wrap: Any) -> None:
    event = receive(
        instance, wrap({"type": "New", "event": {"QRCode": "planted", "instance_token": "planted", "n": 1}})
    )
    assert "planted" not in event.payload
    assert MASK in event.payload
    assert json.dumps(event.body).count(MASK) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[1, 2]",
        b'"text"',
        b"17",
        b'{"type": "Message"',
        b'{"n": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"\x00\x00\x00",
        b"type=Message&event=x",
        bytes(range(256)),
    ],
)
def test_what_cannot_be_parsed_is_kept_for_a_person(instance: Instance, body: bytes) -> None:
    event = receive(instance, body)
    again = receive(instance, body)
    assert event.state == EventState.UNPARSED
    assert (again.pk, again.duplicates) == (event.pk, 1)


def test_secrets_in_what_cannot_be_parsed_are_masked(instance: Instance) -> None:
    truncated = (
        '{"event": {"token": "planted-1", "text": "kept", "x": "{\\"QRCode\\": \\"planted-2\\"}", "qr_code": "planted-3'
    )
    event = receive(instance, truncated.encode())
    assert event.state == EventState.UNPARSED
    assert "planted" not in event.payload
    assert "kept" in event.payload


@pytest.mark.parametrize(
    "body",
    [
        b'{"type": "Message", "event": {"info": {"id": "a\\u0000b", "chat": "\\ud800"}}}',
        b'{"type": "Message", "n": NaN, "m": 1e400, "event": {"info": {"id": "1"}}}',
        b'{"type": "Message", "event": {"info": {"push_name": "\xff\xfe", "id": "1"}}}',
        json.dumps({"type": "Message", "event": {"info": {"timestamp": "0001-01-01T00:00:00Z"}}}).encode(),
        json.dumps({"type": "x" * 500, "event": {"info": {"id": "i" * 500, "chat": "c" * 500 + "@lid"}}}).encode(),
        json.dumps({"type": "Message", "event": {"info": {"id": ["list"], "chat": {"a": 1}}}}).encode(),
        json.dumps(events.message("hello")).encode("utf-16"),
        b"\xef\xbb\xbf" + json.dumps(events.message("hello")).encode(),
        json.dumps({"type": None, "event": None}).encode(),
        b"{}",
    ],
)
def test_odd_values_are_stored_on_every_database(instance: Instance, body: bytes) -> None:
    event = receive(instance, body)
    assert event.state == EventState.PENDING
    assert isinstance(event.body, dict)


def test_what_names_another_instance_is_kept_and_never_acted_on(instance: Instance) -> None:
    assert receive(instance, {**events.connected(), "instance_id": "VZ9999"}).state == EventState.MISDIRECTED
    assert receive(instance, {"instanceId": "VZ9999", "json_data": events.message()}).state == EventState.MISDIRECTED
    assert receive(instance, events.connected(), named="VZ9999").state == EventState.MISDIRECTED


@pytest.mark.parametrize("order", [1, -1], ids=["anothers first", "own first"])
def test_a_copy_for_another_instance_is_no_copy_of_this_ones_message(instance: Instance, order: int) -> None:
    message = events.message("to all", group=True, message_id="3EB0A", timestamp="2026-09-20T11:00:00Z")
    bodies = [{"json_data": message, "instance_id": name} for name in ("VZ9999", instance.vzaps_id)]
    for body in bodies[::order]:
        for _ in range(2):
            receive(instance, body)
    found = Event.objects.values_list("state", "duplicates")
    assert sorted(found) == [(EventState.MISDIRECTED, 1), (EventState.PENDING, 1)]


def test_a_copy_that_only_its_header_misdirects_is_told_apart_as_well(instance: Instance) -> None:
    message = events.message("to all", group=True)
    assert receive(instance, message, named="VZ9999").state == EventState.MISDIRECTED
    assert receive(instance, message, named=instance.vzaps_id).state == EventState.PENDING
    assert receive(instance, message).duplicates == 1


def test_what_names_this_instance_or_nothing_known_is_taken(instance: Instance) -> None:
    assert receive(instance, {**events.connected(), "instance_id": instance.vzaps_id}).state == EventState.PENDING
    assert receive(instance, {**events.connected(), "instance_id": 17}).state == EventState.PENDING
    assert receive(instance, events.connected(), named="some-proxy").state == EventState.PENDING


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=200))
def test_no_authentic_body_is_lost(instance: Instance, body: bytes) -> None:
    before = Event.objects.count()
    event = receive(instance, body)
    assert event.duplicates or Event.objects.count() == before + 1
