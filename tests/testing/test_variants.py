from __future__ import annotations

import json

import pytest

from django_vzaps.testing import FakeInstance, FakeVZaps
from tests.testing.conftest import CREDENTIALS, Caller


@pytest.fixture
def instance(fake: FakeVZaps) -> FakeInstance:
    return fake.add_instance(webhook="https://hooks.example.test/x", events=["Message", "Connected"])


def test_a_misspelled_variant_is_an_error(fake: FakeVZaps) -> None:
    with pytest.raises(AttributeError):
        fake.variants.camel_tokens = True  # type: ignore[attr-defined]


def test_camel_case_tokens(fake: FakeVZaps, ask: Caller) -> None:
    fake.variants.camel_case_tokens = True
    assert ask.json("POST", "/token", CREDENTIALS).keys() == {"accessToken", "expiresIn"}


def test_everything_enveloped_or_nothing(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    fake.variants.envelope = "always"
    got = ask.json("POST", "/instances/get", {"id": instance.id})
    assert (got["code"], got["success"], got["data"]["id"]) == (200, True, instance.id)
    assert ask.json("GET", f"/instances/{instance.id}/session/status")["data"] == {"connected": False}
    fake.variants.envelope = "never"
    assert ask.json("GET", f"/instances/{instance.id}/session/status") == {"connected": False}
    assert ask("DELETE", f"/instances/{instance.id}").body == b""


@pytest.mark.parametrize(
    ("key", "present", "absent"),
    [
        ("status", {"status"}, {"billing_status"}),
        ("both", {"status", "billing_status"}, set()),
        ("billing_status", {"billing_status"}, {"status"}),
    ],
)
def test_where_the_billing_state_shows(
    fake: FakeVZaps, ask: Caller, instance: FakeInstance, key: str, present: set[str], absent: set[str]
) -> None:
    fake.variants.billing_key = key  # type: ignore[assignment]
    got = ask.json("POST", "/instances/get", {"id": instance.id})
    assert present <= got.keys()
    assert not absent & got.keys()


def test_the_webhook_is_not_echoed(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    fake.variants.echo_webhook = False
    made = ask("PUT", "/instances/create", {"name": "Desk", "webhook": "https://hooks.example.test/secret"})
    listed = ask("POST", "/instances/list", {})
    assert b"hooks.example" not in made.body + listed.body


def test_lists_of_events_pages_and_statuses(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    fake.variants.event_list = "array"
    fake.variants.omit_from_list = {"total", "total_pages", "summary"}
    fake.variants.max_page_size = 1
    fake.variants.created_status = 201
    ask.json("PUT", "/instances/create", {"name": "Desk"}, status=201)
    page = ask.json("POST", "/instances/list", {"size": 100, "page": 2})
    assert page.keys() == {"page", "size", "content"}
    assert [row["events_subscribe"] for row in page["content"]] == [["Message", "Connected"]]


def test_the_session_in_other_spellings(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    fake.variants.qr_key = "QRCode"
    fake.variants.qr_data_url = False
    fake.variants.pair_code_key = "linking_code"
    fake.variants.session_profile = False
    path = f"/instances/{instance.id}/session"
    assert ask.json("GET", f"{path}/qr")["data"]["QRCode"].startswith("iVBOR")
    assert "linking_code" in ask.json("GET", f"{path}/paircode/5511977776666")["data"]
    fake.scan(instance.id)
    assert ask.json("GET", f"{path}/status")["data"] == {"connected": True}


def test_a_checkout_although_a_card_is_on_file(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    fake.variants.checkout = True
    assert json.loads(ask("POST", f"/instances/{instance.id}/subscribe", {}).body)["mode"] == "checkout"
    assert fake.charges == []
