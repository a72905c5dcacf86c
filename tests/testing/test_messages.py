from __future__ import annotations

from typing import Any

import pytest

from django_vzaps.testing import FakeInstance, FakeVZaps, events
from tests.testing.conftest import Caller, Inbox

PHONE = "5511977776666"

SENDS: dict[str, dict[str, Any]] = {
    "text": {"message": "hello"},
    "image": {"image": "https://files.example.test/a.jpg", "caption": "a photo"},
    "audio": {"audio": "https://files.example.test/a.ogg", "ptt": True},
    "document": {"document": "https://files.example.test/a.pdf", "file_name": "a.pdf"},
    "video": {"video": "https://files.example.test/a.mp4"},
    "sticker": {"sticker": "https://files.example.test/a.webp"},
    "gif": {"gif": "https://files.example.test/a.gif"},
    "location": {"latitude": -8, "longitude": -34.9, "name": "Recife"},
    "contact": {"contact_name": "Bia", "contact_phone": "5511966665555"},
    "buttons": {"message": "Choose", "buttons": [{"id": "1", "text": "Yes"}]},
    "list": {"title": "Menu", "description": "d", "button_text": "Open", "sections": [{"title": "s", "rows": []}]},
    "link": {"message": "See", "link_url": "https://example.test", "title": "t", "link_description": "d"},
    "poll": {"name": "When?", "options": ["Today", "Tomorrow"]},
}
OPTIONAL = {"caption", "ptt", "file_name", "name", "contact_name", "contact_phone"}


@pytest.fixture
def instance(fake: FakeVZaps) -> FakeInstance:
    return fake.add_instance(connected=True, webhook="https://hooks.example.test/x", events=["All"])


@pytest.mark.parametrize("kind", SENDS)
def test_every_send_is_recorded_and_answered_with_an_id(
    fake: FakeVZaps, ask: Caller, instance: FakeInstance, kind: str
) -> None:
    path, body = f"/instances/{instance.id}/chat/send/{kind}", {"phone": PHONE, **SENDS[kind]}
    answer = ask.json("POST", path, body)
    assert (answer["code"], answer["success"]) == (200, True)
    message = fake.sent_messages(instance.id)[0]
    assert (message.id, message.kind, message.chat, message.body) == (answer["data"]["message_id"], kind, PHONE, body)
    required = {"phone", *SENDS[kind]} - (OPTIONAL if kind != "poll" else set())
    for name in required:
        without = {key: value for key, value in body.items() if key != name}
        assert ask.error("POST", path, without) == (400, "validation_error"), name
    assert len(fake.sent_messages(instance.id)) == 1


@pytest.mark.parametrize("body", [{"phone": "+5511977776666", "message": "x"}, {"phone": PHONE, "message": ""}])
def test_a_send_refuses_what_cannot_be_sent(ask: Caller, instance: FakeInstance, body: dict[str, str]) -> None:
    assert ask.error("POST", f"/instances/{instance.id}/chat/send/text", body) == (400, "validation_error")


def test_a_poll_has_two_to_twelve_options(ask: Caller, instance: FakeInstance) -> None:
    for count in (1, 13):
        body = {"phone": PHONE, "name": "When?", "options": ["x"] * count}
        assert ask("POST", f"/instances/{instance.id}/chat/send/poll", body).status == 400


