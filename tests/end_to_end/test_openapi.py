"""Whatever the fake answers is what the API's description allows, in every documented spelling."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_schema_validator import OAS31Validator

from django_vzaps.testing import Answer, FakeVZaps, Variants, events
from django_vzaps.testing.routes import ROUTES
from django_vzaps.testing.routes.table import find
from django_vzaps.testing.wire import Refusal, Request
from tests.testing.conftest import log_in
from tests.testing.test_messages import PHONE, SENDS

OPENAPI = Path(__file__).parents[1] / "data" / "openapi.yaml"
HOOK = "https://hooks.example.test/x"

ADDED = {"labels", "id", "event_type", "url", "response_code", "error", "created_at", "page", "size", "total"} | {
    "total_pages"
}
"""Keys the fake adds where the description leaves room: an instance's labels, the delivery log, a pairing's error."""


@cache
def described() -> dict[str, Any]:
    description: dict[str, Any] = yaml.load(OPENAPI.read_text(), yaml.CSafeLoader)
    return description


def validator(schema: Mapping[str, Any]) -> OAS31Validator:
    return OAS31Validator({**schema, "components": described()["components"]})


def resolved(node: Mapping[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        target: Any = described()
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return dict(node)


def answers_of(template: str | None, method: str) -> dict[str, Any]:
    if template is None:
        return {"default": {"$ref": "#/components/responses/Error"}}
    answers: dict[str, Any] = described()["paths"][template][method.lower()]["responses"]
    return answers


def undocumented(schema: Mapping[str, Any], data: Any) -> Iterator[str]:
    """The keys of ``data`` that the schema does not name, at any depth."""
    schema = resolved(schema)
    parts = [resolved(part) for part in schema.get("allOf", [])] or [schema]
    if isinstance(data, list):
        for item in data:
            yield from undocumented(schema.get("items", {}), item)
    if not isinstance(data, dict):
        return
    properties = {name: inner for part in parts for name, inner in part.get("properties", {}).items() if inner}
    if not properties:
        return
    for name, value in data.items():
        if name in properties:
            yield from undocumented(properties[name], value)
        elif not any(name in part.get("properties", {}) for part in parts):
            yield name


class Described(FakeVZaps):
    """The fake, with every answer held against the description. ``seen`` is what was asked, with the status."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[str, int]] = set()
        self.added: set[str] = set()
        self.deliver = lambda _url, _body, _headers: 200

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        answer = super().handle(method, target, headers, body)
        request = Request.read(method, target, headers, body)
        try:
            template: str | None = find(request).path
        except Refusal:
            template = None
        self.seen.add((request.route, answer.status))
        answers = answers_of(template, method)
        found = resolved(answers.get(str(answer.status)) or answers["default"])
        if not (content := found.get("content")):
            assert answer.body == b""
            return answer
        assert answer.headers["Content-Type"] in content
        schema, data = content[answer.headers["Content-Type"]]["schema"], json.loads(answer.body)
        validator(schema).validate(data)
        assert not (answer.status < 300 and str(answer.status) not in answers)
        self.added.update(undocumented(schema, data))
        return answer


def tour(fake: FakeVZaps) -> None:
    """Ask every route once in earnest."""
    ask = log_in(fake)
    made = json.loads(
        ask("PUT", "/instances/create", {"name": "Desk", "webhook": HOOK, "events_subscribe": ["All"]}).body
    )
    instance, path = made["id"], f"/instances/{made['id']}"
    ask("POST", "/instances/list", {"filter": {"query": "desk"}})
    ask("PATCH", path, {"name": "Reception"})
    ask("POST", f"{path}/restart")
    ask("POST", f"{path}/subscribe", {})
    ask("PUT", f"{path}/cancel")
    ask("POST", f"{path}/resume-subscription")
    ask("GET", f"{path}/session/status")
    ask("GET", f"{path}/session/paircode/{PHONE}")
    ask("GET", f"{path}/session/qr")
    fake.clock.advance(200)
    ask("GET", f"{path}/session/qr")
    ask("GET", f"{path}/session/qr")
    fake.scan(instance)
    ask("GET", f"{path}/session/qr")
    ask("GET", f"{path}/session/status")
    ask("POST", "/instances/get", {"id": instance})
    ask("POST", f"{path}/webhook", {"webhookURL": f"{HOOK}2", "events": "Message,Connected"})
    ask("GET", f"{path}/webhook")
    for kind, body in SENDS.items():
        ask("POST", f"{path}/chat/send/{kind}", {"phone": PHONE, **body})
    sent = fake.sent_messages(instance)[0].id
    target = {"phone": PHONE, "message_id": sent}
    ask("POST", f"{path}/chat/poll/vote", target | {"vote": ["Today"]})
    ask("POST", f"{path}/chat/react", target | {"reaction": "👍"})
    ask("DELETE", f"{path}/chat/react", target)
    ask("POST", f"{path}/chat/presence", {"phone": PHONE, "state": "composing"})
    ask("POST", f"{path}/chat/markread", {"id": [sent], "chat": PHONE})
    for medium in ("image", "video", "audio", "document"):
        medium_body = {"url": "https://x.test", "media_key": "a2V5", "mimetype": "image/jpeg"}
        ask("POST", f"{path}/chat/download{medium}", medium_body)
    ask("PATCH", f"{path}/chat/messages/{sent}", {"message": "better"})
    ask("DELETE", f"{path}/chat/messages/{sent}")
    ask("POST", f"{path}/webhook/logs/search", {})
    log = fake.logs(instance)[0].id
    ask("GET", f"{path}/webhook/logs/{log}")
    ask("POST", f"{path}/webhook/logs/{log}/retry")
    ask("POST", f"{path}/session/disconnect")
    ask("DELETE", f"{path}/cancel")
    ask("DELETE", path)


