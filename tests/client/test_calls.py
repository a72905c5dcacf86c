"""What each call sends: method, path, headers and body, in the shapes that the vendor's documentation shows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import responses

from django_vzaps.client import Secret, VZapsClient

from .conftest import BASE, make_client

OK = {"success": True, "data": {"connected": True, "LinkingCode": "7K2M-44QX", "message_id": "M1", "content": []}}
ROW = {"id": "VZ1", "token": "inst_1"}

Call = Callable[[VZapsClient], Any]
CALLS: list[tuple[str, str, Any, Any, Call]] = [
    (
        "PUT",
        "/instances/create",
        {"name": "Desk", "webhook": "https://h/x", "events_subscribe": ["Message", "Connected"], "reject_calls": False},
        ROW,
        lambda c: c.instances.create(
            name="Desk", webhook="https://h/x", events_subscribe=["Message", "Connected"], reject_calls=False
        ),
    ),
    ("PUT", "/instances/create", {"name": "Desk"}, ROW, lambda c: c.instances.create({"name": "Desk"})),
    (
        "POST",
        "/instances/list",
        {"page": 2, "size": 5, "filter": {"query": "desk"}, "sort": "createdAt", "sortDesc": True, "sort_desc": True},
        {"content": []},
        lambda c: c.instances.list(page=2, size=5, search=" desk ", sort="createdAt", sort_desc=True),
    ),
    ("POST", "/instances/list", {"page": 1, "size": 20, "filter": {}}, {"content": []}, lambda c: c.instances.list()),
    ("POST", "/instances/get", {"id": "VZ1"}, ROW, lambda c: c.instances.get("VZ1")),
    ("PATCH", "/instances/VZ1", {"name": "New"}, ROW, lambda c: c.instances.update("VZ1", name="New")),
    ("PATCH", "/instances/VZ1", {"name": "New"}, ROW, lambda c: c.instances.update("VZ1", {"name": "New"})),
    ("POST", "/instances/VZ1/restart", None, {"status": "ok"}, lambda c: c.instances.restart("VZ1")),
    ("DELETE", "/instances/VZ1", None, None, lambda c: c.instances.delete("VZ1")),
    ("POST", "/instances/VZ1/subscribe", {}, {"mode": "direct"}, lambda c: c.instances.subscribe("VZ1", {})),
    ("POST", "/instances/VZ1/subscribe", {}, {"mode": "direct"}, lambda c: c.instances.subscribe("VZ1")),
    (
        "POST",
        "/instances/VZ1/resume-subscription",
        None,
        {"status": "ok"},
        lambda c: c.instances.resume_subscription("VZ1"),
    ),
    ("PUT", "/instances/VZ1/cancel", None, {"message": "done"}, lambda c: c.instances.cancel("VZ1")),
    ("GET", "/instances/VZ1/session/status", None, OK, lambda c: c.sessions.status("VZ1")),
    ("GET", "/instances/VZ1/session/qr", None, OK, lambda c: c.sessions.qr("VZ1")),
    ("GET", "/instances/VZ1/session/paircode/5511", None, OK, lambda c: c.sessions.pair_code("VZ1", "5511")),
    ("POST", "/instances/VZ1/session/disconnect", None, {"status": "ok"}, lambda c: c.sessions.disconnect("VZ1")),
    ("GET", "/instances/VZ1/webhook", None, OK, lambda c: c.webhooks.get("VZ1")),
    (
        "POST",
        "/instances/VZ1/webhook",
        {"webhookURL": "https://h/x", "events": "Message,Connected"},
        OK,
        lambda c: c.webhooks.set(instance_id="VZ1", webhook_url="https://h/x", events=["Message", "Connected"]),
    ),
    (
        "POST",
        "/instances/VZ1/webhook",
        {"webhookURL": "https://h/x"},
        OK,
        lambda c: c.webhooks.set({"instance_id": "VZ1", "webhook_url": Secret("https://h/x")}),
    ),
    (
        "POST",
        "/instances/VZ1/webhook/logs/search",
        {"status": "failed"},
        OK,
        lambda c: c.webhooks.search_logs(instance_id="VZ1", status="failed"),
    ),
    (
        "GET",
        "/instances/VZ1/webhook/logs/L1",
        None,
        {"success": True, "data": {"id": "L1"}},
        lambda c: c.webhooks.get_log(instance_id="VZ1", log_id="L1"),
    ),
    (
        "POST",
        "/instances/VZ1/webhook/logs/L1/retry",
        None,
        OK,
        lambda c: c.webhooks.retry_log(instance_id="VZ1", log_id="L1"),
    ),
    (
        "POST",
        "/instances/VZ1/chat/send/text",
        {"phone": "5511", "message": "hi", "reply_to_message_id": "M0"},
        OK,
        lambda c: c.messages.send_text(instance_id="VZ1", phone="5511", message="hi", reply_to_message_id="M0"),
    ),
    ("POST", "/plans", {"a": 1}, {"b": 2}, lambda c: c.request("POST", "plans", body={"a": 1})),
]


@pytest.mark.parametrize(("method", "path", "body", "reply", "call"), CALLS, ids=[f"{c[0]} {c[1]}" for c in CALLS])
def test_what_is_sent(
    client: VZapsClient, wire: responses.RequestsMock, method: str, path: str, body: Any, reply: Any, call: Call
) -> None:
    if reply is None:
        wire.add(method, BASE + path, status=204)
    else:
        wire.add(method, BASE + path, json=reply)
    call(client)
    request = wire.calls[-1].request
    assert (json.loads(request.body) if request.body else None) == body
    assert request.headers["Authorization"] == "Bearer access-token-1"
    assert request.headers["X-Client-Token"] == "client-token"
    assert request.headers["Accept"] == "application/json"
    assert ("Content-Type" in request.headers) == (body is not None)
    assert "X-Instance-Token" not in request.headers


@pytest.mark.parametrize("token", ["inst_1", Secret("inst_1")], ids=["text", "secret"])
def test_the_instance_token_is_a_header_and_not_in_the_body(
    client: VZapsClient, wire: responses.RequestsMock, token: str | Secret
) -> None:
    wire.post(f"{BASE}/instances/VZ1/chat/send/text", json=OK)
    wire.post(f"{BASE}/instances/VZ1/webhook", json=OK)
    wire.patch(f"{BASE}/instances/VZ1", json=ROW)
    client.messages.send_text(instance_id="VZ1", instance_token=token, phone="5511", message="hi")
    client.webhooks.set(instance_id="VZ1", instance_token=token, webhook_url="https://h/x")
    client.instances.update("VZ1", name="New", instance_token=token)
    for call in list(wire.calls)[1:]:
        assert call.request.headers["X-Instance-Token"] == "inst_1"
        assert "inst_1" not in str(call.request.body)


def test_request_gives_the_answer_as_it_was_sent(client: VZapsClient, wire: responses.RequestsMock) -> None:
    wire.get(f"{BASE}/queue", json=OK)
    assert client.request("GET", "/queue", query={"page": 2, "size": None}) == OK
    assert wire.calls[-1].request.url == f"{BASE}/queue?page=2"


def test_request_cannot_leave_the_server(client: VZapsClient, wire: responses.RequestsMock) -> None:
    wire.get(f"{BASE}/@elsewhere.test/x", json={})
    client.request("GET", "@elsewhere.test/x")
    assert wire.calls[-1].request.url == f"{BASE}/@elsewhere.test/x"


def test_path_parts_are_encoded(client: VZapsClient, wire: responses.RequestsMock) -> None:
    wire.get(f"{BASE}/instances/a%2Fb%3Fc%25/session/paircode/%2B55%2011", json=OK)
    client.sessions.pair_code("a/b?c%", "+55 11")
    assert wire.calls[-1].request.url == f"{BASE}/instances/a%2Fb%3Fc%25/session/paircode/%2B55%2011"


@pytest.mark.parametrize("instance_id", ["", " ", ".", ".."])
@pytest.mark.parametrize(
    "call",
    [
        lambda c, i: c.instances.get(i),
        lambda c, i: c.instances.delete(i),
        lambda c, i: c.instances.subscribe(i, {}),
        lambda c, i: c.sessions.pair_code("VZ1", i),
        lambda c, i: c.webhooks.set(instance_id=i, webhook_url="https://h/x"),
        lambda c, i: c.webhooks.get_log(instance_id="VZ1", log_id=i),
        lambda c, i: c.messages.send_text(instance_id=i, phone="5511", message="hi"),
    ],
)
def test_an_id_that_would_change_the_path_is_refused_before_any_call(
    client: VZapsClient, wire: responses.RequestsMock, call: Callable[[VZapsClient, str], Any], instance_id: str
) -> None:
    with pytest.raises(ValueError, match="is required"):
        call(client, instance_id)
    assert len(wire.calls) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.instances.create(),
        lambda c: c.webhooks.set(instance_id="VZ1"),
        lambda c: c.webhooks.search_logs(),
        lambda c: c.messages.send_text(instance_id="VZ1", phone="5511"),
        lambda c: c.instances.restart("VZ1", instance_token="two\r\nlines"),
        lambda c: c.instances.create(name="x", labels={"n": float("nan")}),
    ],
)
def test_arguments_that_cannot_be_sent(client: VZapsClient, wire: responses.RequestsMock, call: Call) -> None:
    with pytest.raises(ValueError) as got:  # noqa: PT011 - each has its own words
        call(client)
    assert "two" not in str(got.value)
    assert [call for call in wire.calls if not str(call.request.url).endswith("/token")] == []


@pytest.mark.parametrize(
    "options",
    [
        {"client_token": ""},
        {"client_token": "two\nlines"},
        {"client_secret": ""},
        {"base_url": "api.vzaps.com"},
        {"base_url": "ftp://api.vzaps.com"},
        {"base_url": "https://user:password@api.vzaps.com"},
    ],
)
def test_a_client_that_could_not_work_is_not_made(options: dict[str, str]) -> None:
    with pytest.raises(ValueError) as got:  # noqa: PT011
        make_client(**options)
    assert "password" not in str(got.value)
    assert "two" not in str(got.value)


def test_secrets_of_the_account_may_be_given_as_secrets(wire: responses.RequestsMock) -> None:
    client = make_client(client_token=Secret("ct-1"), client_secret=Secret("cs-1"), timeout=3)
    assert client.auth.get_access_token() == "access-token-1"
    sent = wire.calls[0].request
    assert json.loads(sent.body or "") == {"client_token": "ct-1", "client_secret": "cs-1"}
    assert "Authorization" not in sent.headers
    assert "X-Client-Token" not in sent.headers


def test_the_client_works_without_django() -> None:
    code = (
        "import sys, django_vzaps.client; sys.exit(any(m.split('.')[0] in ('django', 'celery') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603


class Listing:
    """A list of instances in pages, with the bad habits of a server as options."""

    def __init__(self, rows: int, *, cap: int = 1000, total: object = ..., frozen: bool = False) -> None:
        self.rows, self.cap, self.total, self.frozen = rows, cap, total, frozen
        self.asked: list[int] = []

    def __call__(self, request: Any) -> tuple[int, dict[str, str], str]:
        asked = json.loads(request.body or "")
        self.asked.append(asked["page"])
        size = min(asked["size"], self.cap)
        first = 0 if self.frozen else (asked["page"] - 1) * size
        content = [{"id": f"VZ{n}"} for n in range(first, min(first + size, self.rows))]
        page = {"page": asked["page"], "content": content}
        if self.total is not None:
            page["total"] = self.rows if self.total is ... else self.total
        return 200, {}, json.dumps(page)


@pytest.mark.parametrize(
    ("listing", "calls"),
    [
        (Listing(5), 3),
        (Listing(4), 3),
        (Listing(0), 1),
        (Listing(5, total=None), 4),
        (Listing(5, total=1), 3),
        (Listing(5, total=999), 4),
        (Listing(5, cap=1), 5),
        (Listing(5, cap=1, total=1), 1),
        (Listing(5, cap=1, total=None), 6),
    ],
    ids=[
        "plain",
        "even",
        "empty",
        "no total",
        "low total",
        "high total",
        "smaller pages",
        "two lies",
        "no total, small",
    ],
)
def test_iterate_finds_every_instance_once(
    client: VZapsClient, wire: responses.RequestsMock, listing: Listing, calls: int
) -> None:
    wire.add_callback("POST", f"{BASE}/instances/list", listing)
    found = [instance.id for instance in client.instances.iterate(size=2)]
    lies = listing.cap == 1 and listing.total == 1
    assert found == [f"VZ{n}" for n in range(1 if lies else listing.rows)]
    assert len(listing.asked) == calls


def test_iterate_stops_when_the_server_repeats_a_page_for_ever(
    client: VZapsClient, wire: responses.RequestsMock
) -> None:
    listing = Listing(9, total=999, frozen=True)
    wire.add_callback("POST", f"{BASE}/instances/list", listing)
    assert [instance.id for instance in client.instances.iterate(size=2)] == ["VZ0", "VZ1"]
    assert listing.asked == [1, 2]