def test_nothing_is_sent_while_not_connected(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    fake.drop_connection(instance.id)
    body = {"phone": PHONE, "message": "hello"}
    assert ask.error("POST", f"/instances/{instance.id}/chat/send/text", body) == (409, "not_connected")
    with pytest.raises(ValueError, match="not connected"):
        fake.receive(instance.id)


def test_an_own_message_comes_back_by_webhook_and_arrives(
    fake: FakeVZaps, ask: Caller, inbox: Inbox, instance: FakeInstance
) -> None:
    body = {"phone": PHONE, "message": "hello", "id": "MINE1"}
    assert ask.json("POST", f"/instances/{instance.id}/chat/send/text", body)["data"]["message_id"] == "MINE1"
    own, receipt = inbox.got
    assert own["event"]["info"]["is_from_me"] is True
    assert own["event"]["info"]["id"] == "MINE1"
    assert own["event"]["info"]["chat"] == f"{PHONE}@s.whatsapp.net"
    assert own["event"]["message"]["conversation"] == "hello"
    assert (receipt["state"], receipt["event"]["message_i_ds"]) == ("Delivered", ["MINE1"])
    assert fake.sent_messages(instance.id)[0].state == "delivered"
    assert fake.read_messages(instance.id, PHONE) == ["MINE1"]
    assert fake.read_messages(instance.id, PHONE) == []
    assert inbox.got[2]["state"] == "Read"
    assert len(inbox.got) == 3
    assert fake.sent_messages(instance.id)[0].state == "read"


def test_an_incoming_message(fake: FakeVZaps, inbox: Inbox, instance: FakeInstance) -> None:
    returned = fake.receive(instance.id, "good morning", sender=PHONE, push_name="Bia")
    assert inbox.got == [returned]
    info = returned["event"]["info"]
    assert (info["chat"], info["sender"]) == (f"{PHONE}@s.whatsapp.net",) * 2
    assert (info["is_from_me"], info["is_group"], info["push_name"]) == (False, False, "Bia")
    assert info["timestamp"] == "2027-01-15T08:00:00.000Z"


def test_lid_addresses_hide_the_phone_until_the_full_copy() -> None:
    partial = events.message(sender=PHONE, lid="partial", message_id="M")["event"]["info"]
    full = events.message(sender=PHONE, lid=True, message_id="M")["event"]["info"]
    assert partial["chat"] == full["chat"]
    assert full["chat"].endswith("@lid")
    assert PHONE not in str(partial)
    assert full["sender_alt"] == f"{PHONE}@s.whatsapp.net"


def test_group_messages_name_the_group_and_the_member() -> None:
    info = events.message(sender=PHONE, group=True)["event"]["info"]
    assert (info["chat"], info["sender"], info["is_group"]) == (events.GROUP, f"{PHONE}@s.whatsapp.net", True)


def test_every_documented_type_can_be_made() -> None:
    made = [
        events.message(),
        events.read_receipt(["M"]),
        events.connected(),
        events.disconnected("logged out"),
        events.presence(available=False),
        events.chat_presence(media="audio"),
        events.history_sync(50),
        events.group_participants_add(),
        events.group_participants_remove(),
    ]
    assert [event["type"] for event in made] == [
        "Message",
        "ReadReceipt",
        "Connected",
        "Disconnected",
        "Presence",
        "ChatPresence",
        "HistorySync",
        "GroupParticipantsAdd",
        "GroupParticipantsRemove",
    ]


@pytest.mark.parametrize("media", ["image", "video", "audio", "document", "sticker"])
def test_media_messages_carry_what_a_download_needs(ask: Caller, instance: FakeInstance, media: Any) -> None:
    event = events.message("look", media=media, media_url="https://files.example.test/1")
    content = event["event"]["message"][f"{media}_message"]
    assert event["media_url"] == "https://files.example.test/1"
    assert event["event"]["info"]["type"] == "media"
    if media != "sticker":
        got = ask.json("POST", f"/instances/{instance.id}/chat/download{media}", content)["data"]
        assert got["mimetype"] == content["mimetype"]
        assert got["data"].startswith("data:")


def test_what_else_a_chat_takes(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    chat = f"/instances/{instance.id}/chat"
    sent = ask.json("POST", f"{chat}/send/text", {"phone": PHONE, "message": "helo"})["data"]["message_id"]
    ask.json("PATCH", f"{chat}/messages/{sent}", {"message": "hello"})
    assert fake.sent_messages(instance.id)[0].text == "hello"
    target = {"phone": PHONE, "message_id": sent}
    assert ask.json("POST", f"{chat}/react", target | {"reaction": "👍"})["data"]["id"] == sent
    ask.json("DELETE", f"{chat}/react", target)
    assert "timestamp" in ask.json("POST", f"{chat}/poll/vote", target | {"vote": "Today"})["data"]
    ask.json("POST", f"{chat}/presence", {"phone": PHONE, "state": "composing"})
    ask.json("POST", f"{chat}/markread", {"id": [sent], "chat": f"{PHONE}@s.whatsapp.net"})
    assert ask("POST", f"{chat}/markread", {"id": sent, "chat": PHONE}).status == 400
    ask.json("DELETE", f"{chat}/messages/{sent}")
    assert fake.sent_messages(instance.id) == []
    assert ask.error("DELETE", f"{chat}/messages/{sent}") == (404, "message_not_found")
