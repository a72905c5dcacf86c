from __future__ import annotations

import threading
from typing import Any

import pytest

from django_vzaps.testing import FakeInstance, FakeVZaps, events
from tests.testing.conftest import Caller, Inbox

HOOK = "https://hooks.example.test/x"


@pytest.fixture
def instance(fake: FakeVZaps) -> FakeInstance:
    return fake.add_instance(connected=True, webhook=HOOK, events=["All"])


@pytest.mark.parametrize("key", ["webhookURL", "webhook_url"])
@pytest.mark.parametrize("names", ["Message,ReadReceipt", ["Message", "ReadReceipt"]])
def test_the_webhook_is_set_in_every_spelling_and_read_back(
    fake: FakeVZaps, ask: Caller, key: str, names: object
) -> None:
    instance = fake.add_instance()
    path = f"/instances/{instance.id}/webhook"
    assert ask.json("POST", path, {key: HOOK, "events": names})["data"] == {
        "webhook": HOOK,
        "events": "Message,ReadReceipt",
    }
    ask.json("POST", path, {key: f"{HOOK}2"})
    assert ask.json("GET", path)["data"] == {"webhook": f"{HOOK}2", "subscribe": ["Message", "ReadReceipt"]}


@pytest.mark.parametrize(
    "body",
    [{}, {"webhookURL": "ftp://x"}]
    + [{"webhookURL": HOOK, "events": name} for name in ("Receipt", "MessageDelivered", "MessageRead", "message", 7)],
)
def test_a_wrong_webhook_is_refused_and_changes_nothing(
    fake: FakeVZaps, ask: Caller, instance: FakeInstance, body: dict[str, Any]
) -> None:
    assert ask("POST", f"/instances/{instance.id}/webhook", body).status == 400
    assert (instance.webhook, instance.events) == (HOOK, ["All"])


def test_only_the_subscribed_types_are_delivered(fake: FakeVZaps, inbox: Inbox, instance: FakeInstance) -> None:
    instance.events = ["ReadReceipt"]
    fake.emit(instance.id, events.presence())
    fake.receive(instance.id)
    fake.emit(instance.id, events.read_receipt(["A"]))
    assert inbox.types == ["ReadReceipt"]
    assert inbox.urls == [HOOK]
    instance.webhook = ""
    fake.emit(instance.id, events.read_receipt(["A"]))
    assert len(inbox.got) == 1


def test_the_documented_body_and_the_observed_ones(fake: FakeVZaps, inbox: Inbox, instance: FakeInstance) -> None:
    fake.emit(instance.id, events.connected())
    assert "X-Instance-ID" not in inbox.headers[0]
    fake.variants.webhook_body = "json_data_text"
    fake.emit(instance.id, events.connected())
    instance.webhook_body = "json_data"
    fake.emit(instance.id, events.connected())
    assert inbox.got == [
        {"type": "Connected"},
        {"json_data": '{"type": "Connected"}', "instance_id": instance.id},
        {"json_data": {"type": "Connected"}, "instance_id": instance.id},
    ]
    assert inbox.headers[2]["X-Instance-ID"] == instance.id
    assert inbox.headers[2]["Content-Type"] == "application/json"


def test_whatsapp_casing(fake: FakeVZaps, inbox: Inbox, instance: FakeInstance) -> None:
    fake.variants.event_casing = "whatsapp"
    fake.receive(instance.id, "look", media="image", message_id="M1")
    fake.emit(instance.id, events.read_receipt(["M1"], "Read"))
    assert inbox.got[0]["event"]["Info"]["ID"] == "M1"
    assert inbox.got[0]["event"]["Info"]["IsFromMe"] is False
    image = inbox.got[0]["event"]["Message"]["imageMessage"]
    assert {"URL", "mediaKey", "fileEncSHA256", "caption"} <= image.keys()
    assert inbox.got[1]["state"] == "Read"
    assert inbox.got[1]["event"]["MessageIDs"] == ["M1"]


def test_the_log_tells_what_arrived_and_a_retry_goes_where_the_webhook_points_now(
    fake: FakeVZaps, ask: Caller, inbox: Inbox, instance: FakeInstance
) -> None:
    fake.receive(instance.id, "one")
    inbox.status = 503
    fake.receive(instance.id, "two")
    path = f"/instances/{instance.id}/webhook/logs"
    everything = ask.json("POST", f"{path}/search", {})["data"]
    assert [row["status"] for row in everything["content"]] == ["failed", "delivered"]
    failed = ask.json("POST", f"{path}/search", {"status": "failed"})["data"]
    assert (failed["total"], len(failed["content"])) == (1, 1)
    row = failed["content"][0]
    assert (row["event_type"], row["attempts"], row["response_code"]) == ("Message", 1, 503)
    assert row["payload"] == inbox.got[1]
    assert ask.json("GET", f"{path}/{row['id']}")["data"] == row
    inbox.status, instance.webhook = 200, f"{HOOK}/new"
    assert ask.json("POST", f"{path}/{row['id']}/retry")["data"]["id"] == row["id"]
    assert inbox.urls[-1] == f"{HOOK}/new"
    assert inbox.got[-1] == inbox.got[1]
    after = ask.json("GET", f"{path}/{row['id']}")["data"]
    assert (after["status"], after["attempts"], after["response_code"]) == ("delivered", 2, 200)
    assert ask.error("GET", f"{path}/nope") == (404, "log_not_found")
    page = ask.json("POST", f"{path}/search", {"page": 2, "size": 1})["data"]
    assert [item["payload"]["event"]["message"]["conversation"] for item in page["content"]] == ["one"]


