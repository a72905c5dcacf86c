"""What is read from answers: every variant of API.md section 17, and nothing invented."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest
import responses

from django_vzaps.client import Secret, VZapsAnswerError, VZapsClient

from .conftest import BASE

FULL = {
    "id": "VZ1",
    "name": "Front desk",
    "token": "inst_1",
    "url": "https://app.vzaps.com/instances/VZ1",
    "webhook": "https://h.example/vzaps/webhook/pub/SECRET",
    "events_subscribe": "Message, ReadReceipt",
    "reject_calls": True,
    "auto_read_messages": False,
    "labels": {"team": "a"},
    "status": "running",
    "billing_status": "TRIALING",
    "connected": True,
    "connected_at": "2026-05-02T08:30:00.123Z",
    "whatsapp_jid": "55@s.whatsapp.net",
    "whatsapp_push_name": "Desk",
    "created_at": "2026-05-02T05:30:00-03:00",
    "updated_at": "2026-05-02T08:30:00",
    "cancel_at": None,
    "expired_at": "0001-01-01T00:00:00Z",
    "novelty": 7,
}


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


@pytest.mark.parametrize(
    "answer",
    [FULL, {camel(key): value for key, value in FULL.items()}, {"code": 200, "success": True, "data": FULL}],
    ids=["bare", "camelCase", "enveloped"],
)
def test_an_instance_in_every_spelling(client: VZapsClient, wire: responses.RequestsMock, answer: Any) -> None:
    wire.post(f"{BASE}/instances/get", json=answer)
    instance = client.instances.get("VZ1")
    assert (instance.id, instance.name, instance.token) == ("VZ1", "Front desk", Secret("inst_1"))
    assert instance.webhook == FULL["webhook"]
    assert instance.events == ("Message", "ReadReceipt")
    assert (instance.reject_calls, instance.auto_read_messages, instance.connected) == (True, False, True)
    assert (instance.status, instance.billing_status) == ("running", "TRIALING")
    assert (instance.whatsapp_jid, instance.push_name) == ("55@s.whatsapp.net", "Desk")
    assert instance.connected_at == datetime(2026, 5, 2, 8, 30, 0, 123000, tzinfo=UTC)
    assert instance.created_at == instance.updated_at == datetime(2026, 5, 2, 8, 30, tzinfo=UTC)
    assert (instance.cancel_at, instance.expired_at) == (None, None)
    assert instance.labels == {"team": "a"}
    assert instance.raw["novelty"] == 7
    assert "SECRET" not in repr(instance) + str(instance.raw)
    assert "inst_1" not in repr(instance) + str(instance.raw)


def test_what_is_not_said_is_none(client: VZapsClient, wire: responses.RequestsMock) -> None:
    wire.post(f"{BASE}/instances/get", json={"id": "VZ1", "created_at": "soon", "connected": "perhaps", "labels": []})
    instance = client.instances.get("VZ1")
    assert instance.name == ""
    assert instance.events == ()
    assert {
        instance.token, instance.url, instance.webhook, instance.status, instance.billing_status, instance.connected,
        instance.created_at, instance.labels, instance.reject_calls,
    } == {None}  # fmt: skip


def test_text_that_a_database_would_refuse_is_cleaned(client: VZapsClient, wire: responses.RequestsMock) -> None:
    wire.post(f"{BASE}/instances/get", body=b'{"id": "VZ1", "name": "a\\u0000b\\ud800 ", "status": "c\\u0000d"}')
    instance = client.instances.get("VZ1")
    assert (instance.name, instance.status) == ("ab?", "cd")


@pytest.mark.parametrize("answer", [{"id": "VZ1"}, {"token": "inst_1"}, {"id": "VZ1", "token": ""}, [], "ok", 5, None])
def test_a_create_without_id_or_token_may_have_been_carried_out(
    client: VZapsClient, wire: responses.RequestsMock, answer: Any
) -> None:
    wire.put(f"{BASE}/instances/create", json=answer, headers={"X-Request-Id": "r-1"})
    with pytest.raises(VZapsAnswerError) as got:
        client.instances.create(name="Desk")
    assert got.value.may_have_been_carried_out
    assert got.value.request_id == "r-1"


def test_list_rows_without_an_id_are_left_out_and_logged(
    client: VZapsClient, wire: responses.RequestsMock, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [{"id": "VZ1"}, {"name": "no id", "token": "inst_2"}, "nonsense", {"id": 7}]
    wire.post(f"{BASE}/instances/list", json={"page": 1, "total": 4, "total_pages": 1, "content": rows, "summary": {}})
    with caplog.at_level(logging.WARNING):
        page = client.instances.list()
    assert [instance.id for instance in page.content] == ["VZ1", "7"]
    assert (page.page, page.size, page.total, page.total_pages, page.summary) == (1, 20, 4, 1, {})
    assert page.raw == {"page": 1, "total": 4, "total_pages": 1, "summary": {}}, "the rows are in the instances"
    assert len(caplog.records) == 2
    assert "inst_2" not in caplog.text


def test_an_empty_list_as_go_writes_it(client: VZapsClient, wire: responses.RequestsMock) -> None:
    wire.post(f"{BASE}/instances/list", json={"page": 1, "content": None})
    page = client.instances.list()
    assert (page.content, page.total, page.total_pages) == ((), None, None)


@pytest.mark.parametrize("answer", [{}, {"page": 1, "total": 0}, {"content": {}}, {"content": "none"}, [], None])
def test_a_broken_list_is_never_read_as_an_empty_one(
    client: VZapsClient, wire: responses.RequestsMock, answer: Any
) -> None:
    wire.post(f"{BASE}/instances/list", json=answer)
    with pytest.raises(VZapsAnswerError):
        client.instances.list()


def test_actions_and_billing(client: VZapsClient, wire: responses.RequestsMock) -> None:
    at = f"{BASE}/instances/VZ1"
    wire.post(f"{at}/restart", json={"instance_id": "VZ1", "status": "restarting", "details": "soon"})
    wire.post(f"{at}/session/disconnect", status=204)
    wire.post(f"{at}/subscribe", json={"url": "", "sessionId": None, "mode": "direct", "subscriptionId": "sub_1"})
    wire.post(f"{at}/resume-subscription", json={"status": "ok"})
    wire.put(f"{at}/cancel", json={"message": "Cancellation registered"})
    restart, disconnect = client.instances.restart("VZ1"), client.sessions.disconnect("VZ1")
    assert (restart.instance_id, restart.status, restart.details) == ("VZ1", "restarting", "soon")
    assert (disconnect.instance_id, disconnect.status) == ("VZ1", None)
    session = client.instances.subscribe("VZ1", {})
    assert (session.url, session.session_id, session.mode, session.subscription_id) == (None, None, "direct", "sub_1")
    assert client.instances.resume_subscription("VZ1").status == "ok"
    assert client.instances.cancel("VZ1").message == "Cancellation registered"


@pytest.mark.parametrize("spelling", [lambda name: name, camel], ids=["snake", "camel"])
def test_a_connected_session(client: VZapsClient, wire: responses.RequestsMock, spelling: Any) -> None:
    profile = {
        spelling("business_hours_timezone"): "America/Sao_Paulo",
        "categories": [{"id": "1", "name": "Clinic"}, "junk"],
        spelling("profile_options"): {"cart_enabled": "true"},
        "email": "a@b.example",
    }
    data = {"connected": True, "phone": "5521", spelling("push_name"): "Clinic", spelling("business_profile"): profile}
    wire.get(f"{BASE}/instances/VZ1/session/status", json={"code": 200, "success": True, "data": data})
    status = client.sessions.status("VZ1")
    assert (status.connected, status.phone, status.push_name, status.website) == (True, "5521", "Clinic", None)
    assert status.business_profile is not None
    assert status.business_profile.business_hours_timezone == "America/Sao_Paulo"
    assert [category.name for category in status.business_profile.categories] == ["Clinic"]
    assert status.business_profile.profile_options == {"cart_enabled": "true"}


@pytest.mark.parametrize("answer", [{"success": True, "data": {}}, {"success": True, "data": None}, {}, None])
def test_silence_is_not_disconnected(client: VZapsClient, wire: responses.RequestsMock, answer: Any) -> None:
    wire.get(f"{BASE}/instances/VZ1/session/status", json=answer)
    with pytest.raises(VZapsAnswerError):
        client.sessions.status("VZ1")


@pytest.mark.parametrize(
    ("data", "code", "paired"),
    [
        ({"qr_code": "data:image/png;base64,AAAA"}, "data:image/png;base64,AAAA", False),
        ({"QRCode": "AAAA"}, "data:image/png;base64,AAAA", False),
        ({"qr_code": "AAAA", "phone": "5511", "status": "waiting"}, "data:image/png;base64,AAAA", False),
        ({"status": "CONNECTED", "phone": "5511"}, None, True),
        ({"pairing_status": "connected"}, None, True),
        ({"status": "starting"}, None, False),
        ({"error": "too many attempts", "phone": "5511"}, None, False),
    ],
)
def test_qr_codes(client: VZapsClient, wire: responses.RequestsMock, data: Any, code: str | None, paired: bool) -> None:
    wire.get(f"{BASE}/instances/VZ1/session/qr", json={"code": 200, "success": True, "data": data})
    qr = client.sessions.qr("VZ1")
    assert (qr.qr_code.reveal() if qr.qr_code else None) == code
    assert qr.paired is paired
    assert "AAAA" not in repr(qr) + str(qr.raw)


@pytest.mark.parametrize("key", ["LinkingCode", "linking_code"])
def test_pair_codes(client: VZapsClient, wire: responses.RequestsMock, key: str) -> None:
    wire.get(f"{BASE}/instances/VZ1/session/paircode/5511", json={"success": True, "data": {key: "7K2M-44QX"}})
    code = client.sessions.pair_code("VZ1", "5511")
    assert code.code.reveal() == "7K2M-44QX"
    assert "7K2M" not in repr(code) + str(code.raw)


def test_webhook_settings_under_all_their_names(client: VZapsClient, wire: responses.RequestsMock) -> None:
    url = "https://h.example/vzaps/webhook/pub/SECRET"
    read = {"success": True, "data": {"webhook": url, "subscribe": ["Message", "Connected"]}}
    written = {"success": True, "data": {"webhookURL": url, "events": "Message,Connected"}}
    wire.get(f"{BASE}/instances/VZ1/webhook", json=read)
    wire.post(f"{BASE}/instances/VZ1/webhook", json=written)
    for settings in (client.webhooks.get("VZ1"), client.webhooks.set(instance_id="VZ1", webhook_url=url)):
        assert (settings.webhook, settings.events) == (url, ("Message", "Connected"))
        assert "SECRET" not in repr(settings) + str(settings.raw)


def test_delivery_logs(client: VZapsClient, wire: responses.RequestsMock) -> None:
    row = {
        "id": "L1",
        "status": "failed",
        "payload": {"type": "Message", "media_url": "https://files.example/m"},
        "attempts": [{"at": 1}, {"at": 2}],
        "createdAt": "2026-05-02T08:30:00Z",
        "target": "https://h.example/vzaps/webhook/pub/SECRET",
        "eventType": "Message",
        "responseCode": "502",
        "lastError": "POST https://h.example/vzaps/webhook/pub/SECRET: bad gateway",
    }
    wire.post(
        f"{BASE}/instances/VZ1/webhook/logs/search",
        json={"success": True, "data": {"page": 1, "total": 3, "content": [row, {"status": "failed"}]}},
    )
    wire.get(f"{BASE}/instances/VZ1/webhook/logs/L1", json={"success": True, "data": row | {"attempts": 3}})
    page = client.webhooks.search_logs(instance_id="VZ1", status="failed")
    assert (page.page, page.total, [log.attempts for log in page.content]) == (1, 3, [2])
    log = client.webhooks.get_log(instance_id="VZ1", log_id="L1")
    assert (log.id, log.status, log.attempts) == ("L1", "failed", 3)
    assert log.payload == row["payload"]
    assert (log.event_type, log.response_code) == ("Message", 502)
    assert log.error == "POST https://******** bad gateway"
    assert log.created_at == datetime(2026, 5, 2, 8, 30, tzinfo=UTC)
    assert "SECRET" not in repr(page) + str(page.raw) + repr(log) + str(log.raw)
    assert log.raw["target"].startswith("https://")


@pytest.mark.parametrize("answer", [{"success": True, "data": {}}, {"success": True, "data": None}, None, {}])
def test_a_send_without_a_message_id_may_have_been_sent(
    client: VZapsClient, wire: responses.RequestsMock, answer: Any
) -> None:
    wire.post(f"{BASE}/instances/VZ1/chat/send/text", json=answer)
    with pytest.raises(VZapsAnswerError, match=r"message id|sent message") as got:
        client.messages.send_text(instance_id="VZ1", phone="5511", message="hi")
    assert got.value.may_have_been_carried_out


@pytest.mark.parametrize("body", [b"<html>", b"{", b"\xff\xfe", b"[" * 100_000, b"{}{}", b"1" * 5000])
def test_an_answer_that_is_not_json(client: VZapsClient, wire: responses.RequestsMock, body: bytes) -> None:
    wire.post(f"{BASE}/instances/VZ1/subscribe", body=body, content_type="application/json")
    with pytest.raises(VZapsAnswerError) as got:
        client.instances.subscribe("VZ1", {})
    assert got.value.may_have_been_carried_out


def test_json_under_another_content_type_is_read(client: VZapsClient, wire: responses.RequestsMock) -> None:
    wire.post(f"{BASE}/instances/get", body=b'{"id": "VZ1"}', content_type="text/plain")
    assert client.instances.get("VZ1").id == "VZ1"
