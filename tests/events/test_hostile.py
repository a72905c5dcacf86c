"""Whatever is posted to the right URL is answered without a 5xx, kept, and handled to an end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from django_vzaps import broker
from django_vzaps.events import InboundEvent, dispatch, handlers, inbound, on
from django_vzaps.models import Event, EventState, HandlerRun, Instance, Lane
from django_vzaps.testing import events
from tests.events.conftest import url_of

pytestmark = pytest.mark.django_db

#: Batches: more than a thousand bodies.
#: The default command has to be quick; where the databases differ there is time.
MANY = 40 if connection.vendor == "sqlite" else 210

_texts = st.text(st.characters(codec=None), max_size=30)
_odd = (
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | _texts
    | st.sampled_from(
        ["\x00", "\ud800", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", -62135596800, 1e300, "@", "@lid"]
    )
)
_json = st.recursive(
    _odd, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3), max_leaves=8
)

_TYPES = st.sampled_from(
    ["Message", "message", "ReadReceipt", "Connected", "Disconnected", "HistorySync", "GroupParticipantsAdd", "", "New"]
)


@st.composite
def _nearly_valid(draw: st.DrawFn) -> Any:
    """An event of which one or two fields are junk, wrapped and spelled in any way."""
    sound = draw(
        st.sampled_from(
            [
                events.message("hi", lid=True),
                events.message("hi", lid="partial", group=True),
                events.message("look", media="image", media_url="https://files.example.org/1"),
                events.read_receipt(["3EB0A", "3EB0B"], group=True),
                events.connected(),
                events.history_sync(),
                events.group_participants_add(),
            ]
        )
    )
    body = json.loads(json.dumps(sound))
    for _ in range(draw(st.integers(1, 2))):
        place = body
        while True:
            name = draw(st.sampled_from(sorted(place)))
            if not isinstance(place[name], dict) or not place[name] or draw(st.booleans()):
                break
            place = place[name]
        place[name] = draw(_json)
    if draw(st.booleans()):
        body = events.in_whatsapp_casing(body)
    return draw(st.sampled_from([body, {"json_data": body}, {"json_data": json.dumps(body)}, {"data": body}]))


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()  # NaN, Infinity and lone surrogates included


_bodies = (
    st.binary(max_size=60)
    | _json.map(_encoded)
    | st.builds(lambda name, event: _encoded({"type": name, "event": event}), _TYPES, _json)
    | _nearly_valid().map(_encoded)
    | st.sampled_from(
        [
            b"",
            b"null",
            b"[" * 100_000,
            b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
            b'{"type":"Message","type":"Connected"}',
            b'{"type":"Message","event":{"info":{"id":' + b"9" * 10_000 + b"}}}",
            b'{"type":"Message","event":{"info":{"id":"' + b"x" * 10_000 + b'"}}}',
            '{"type":"Connected"}'.encode("utf-16"),
            b'\xef\xbb\xbf{"type":"Connected"}',
            b'{"type":"Connected","n":1e400}',
            b'{"type":"Me\\u0000ssage","event":{"\\u0000":"\\ud800"}}',
        ]
    )
)


def _kept() -> int:
    """How many deliveries the inbox has taken in."""
    stored: dict[str, int | None] = Event.objects.aggregate(again=Sum("duplicates"))
    return Event.objects.count() + (stored["again"] or 0)


def _read_all(event: InboundEvent) -> None:
    """Ask an event everything that it has to say."""
    for name in dir(event):
        if not name.startswith("_") and name not in ("reply", "begin", "get", "first", "jid"):
            getattr(event, name)
    event.get("info.chat")
    repr(event)


@examples(max_examples=MANY, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(batch=st.lists(_bodies, min_size=5, max_size=6))
def test_no_hostile_body_is_lost_or_breaks_anything(instance: Instance, settings: Any, batch: list[bytes]) -> None:
    everything = dict.fromkeys(("HistorySync", "Presence", "ChatPresence"), "full")
    settings.VZAPS = {**settings.VZAPS, "TASKS": "celery", "EVENT_STORAGE": everything}
    client, url = Client(), url_of(instance)
    handlers._registered.clear()
    on()(_read_all)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(broker, "_sent", lambda *args, **kwargs: True)
        before = _kept()
        for body in batch:
            answer = client.post(url, data=body, content_type="application/json")
            assert answer.status_code == 200, body
        assert _kept() == before + len(batch)
        # So old that no copy is held.
        Event.objects.filter(state=EventState.PENDING).update(received_at="2026-01-01T00:00:00Z", retry_at=None)
        for lane in Lane:
            dispatch.drain(instance.pk, lane, seconds=None)
    assert not Event.objects.filter(state__in=[EventState.PENDING, EventState.FAILED]).exists()
    assert not HandlerRun.objects.exclude(state="done").exists()
    for stored in Event.objects.select_related("instance__account"):
        _read_all(inbound.from_record(stored))
    Event.objects.all().delete()


def test_a_text_of_megabytes_is_kept(instance: Instance, silent: list[int]) -> None:
    body = _encoded(events.message("x" * 9_000_000))
    assert Client().post(url_of(instance), data=body, content_type="application/json").status_code == 200
    assert len(Event.objects.get().payload) == len(body)
