"""No secret is stored, and no word of a message is lost to that."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from django_vzaps.events import inbound, masking, storing
from django_vzaps.events.inbound import MessageEvent
from django_vzaps.models import Event, EventState, Instance
from django_vzaps.secret import MASK, SECRET_KEYS
from django_vzaps.testing import events
from tests.events.conftest import url_of

pytestmark = pytest.mark.django_db

PLANTED = "pLanted-2@x,y+z=="
IN_URL = "pLanted_in-the-path"
URL = f"https://me.example/vzaps/webhook/3f0c2d4e-0000-4000-8000-1234567890ab/{IN_URL}"
NAMES = sorted(SECRET_KEYS)
KEPT = events.message("kept", message_id="3EB0", timestamp="2026-09-20T11:00:00Z")


def receive(instance: Instance, body: object) -> Event:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    received = storing.receive(data, instance_id=instance.pk, vzaps_id=instance.vzaps_id)
    assert received.pk is not None
    return Event.objects.select_related("instance").get(pk=received.pk)


def assert_nothing_is_shown(event: Event) -> None:
    stored = f"{event.payload} {event.type} {event.chat} {event.message_id}"
    assert "Lanted" not in stored
    assert MASK in event.payload


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [PLANTED, [PLANTED], {"base64": PLANTED}], ids=["text", "list", "object"])
def test_what_stands_under_a_secrets_name_is_masked(instance: Instance, name: str, value: object) -> None:
    spelled = name.upper()
    inner = {spelled: value, "shown": "kept"}
    for body in (
        inner,
        {"type": "New", "event": {"deep": [inner]}},
        {"type": "New", "event": {"details": json.dumps(inner)}},
        {"type": "Message", "event": json.dumps([inner])},
        {"json_data": json.dumps({"type": "New", "event": json.dumps({"again": json.dumps(inner)})})},
        {"unknown": [json.dumps(inner)]},
        {"message": json.dumps(inner)},
    ):
        event = receive(instance, body)
        assert event.state == EventState.PENDING
        assert_nothing_is_shown(event)
        assert "kept" in event.payload


@pytest.mark.parametrize(
    "body",
    [
        {"type": "QR", "event": {"codes": [PLANTED, PLANTED]}},
        {"type": "QR", "event": {"code": PLANTED}},
        {"type": "QR", "event": PLANTED},
        {"type": "qr_code", "Event": {"id": PLANTED, "chat": PLANTED}},
        {"Type": "PairSuccess", "event": {"details": PLANTED}},
        {"type": "QR", "code": PLANTED, "id": PLANTED, "timestamp": [PLANTED]},
        {"type": "QR", "json_data": {"event": PLANTED}},
        {"json_data": {"type": "QR"}, "code": PLANTED},
        {"json_data": json.dumps({"type": "QR", "event": PLANTED})},
        {"data": {"payload": {"type": "PAIR_CODE", "event": {"n": PLANTED}}}},
        {"other": {"type": "QR", "event": {"code": PLANTED}}},
        {"other": json.dumps([{"type": "QR", "event": {"code": PLANTED}}])},
        {"type": "LinkingCode", "event": PLANTED},
    ],
    ids=json.dumps,
)
def test_nothing_is_kept_of_what_an_event_of_pairing_carries(instance: Instance, body: dict[str, Any]) -> None:
    event = receive(instance, body)
    assert event.state == EventState.PENDING
    assert_nothing_is_shown(event)


def test_an_event_of_pairing_still_says_what_and_when_it_was(instance: Instance) -> None:
    body = {"type": "QR", "instance_id": instance.vzaps_id, "event": {"code": PLANTED, "timestamp": 1789902000}}
    event = receive(instance, {"json_data": body})
    assert event.body == {"type": "QR", "instance_id": instance.vzaps_id, "event": MASK}
    assert (event.type, event.state) == ("QR", EventState.PENDING)
    assert event.occurred_at is not None
    inbound.from_record(event).get("code")


def test_an_event_of_pairing_that_carries_nothing_stays_as_it_came(instance: Instance) -> None:
    text = json.dumps({"type": "PairSuccess", "instance_id": instance.vzaps_id})
    assert receive(instance, text.encode()).payload == text


def test_two_codes_are_two_events_and_one_sent_again_is_one(instance: Instance) -> None:
    first, second = (
        {"type": "QR", "event": {"code": code, "timestamp": 1789902000}} for code in ("2@planted", "2@planted-too")
    )
    assert receive(instance, first).pk != receive(instance, second).pk
    assert receive(instance, first).duplicates == 1


@pytest.mark.parametrize(
    "body",
    [
        {"type": "New", "event": {"webhook": URL}},
        {"type": "New", "event": ["see", f"<{URL}?x=1>"]},
        {"type": "New", "event": {URL: 1}},
        {"type": "New", "event": {"details": json.dumps({"at": URL})}},
        {"type": "New", "event": {"details": json.dumps({"at": URL}).replace("/", "\\/")}},
        {"url": URL, "body": KEPT},
        {"url": URL, "body": json.dumps(KEPT)},
        {"type": "Message", "event": {"info": {"id": URL, "chat": URL, "sender": URL}}},
        json.dumps({"type": "New", "url": URL}).replace("/", "\\/").encode(),
        events.message(
            "see " + json.dumps({"url": URL}).replace("/", "\\/"), message_id="3EB0", timestamp="2026-09-20T11:00:00Z"
        ),
        json.dumps({"type": "New", "url": URL}).replace("webhook/", "\\u0077ebhook\\u002f").encode(),
        json.dumps({"type": "New", "url": URL}).encode()[:-1],
        json.dumps({"type": "New", "url": URL}).replace("/", "\\/").encode()[:-1],
        json.dumps([json.dumps({"url": URL}).replace("/", "\\/")]).encode(),
        urlencode({"url": URL, "x": "kept"}).encode(),
        URL.encode(),
    ],
    ids=str,
)
def test_the_secret_of_a_webhooks_url_is_masked_wherever_it_stands(instance: Instance, body: object) -> None:
    event = receive(instance, body)
    assert_nothing_is_shown(event)
    assert "3f0c2d4e" in event.payload, "whose it is may be seen"


def test_this_sites_own_url_is_known(instance: Instance) -> None:
    url = f"https://me.example{url_of(instance)}"
    assert url.rpartition("/")[2] not in receive(instance, {"type": "New", "url": url}).payload


WORDS = [
    "my password: hunter2, token=abc, qr_code is 7",
    '{"token": "abc", "password": "hunter2"}',
    '[{"qr_code": "abc"}]',
    '{"type": "QR", "event": {"code": "abc"}}',
    'type=QR&qr_code=abc "token": "abc"',
    "what is a webhook/ and a webhook/token/x?",
    "https://me.example/reset?token=abc&secret=def",
    "qr",
    "{",
    "[token]",
]


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("media", [None, "image"])
def test_what_a_person_wrote_stays_as_it_was(instance: Instance, words: str, media: Any) -> None:
    message = events.message(words, media=media, push_name=words)
    for body in (message, events.in_whatsapp_casing(message), {"json_data": message}, {"data": json.dumps(message)}):
        text = json.dumps(body, indent=1)
        Event.objects.all().delete()
        event = receive(instance, text.encode())
        assert event.payload == text
        found = inbound.from_record(event)
        assert isinstance(found, MessageEvent)
        assert found.text == words


@pytest.mark.parametrize("words", WORDS)
def test_a_secret_elsewhere_costs_no_word(instance: Instance, words: str) -> None:
    message: dict[str, Any] = events.message(words)
    message["event"]["message"]["context_info"] = {"quoted_message": {"conversation": words}}
    history = events.history_sync(conversations=[{"name": words, "messages": [{"message": message["event"]}]}])
    bare = {"type": "Message", "id": "3EB0", "message": {"conversation": words}}
    for body in ({**message, "token": PLANTED}, {**history, "token": PLANTED}, {**bare, "token": PLANTED}):
        event = receive(instance, body)
        assert_nothing_is_shown(event)
        assert event.body == {**body, "token": MASK}


def test_json_text_without_a_secret_keeps_its_form(instance: Instance) -> None:
    body = {"type": "New", "event": {"details": '{"a":  1.0, "a": 1}'}, "token": PLANTED}
    assert receive(instance, body).body == {**body, "token": MASK}


def test_the_type_of_a_message_is_no_type_of_pairing(instance: Instance) -> None:
    message = events.message("hello")
    message["event"]["info"]["type"] = "qr"
    assert receive(instance, message).body == message


def test_a_webhook_of_somebody_else_is_kept(instance: Instance) -> None:
    body = events.message("see https://other.example/webhook/17/abc and webhook/3f0c2d4e-0000-4000-8000-1234567890ab")
    assert receive(instance, body).body == body


@pytest.mark.parametrize("empty", [None, ""])
def test_nothing_is_not_masked(instance: Instance, empty: object) -> None:
    text = json.dumps({"type": "New", "event": {"token": empty, "details": json.dumps({"qr": empty})}})
    for sent in (text, text[:-1]):
        assert receive(instance, sent.encode()).payload == sent


@pytest.mark.parametrize(
    "cut_off",
    [
        '"%s":"data:image\\/png;base64,P"',
        '"%s" : "P\\"P',
        '"%s":"it\'s P","b":"kept"',
        '"%s":["P","P"],"b":"kept"',
        '"%s":["P","P',
        '"%s":{"a":{"b":"P"},"c":"P"},"d":"kept"',
        '"%s":P,"b":"kept"',
        '"%s":P',
        "'%s': 'P', 'b': 'kept'",
        r'"a":"{\"%s\": \"P\", \"b\": \"kept\"}"',
        r'"a":"{\"%s\": \"P","b":"kept"',
        r'"a":"{\"%s\":\n [\"P\"], \"b\": \"kept\"}"',
        r'"a":"[\"{\\\"%s\\\": \\\"P\\\", \\\"b\\\": \\\"kept\\\"}\"]"',
        '"%s":"","%s":"P"',
    ],
)
def test_secrets_in_what_was_cut_off_are_masked(instance: Instance, cut_off: str) -> None:
    for name in NAMES:
        fields = cut_off.replace("%s", name).replace("P", PLANTED.replace(",", "") if ":P" in cut_off else PLANTED)
        event = receive(instance, f'{{"type":"New","first":"kept",{fields}'.encode())
        assert event.state == EventState.UNPARSED
        assert_nothing_is_shown(event)
        assert event.payload.startswith('{"type":"New","first":"kept",')
        assert event.payload.count("kept") == 1 + cut_off.count("kept")


@pytest.mark.parametrize("form", ["type=New&{}={}&shown=kept", "{}={}&shown=kept", "shown: kept\n{}: {}\n"])
def test_secrets_in_a_form_or_in_lines_are_masked(instance: Instance, form: str) -> None:
    planted = "pLanted-secret"
    for name in NAMES:
        event = receive(instance, form.format(name, planted).encode())
        assert_nothing_is_shown(event)
        assert "kept" in event.payload


@pytest.mark.parametrize(
    "body",
    [
        '{"type":"QR","event":{"codes":["pLanted","pLanted',
        '{"event":{"code":"pLanted"},"type":"QR"',
        '[{"type":"QR","event":{"code":"pLanted"}}]',
        r'"{\"type\":\"qrcode\",\"event\":\"pLanted\"}"',
        "type=QR&event=pLanted",
        "code=pLanted&type=PairCode",
        urlencode({"json_data": json.dumps({"type": "QR", "event": {"code": "pLanted"}})}),
        urlencode(
            {
                "token": "pLanted",
                "json_data": json.dumps(KEPT),
            }
        ),
        urlencode({"json_data": json.dumps({**KEPT, "token": "pLanted"})}),
        '{"type":"New","event":{"details":"{\\"qr_code\\": \\"pLanted"}}',
    ],
)
def test_codes_in_what_is_no_event_are_masked(instance: Instance, body: str) -> None:
    assert_nothing_is_shown(receive(instance, body.encode()))


@pytest.mark.parametrize("words", ["my password: hunter2, token=abc", "type=QR&code=7, ?token=a&secret=b", "type: qr"])
def test_the_words_of_a_message_that_was_cut_off_stay(instance: Instance, words: str) -> None:
    text = json.dumps(events.message(words))[:-1]
    assert receive(instance, text.encode()).payload == text


@pytest.mark.parametrize(
    ("begin", "repeated"),
    [
        ("", '{"token":['),
        ("", '{"token":"'),
        ('{"a":', "\\"),
        ('{"token"', " "),
        ('{"token":', "\\n"),
        ('"token":"', '\\"'),
        ('"token":"', "\\"),
        ("a", "\n"),
        ("", "a&"),
        ("webhook", "\\"),
    ],
)
def test_a_hostile_text_takes_no_more_time_than_its_length(begin: str, repeated: str) -> None:
    text = begin + repeated * (50_000 // len(repeated))
    began = time.process_time()
    masking.text_without_secrets(text)
    assert time.process_time() - began < 1


_SECRETS = st.sampled_from(["token", "accessToken", "X-Api-Key", "qr_code", "PASSWORD", "qr_code_base64"])
_TEXTS = st.text(max_size=5) | st.sampled_from(["{", "[1]", '{"a": 1}', '["', "webhook/", "type", "event", "qr"])
_NAMES = _TEXTS | st.sampled_from(["type", "event", "json_data", "data", "details"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | _TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(_NAMES, inner, max_size=3)
        | st.dictionaries(_NAMES, inner, max_size=3).map(json.dumps)
    ),
    max_leaves=8,
)
_PLANTED = st.builds(
    lambda name, value, how: how({name: value}),
    _SECRETS,
    st.sampled_from(["pLanted", ["pLanted"], {"a": "pLanted"}]),
    st.sampled_from([lambda value: value, json.dumps, lambda value: [json.dumps([value])]]),
)
_BODIES = st.dictionaries(_NAMES, _JSON | _PLANTED | st.dictionaries(_NAMES, _JSON | _PLANTED, max_size=2), max_size=4)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(_BODIES)
@example({"type": "QR", "event": "pLanted", "token": "pLanted"})
def test_whatever_stands_around_it_no_secret_is_kept(body: dict[str, Any]) -> None:
    clean = masking.without_secrets(body)
    assert "pLanted" not in json.dumps(clean)
    assert masking.without_secrets(clean) is clean, "nothing is left to mask"


@given(st.text(max_size=200) | st.sampled_from(WORDS))
def test_any_words_stay(words: str) -> None:
    for media in (None, "document"):
        body = events.message(words, media=media)
        assert masking.without_secrets(body) is body
