"""What is wrong with a request is said by name."""

from __future__ import annotations

from base64 import b64encode
from itertools import product
from typing import Any, Final
from urllib.parse import quote

import pytest

from tests.api.conftest import ROOT, problem
from tests.api.world import World, world

__all__ = ["world"]


def errors(response: Any) -> list[tuple[str, str]]:
    return [(error["in"], error["field"]) for error in problem(response, "invalid")["errors"]]


WRONG: Final[list[tuple[str, Any, list[str]]]] = [
    ("instances/", {"name": "ab"}, ["name"]),
    ("instances/", {"name": "Branch\n"}, ["name"]),
    ("instances/", {"name": "Branch", "color": 1, "size": 2}, ["color", "size"]),
    ("instances/", {"name": "Branch", "events": ["Message", "Nothing"]}, ["events.1"]),
    ("instances/", {"name": "Branch", "owner": "nobody"}, ["owner"]),
    ("instances/", {"name": "Branch", "account": 10**30}, ["account"]),
    ("instances/", {"name": ["Branch"], "reject_calls": "perhaps"}, ["name", "reject_calls"]),
    ("instances/", {"name": "Branch", "labels": ["a"]}, ["labels"]),
    ("instances/", [], [""]),
    ("instances/", "name", [""]),
    ("instances/{id}/messages/", {"phone": "12", "message": ""}, ["phone", "message"]),
    ("instances/{id}/messages/", {"phone": "no number at all", "message": "x\x00"}, ["phone", "message"]),
    ("instances/{id}/messages/", {}, ["phone", "message"]),
    ("instances/{id}/session/qr/", {"watch": "short"}, ["watch"]),
    ("instances/{id}/webhook/apply/", {"events": []}, ["events"]),
    ("batches/", {"kind": "restart"}, ["instances"]),
    ("batches/", {"kind": "restart", "instances": ["{id}", "VZnone"]}, ["instances.1"]),
    ("batches/", {"kind": "restart", "instances": ["\x00", "a/b"]}, ["instances.0", "instances.1"]),
    ("batches/", {"kind": "subscribe", "instances": ["{id}"]}, ["kind"]),
    ("accounts/", {"name": " x"}, ["name"]),
]


def test_what_is_wrong_is_named(world: World) -> None:
    for path, body, fields in WRONG:
        assert set(errors(world.send("post", path, body))) == {("body", field) for field in fields}, (path, body)
    assert world.fake.calls == []


WRONG_IN_THE_ADDRESS: Final = [
    ("instances/?foo=1", "foo"),
    ("instances/?presence=gone&presence=all", "presence"),
    ("instances/{id}/deliveries/?page=1&page=2", "page"),
    ("instances/?page=0", "page"),
    ("instances/?page_size=501", "page_size"),
    ("instances/?page_size=ten", "page_size"),
    ("instances/?connection=up", "connection"),
    ("instances/?account=x", "account"),
    ("instances/?account=1.5", "account"),
    ("instances/?account=1e2", "account"),
    ("instances/?ordering=token", "ordering"),
    ("instances/{id}/?foo=1", "foo"),
    ("instances/{id}/deliveries/?page=51", "page"),
    ("instances/{id}/deliveries/?status=sent", "status"),
    ("instances/{id}/session/qr/?watch=short", "watch"),
    ("accounts/?search=x", "search"),
    ("events/?received_after=yesterday", "received_after"),
    ("events/?page=2", "page"),
    ("operations/?batch=1", "batch"),
    ("operations/?is_settled=maybe", "is_settled"),
    ("batches/?state=done", "state"),
    ("health/?max_backlog_age=0", "max_backlog_age"),
    ("health/?max_disconnected=-1", "max_disconnected"),
]


def test_what_is_wrong_in_the_address_is_named(world: World) -> None:
    for path, field in WRONG_IN_THE_ADDRESS:
        assert errors(world.send("get", path)) == [("query", field)], path


def test_what_is_known_is_named_too(world: World) -> None:
    detail = problem(world.api.get(f"{ROOT}events/?foo=1&page_size=2"), "invalid")["errors"][0]["detail"]
    assert detail.startswith("There is no such parameter. Known here: chat, cursor, instance, message_id, page_size,")
    detail = problem(world.ask("restart/", {"force": 1}), "invalid")["detail"]
    assert detail == "force: There is no such field. Known here: nothing."


CURSORS: Final = ["x", "cD1hYmM=", "cD0=", "bz05OTk5OTk5", "cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "\x00"]
#: More digits than Python makes a number of.
LONG_CURSOR: Final = b64encode(b"p=" + b"9" * 5000).decode()


def test_a_cursor_that_nobody_gave_out_leads_nowhere(world: World) -> None:
    for cursor, path in product([*CURSORS, LONG_CURSOR], ("events", "operations", "batches")):
        response = world.api.get(f"{ROOT}{path}/", {"cursor": cursor})
        assert response.status_code in (200, 404), (cursor, response.content)
        if response.status_code == 404:
            problem(response, "not-found")


def test_a_page_beyond_the_last_is_not_found(world: World) -> None:
    problem(world.api.get(f"{ROOT}instances/?page=2"), "not-found")
    problem(world.api.get(f"{ROOT}instances/?page=999999999"), "not-found")


SEARCHES: Final = ["\x00", "\ud800", "*", "#", "#99999999999999999999", "%", "\\", "+", "é" * 5000]


def test_what_no_row_can_have_finds_none(world: World) -> None:
    for text in (quote(search, errors="surrogatepass") for search in SEARCHES):
        for path in (f"instances/?search={text}", f"events/?search={text}", f"events/?instance={text}&chat={text}"):
            assert world.api.get(ROOT + path).status_code == 200, path
        for path in (f"instances/?owner={text}", f"operations/?instance={text}", f"events/?message_id={text}"):
            assert world.api.get(ROOT + path).json()["results"] == [], path


def test_what_is_more_than_the_site_takes_is_refused(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    fits, too_long = ('{"name": "Branch"}'.ljust(length) for length in (100, 101))

    def create(body: str) -> Any:
        return world.api.generic("POST", f"{ROOT}instances/", body, "application/json")

    assert errors(create(too_long)) == [("body", "")]
    assert world.fake.calls == []
    assert create(fits).status_code == 201
    world.settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    assert create(too_long).status_code == 201
    world.settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 2
    assert errors(world.api.get(f"{ROOT}instances/?a=1&b=2&c=3")) == [("query", "")]
    loggers = [record.name for record in caplog.records if record.name.startswith("django.security")]
    assert loggers == ["django.security.RequestDataTooBig", "django.security.TooManyFieldsSent"]


@pytest.mark.parametrize("charset", ["unicode_escape", "zlib", "utf-16", "latin-1", "none"])
def test_json_is_in_utf_8_whatever_is_said_of_it(charset: str, world: World) -> None:
    body = '{"name": "Filiál \\u00e9"}'
    response = world.api.generic("POST", f"{ROOT}instances/", body, f"application/json; charset={charset}")
    assert (response.status_code, response.json()["name"]) == (201, "Filiál é")