def test_a_receiver_that_is_not_there_is_a_failed_delivery(fake: FakeVZaps, instance: FakeInstance) -> None:
    def refuse(_url: str, _body: bytes, _headers: dict[str, str]) -> int:
        raise ConnectionRefusedError

    fake.deliver = refuse
    fake.receive(instance.id)
    entry = fake.logs(instance.id)[0]
    assert (entry.status, entry.response_code, entry.error) == ("failed", None, "ConnectionRefusedError")


def test_duplicated_lost_delayed_and_reordered(fake: FakeVZaps, inbox: Inbox, instance: FakeInstance) -> None:
    def received() -> list[str]:
        return [payload["event"]["message"]["conversation"] for payload in inbox.got]

    fake.faults.webhooks.duplicate(copies=3)
    fake.receive(instance.id, "a")
    fake.faults.webhooks.lose()
    fake.receive(instance.id, "b")
    fake.faults.webhooks.lose(logged=False)
    fake.receive(instance.id, "c")
    assert received() == ["a", "a", "a"]
    assert [entry.status for entry in fake.logs(instance.id)] == ["delivered", "failed"]
    fake.faults.webhooks.delay(30)
    fake.receive(instance.id, "d")
    fake.receive(instance.id, "e")
    assert received()[3:] == ["e"]
    fake.clock.advance(30)
    assert received()[3:] == ["e", "d"]
    fake.faults.webhooks.reorder(3)
    for text in "fgh":
        fake.receive(instance.id, text)
    fake.receive(instance.id, "i")
    assert received()[5:] == ["h", "g", "f", "i"]


def test_clearing_faults_lets_nothing_hang(fake: FakeVZaps, inbox: Inbox, instance: FakeInstance) -> None:
    fake.faults.webhooks.reorder(2)
    fake.receive(instance.id, "held")
    fake.faults.clear()
    fake.receive(instance.id, "next")
    assert [payload["event"]["message"]["conversation"] for payload in inbox.got] == ["held", "next"]


def test_a_receiver_may_call_the_fake_back_even_from_another_thread(
    fake: FakeVZaps, ask: Caller, inbox: Inbox, instance: FakeInstance
) -> None:
    def reply(url: str, body: bytes, headers: dict[str, str]) -> int:
        status = inbox(url, body, headers)
        if len(inbox.got) == 1:
            body_to_send = {"phone": events.SENDER, "message": "pong"}
            thread = threading.Thread(
                target=ask, args=("POST", f"/instances/{instance.id}/chat/send/text", body_to_send)
            )
            thread.start()
            thread.join(5)
        return status

    fake.deliver = reply
    fake.receive(instance.id)
    assert [message.text for message in fake.sent_messages(instance.id)] == ["pong"]
    assert inbox.types == ["Message", "Message", "ReadReceipt"]


def test_a_reply_from_within_a_delivery_is_delivered_after_it(
    fake: FakeVZaps, ask: Caller, inbox: Inbox, instance: FakeInstance
) -> None:
    depth = [0, 0]

    def reply(url: str, body: bytes, headers: dict[str, str]) -> int:
        depth[0] += 1
        depth[1] = max(depth)
        if not inbox.got:
            inbox(url, body, headers)
            ask("POST", f"/instances/{instance.id}/chat/send/text", {"phone": events.SENDER, "message": "pong"})
        else:
            inbox(url, body, headers)
        depth[0] -= 1
        return 200

    fake.deliver = reply
    fake.receive(instance.id)
    assert inbox.types == ["Message", "Message", "ReadReceipt"]
    assert depth == [0, 1]


def test_a_bug_in_the_receiver_is_not_hidden(fake: FakeVZaps, instance: FakeInstance) -> None:
    def broken(_url: str, _body: bytes, _headers: dict[str, str]) -> int:
        raise KeyError("the test's own bug")

    fake.deliver = broken
    with pytest.raises(KeyError):
        fake.receive(instance.id)
    assert fake.logs(instance.id)[0].status == "failed"
