"""The vendor's own SDK cannot tell the fake from VZaps: every call it has for the routes the fake serves, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import vzaps

from django_vzaps.testing import FakeVZaps
from django_vzaps.testing.routes import ROUTES

PHONE = "5511977776666"

MESSAGES: dict[str, dict[str, Any]] = {
    "send_text": {"message": "hello", "reply_to_message_id": "3EB0AA", "delay": 1},
    "send_image": {"image": "https://files.example.test/a.jpg", "caption": "photo"},
    "send_audio": {"audio": "https://files.example.test/a.ogg", "ptt": True},
    "send_document": {"document": "https://files.example.test/a.pdf", "file_name": "a.pdf"},
    "send_video": {"video": "https://files.example.test/a.mp4"},
    "send_sticker": {"sticker": "https://files.example.test/a.webp"},
    "send_gif": {"gif": "https://files.example.test/a.gif"},
    "send_location": {"latitude": -8.05, "longitude": -34.9},
    "send_contact": {"contact_name": "Bia", "contact_phone": PHONE},
    "send_buttons": {"message": "Choose", "buttons": [{"id": "1", "text": "Yes"}]},
    "send_list": {"title": "Menu", "description": "d", "button_text": "Open", "sections": [{"title": "s", "rows": []}]},
    "send_link": {"message": "See", "link_url": "https://example.test", "title": "t", "link_description": "d"},
    "send_poll": {"name": "When?", "options": ["Today", "Tomorrow"]},
}
MEDIA = {"url": "https://mmg.example.test/x", "media_key": "a2V5", "mimetype": "image/jpeg"}


class Blocking:
    """The async client, called as if it were the other one."""

    def __init__(self, target: Any, runner: asyncio.Runner) -> None:
        self._target, self._runner = target, runner

    def __getattr__(self, name: str) -> Blocking:
        return Blocking(getattr(self._target, name), self._runner)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._runner.run(self._target(*args, **kwargs))


@contextmanager
def sync_client(url: str, secret: str = "demo-client-secret") -> Iterator[Any]:
    with (
        httpx.Client(base_url=url, trust_env=False) as http,
        vzaps.VZapsClient(client_token="demo-client-token", client_secret=secret, http_client=http) as client,
    ):
        yield client


@contextmanager
def async_client(url: str, secret: str = "demo-client-secret") -> Iterator[Any]:
    with asyncio.Runner() as runner:
        http = httpx.AsyncClient(base_url=url, trust_env=False)
        client = vzaps.AsyncVZapsClient(client_token="demo-client-token", client_secret=secret, http_client=http)
        yield Blocking(client, runner)
        runner.run(http.aclose())


@pytest.fixture
def fake() -> FakeVZaps:
    return FakeVZaps()


@pytest.fixture
def url(fake: FakeVZaps) -> Iterator[str]:
    with fake.serve() as server:
        yield server.url


@pytest.fixture(params=[sync_client, async_client], ids=["sync", "async"])
def open_client(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def sdk(open_client: Any, url: str) -> Iterator[Any]:
    with open_client(url) as client:
        yield client


def test_every_call_of_the_sdk_finds_what_it_expects(sdk: Any, fake: FakeVZaps, url: str) -> None:
    assert sdk.auth.get_access_token().count(".") == 2

    hook = "https://hooks.example.invalid/x"
    fake.deliver = lambda _url, _body, _headers: 200
    made = sdk.instances.create(
        name="Front desk", webhook=hook, events_subscribe=["Message", "Connected"], reject_calls=True
    )
    instance, key = made["id"], {"instance_token": made["token"]}
    assert made["billing_status"] == "TRIALING"
    assert [row["id"] for row in sdk.instances.list(page=1, size=5, search="front", sort="name")["content"]] == [
        instance
    ]
    assert sdk.instances.list(search="nobody")["total"] == 0
    assert sdk.instances.get(instance) == made
    assert sdk.instances.update(instance, name="Reception", **key)["name"] == "Reception"
    assert sdk.instances.restart(instance, **key)["instance_id"] == instance

    assert sdk.instances.subscribe(instance, {}, **key)["mode"] == "direct"
    assert sdk.instances.get(instance)["billing_status"] == "ACTIVE"
    assert sdk.instances.cancel(instance, **key)["message"]
    assert sdk.instances.get(instance)["cancel_at"]
    assert sdk.instances.resume_subscription(instance, **key) == {"status": "ok"}
    assert sdk.instances.get(instance)["cancel_at"] is None

    assert sdk.sessions.status(instance, **key).data.connected is False
    assert sdk.sessions.pair_code(instance, PHONE, **key)["data"]["LinkingCode"]
    assert sdk.sessions.qr(instance, **key)["data"]["qr_code"].startswith("data:image/png;base64,")
    fake.scan(instance, phone="5511900001111", push_name="Reception")
    status = sdk.sessions.status(instance, **key)
    assert (status.success, status.data.connected, status.data.phone) == (True, True, "5511900001111")

    whose = {"instance_id": instance, **key}
    assert sdk.webhooks.set(**whose, webhook_url=f"{hook}2", events=["All"])["data"]["events"] == "All"
    assert sdk.webhooks.get(instance, **key)["data"] == {"webhook": f"{hook}2", "subscribe": ["All"]}

    for method, body in MESSAGES.items():
        assert getattr(sdk.messages, method)(**whose, phone=PHONE, **body)["data"]["message_id"], method
    sent = fake.sent_messages(instance)
    assert [f"send_{message.kind}" for message in sent] == list(MESSAGES)
    target = {"phone": PHONE, "message_id": sent[0].id}
    assert sdk.messages.poll_vote(**whose, **target, vote="Today")["data"]["id"] == sent[0].id
    assert sdk.messages.react(**whose, **target, reaction="👍")["success"]
    assert sdk.messages.remove_reaction(**whose, **target)["success"]
    assert sdk.messages.presence(**whose, phone=PHONE, state="composing")["success"]
    assert sdk.messages.mark_read(**whose, id=[sent[0].id], chat=f"{PHONE}@s.whatsapp.net")["success"]
    assert sdk.messages.edit(**whose, message_id=sent[0].id, message="better")["success"]
    assert sent[0].text == "better"
    assert sdk.messages.delete(**whose, message_id=sent[0].id)["success"]
    for medium in ("image", "video", "audio", "document"):
        assert getattr(sdk.messages, f"download_{medium}")(**whose, **MEDIA)["data"]["mimetype"] == "image/jpeg"
    assert sdk.messages.send(instance, "send/text", {"phone": PHONE, "message": "raw"}, **key)["success"]

    assert fake.wait_for_deliveries()
    logs = sdk.webhooks.search_logs(**whose, status="delivered")["data"]
    assert logs["total"] == len(fake.logs(instance))
    log = logs["content"][0]
    assert sdk.webhooks.get_log(**whose, log_id=log["id"])["data"]["payload"] == log["payload"]
    assert sdk.webhooks.retry_log(**whose, log_id=log["id"])["success"]

    assert sdk.sessions.disconnect(instance, **key)["instance_id"] == instance
    assert sdk.request("DELETE", f"/instances/{instance}/cancel")["message"]
    assert sdk.instances.delete(instance, **key) is None
    assert fake.instances == {}

    reached = {call.route for call in fake.calls}
    assert reached == {route.name for route in ROUTES}
    assert all(call.carried_out for call in fake.calls)


def test_the_sdk_reads_the_fakes_errors(sdk: Any, open_client: Any, fake: FakeVZaps, url: str) -> None:
    with pytest.raises(vzaps.VZapsAPIError, match="no such instance") as missing:
        sdk.instances.get("VZNOPE")
    assert (missing.value.status_code, missing.value.code) == (404, "instance_not_found")
    stranger = fake.add_instance(account=fake.add_account("other", "secret"))
    with pytest.raises(vzaps.VZapsAuthenticationError, match="Forbidden"):
        sdk.sessions.status(stranger.id)
    fake.faults.add("list", status=429, retry_after=1)
    with pytest.raises(vzaps.VZapsRateLimitError):
        sdk.instances.list()
    own = fake.add_instance()
    with pytest.raises(vzaps.VZapsAPIError, match="not connected"):
        sdk.messages.send_text(instance_id=own.id, phone=PHONE, message="hello")
    with open_client(url, "wrong") as intruder, pytest.raises(vzaps.VZapsAuthenticationError):
        intruder.instances.list()


def test_the_sdk_takes_camel_case_tokens_and_renews_them(sdk: Any, fake: FakeVZaps) -> None:
    fake.variants.camel_case_tokens = True
    fake.token_seconds = 30  # within the SDK's margin of 60 s: it asks anew for every call
    for _ in range(2):
        sdk.instances.list()
    assert len(fake.calls_to("token")) == 2


def test_a_charge_whose_answer_was_lost_is_not_known_to_the_sdk(sdk: Any, fake: FakeVZaps) -> None:
    instance = fake.add_instance()
    fake.faults.add("subscribe", drop=True)
    with pytest.raises(vzaps.VZapsAPIError, match="request failed"):
        sdk.instances.subscribe(instance.id, {})
    assert len(fake.charges) == 1
