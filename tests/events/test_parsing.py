from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from django_vzaps.events import parsing
from django_vzaps.events.parsing import Jid, JidKind

EVENT = {"type": "Message", "event": {"info": {"id": "3EB0"}}}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["type", "event", "json_data", "data", "info", "chat", "timestamp", "Info", "message_i_ds"])
bodies = st.dictionaries(
    keys | st.text(max_size=3),
    json_values | st.dictionaries(keys, json_values, max_size=4) | json_values.map(json.dumps),
    max_size=5,
)


@pytest.mark.parametrize(
    "body",
    [
        EVENT,
        {"json_data": EVENT},
        {"json_data": json.dumps(EVENT)},
        {"jsonData": EVENT},
        {"data": EVENT},
        {"payload": json.dumps(EVENT)},
        {"body": {"json_data": EVENT}},
        {"type": "Message", "event": json.dumps(EVENT["event"])},
        {"type": "Message", "json_data": {"event": EVENT["event"]}},
        {"code": 200, "success": True, "data": EVENT},
    ],
)
def test_an_event_is_found_however_it_is_wrapped(body: dict[str, Any]) -> None:
    payload = parsing.unwrapped(parsing.decoded(body))
    assert payload["type"] == "Message"
    assert payload["event"] == EVENT["event"]


def test_what_stands_beside_the_wrapper_is_kept() -> None:
    payload = parsing.unwrapped(
        {"instance_id": "VZ1", "State": "Read", "json_data": {"type": "X", "state": "Delivered"}}
    )
    assert payload == {"instance_id": "VZ1", "type": "X", "state": "Delivered"}


def test_a_field_called_data_is_not_taken_for_a_wrapper() -> None:
    body = {"type": "HistorySync", "data": {"progress": 3}}
    assert parsing.unwrapped(body) == body


@pytest.mark.parametrize("spelling", ["message_i_ds", "message_ids", "MessageIDs", "messageIds"])
def test_keys_are_found_in_any_spelling(spelling: str) -> None:
    assert parsing.lookup({"Info": {spelling: ["a"]}}, "info.message_ids") == ["a"]


def test_a_path_that_leads_nowhere_gives_the_default() -> None:
    assert parsing.lookup({"info": "text"}, "info.id", "none") == "none"
    assert parsing.lookup({"info": {"id": None}}, "info.id", "none") == "none"
    assert parsing.lookup(None, "info") is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Message", "Message"), ("read_receipt", "ReadReceipt"), ("CONNECTED", "Connected"), ("New", "New"), (7, "")],
)
def test_documented_types_get_their_documented_spelling(name: object, expected: str) -> None:
    assert parsing.canonical_type(name) == expected


@pytest.mark.parametrize(
    ("text", "kind", "phone"),
    [
        ("5521977776666@s.whatsapp.net", JidKind.PHONE, "5521977776666"),
        ("5521977776666:12@s.whatsapp.net", JidKind.PHONE, "5521977776666"),
        ("5521977776666.0:12@s.whatsapp.net", JidKind.PHONE, "5521977776666"),
        ("5521977776666@c.us", JidKind.PHONE, "5521977776666"),
        ("5521977776666", JidKind.PHONE, "5521977776666"),
        ("99887766554433@lid", JidKind.LID, ""),
        ("120363041234567890@g.us", JidKind.GROUP, ""),
        ("5511988887777-1600000000@g.us", JidKind.GROUP, ""),
        ("status@broadcast", JidKind.BROADCAST, ""),
        ("120363@newsletter", JidKind.NEWSLETTER, ""),
        ("somebody@s.whatsapp.net", JidKind.PHONE, ""),
        ("who", JidKind.UNKNOWN, ""),
        (None, JidKind.UNKNOWN, ""),
    ],
)
def test_only_a_phones_address_is_a_phone_number(text: object, kind: JidKind, phone: str) -> None:
    jid = Jid.parse(text)
    assert (jid.kind, jid.phone) == (kind, phone)


def test_an_address_is_shown_without_the_device() -> None:
    assert str(Jid.parse("5521977776666:12@s.whatsapp.net")) == "5521977776666@s.whatsapp.net"
    assert Jid.parse("5521977776666:12@s.whatsapp.net").device == "12"
    assert not Jid.parse("")


@pytest.mark.parametrize(
    "value",
    ["2026-09-20T11:00:00Z", "2026-09-20T08:00:00-03:00", 1789902000, "1789902000", 1789902000000],
)
def test_times_are_read_in_every_form(value: object) -> None:
    assert parsing.moment(value) == datetime(2026, 9, 20, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "2026-13-40T00:00:00Z", "soon", "", None, True, {}, 1e300,
     float("nan"), "nan", "inf", 10**400, -1],
)  # fmt: skip
def test_a_time_that_makes_no_sense_is_none(value: object) -> None:
    assert parsing.moment(value) is None


def test_times_are_naive_where_the_project_wants_them_so() -> None:
    with override_settings(USE_TZ=False):
        assert parsing.moment("2026-09-20T11:00:00Z") == datetime(2026, 9, 20, 11)  # noqa: DTZ001


@given(bodies, st.text(max_size=20))
def test_reading_never_raises(body: dict[str, Any], path: str) -> None:
    payload = parsing.unwrapped(parsing.decoded(body))
    found = parsing.first(payload, path, "event.info.timestamp", "event")
    parsing.moment(found)
    parsing.flag(found)
    parsing.texts(found)
    str(Jid.parse(found))
    parsing.canonical_type(found)