def test_every_route_is_described_and_every_answer_is_valid() -> None:
    fake = Described()
    tour(fake)
    asked = {route for route, status in fake.seen if status < 300}
    assert asked == {route.name for route in ROUTES}
    assert fake.added <= ADDED
    for route in ROUTES:
        assert route.method.lower() in described()["paths"][route.path], route.path


def test_each_route_takes_the_credentials_that_are_described() -> None:
    for route in ROUTES:
        security = described()["paths"][route.path][route.method.lower()]["security"]
        expected: dict[str, list[dict[str, list[str]]]] = {
            "open": [],
            "owner": [{"bearerAuth": []}],
            "owner or instance": [{"bearerAuth": []}, {"instanceTokenHeader": [], "clientTokenHeader": []}],
        }
        assert security == expected[route.access], route.name


def test_every_error_is_valid() -> None:
    fake = Described()
    ask = log_in(fake)
    foreign = fake.add_instance(account=fake.add_account("other", "secret"))
    own = fake.add_instance()
    for route in ROUTES:
        path = route.path.format(id="{id}", phone="x", log_id="whl_1", message_id="3EB0")
        for target, body, headers in (
            (path.replace("{id}", own.id), b"{", None),
            (path.replace("{id}", own.id), b"{}", None),
            (path.replace("{id}", own.id), b"[]", {}),
            (path.replace("{id}", foreign.id), json.dumps({"id": foreign.id}).encode(), None),
            (path.replace("{id}", "VZNOPE"), b'{"id": "VZNOPE"}', None),
        ):
            fake.faults.add("delete", status=503)
            ask(route.method, target, body, headers=headers)
            fake.faults.clear()
        for status in (401, 403, 404, 408, 429, 500, 502, 503, 504):
            fake.faults.add(route.name, status=status, retry_after=1)
            assert ask(route.method, path.replace("{id}", own.id), {}).status == status
    ask("GET", "/nowhere")
    ask("DELETE", "/token")
    statuses = {status for _, status in fake.seen}
    assert {400, 401, 403, 404, 405, 409, 429, 503} <= statuses


SPELLINGS: dict[str, Callable[[Variants], None]] = {
    "camel case tokens": lambda variants: setattr(variants, "camel_case_tokens", True),
    "status": lambda variants: setattr(variants, "billing_key", "status"),
    "both statuses": lambda variants: setattr(variants, "billing_key", "both"),
    "webhook not echoed": lambda variants: setattr(variants, "echo_webhook", False),
    "events as an array": lambda variants: setattr(variants, "event_list", "array"),
    "no summary": lambda variants: setattr(variants, "omit_from_list", {"summary", "total_pages"}),
    "created": lambda variants: setattr(variants, "created_status", 201),
    "checkout": lambda variants: setattr(variants, "checkout", True),
    "immediate cancel": lambda variants: setattr(variants, "immediate_cancel", True),
    "QRCode": lambda variants: setattr(variants, "qr_key", "QRCode"),
    "bare QR": lambda variants: setattr(variants, "qr_data_url", False),
    "linking_code": lambda variants: setattr(variants, "pair_code_key", "linking_code"),
    "no profile": lambda variants: setattr(variants, "session_profile", False),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_documented_spelling_is_valid(spelling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Described()
    SPELLINGS[spelling](fake.variants)
    tour(fake)
    assert len({route for route, _ in fake.seen}) == len({route.name for route in ROUTES})


@pytest.mark.parametrize("form", ["bare", "json_data", "json_data_text"])
@pytest.mark.parametrize("casing", ["snake", "whatsapp"])
def test_every_webhook_body_is_valid(form: Any, casing: Any) -> None:
    fake = FakeVZaps()
    fake.variants.webhook_body, fake.variants.event_casing = form, casing
    bodies: list[Any] = []
    fake.deliver = lambda _url, body, _headers: bodies.append(json.loads(body)) or 200  # type: ignore[func-returns-value]
    instance = fake.add_instance(connected=True, webhook=HOOK, events=["All"])
    made = [
        events.message(lid=True),
        events.message(media="image", media_url="https://files.example.test/1"),
        events.message(from_me=True, group=True),
        events.read_receipt(["A", "B"], "ReadSelf", lid=True),
        events.connected(),
        events.disconnected("logged out"),
        events.presence(),
        events.chat_presence(),
        events.history_sync(),
        events.group_participants_add(),
        events.group_participants_remove(),
    ]
    names = set(described()["components"]["schemas"]["EventName"]["enum"])
    for event in made:
        fake.emit(instance.id, event)
        names.discard(event["type"])
    assert names == {"All"}
    schema = "WebhookEvent" if form == "bare" else "WebhookEventWrapped"
    for body in bodies:
        validator({"$ref": f"#/components/schemas/{schema}"}).validate(body)
        if form == "json_data_text":
            validator({"$ref": "#/components/schemas/WebhookEvent"}).validate(json.loads(body["json_data"]))
    assert len(bodies) == len(made)
