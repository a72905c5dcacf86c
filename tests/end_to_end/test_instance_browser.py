"""The page of one instance in a real browser: what differs is said in words, and put right by a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_vzaps.testing import FakeVZaps
from tests.end_to_end.site import create

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def pair(page: Page, fake: FakeVZaps, vzaps_id: str, phone: str) -> None:
    page.click("#vzaps-pair")
    page.wait_for_selector("[data-phase=scan]")
    fake.scan(vzaps_id, phone=phone)
    page.wait_for_selector("[data-phase=connected]")


def test_drift_is_seen_said_and_put_right(admin: Page, site: str, fake: FakeVZaps) -> None:
    vzaps_id = create(admin, site, "Drifting", fake)
    detail, remote = admin.url, fake.instances[vzaps_id]
    ours = remote.webhook
    remote.webhook, remote.events = "https://crm.example.org/in", ["Message", "Presence"]

    admin.click("#vzaps-check_webhook")
    compared = admin.locator(".vzaps-compared")
    assert "Webhook: VZaps says something else than what was known" in compared.inner_text()
    assert "crm.example.org/in" in compared.inner_text()
    assert ours.rpartition("/")[2] not in admin.content()
    difference = admin.inner_text(".field-webhook_difference")
    assert "VZaps sends the events to crm.example.org/in and not to" in difference
    assert "Sent by VZaps, and not wanted: Presence." in difference
    admin.reload()
    assert admin.locator(".vzaps-compared").count() == 0

    admin.click("text=Set webhook")
    admin.click("input[value='Apply again']")
    admin.wait_for_selector("text=VZaps sends the events to this site.")
    assert admin.url == detail
    assert "none" in admin.inner_text(".field-webhook_difference")
    assert remote.webhook not in (ours, "https://crm.example.org/in")
    assert sorted(remote.events) == ["Connected", "Disconnected", "Message", "ReadReceipt"]


def test_the_site_reaches_itself_from_outside(admin: Page, site: str, fake: FakeVZaps) -> None:
    create(admin, site, "Reachable", fake)
    fake.calls.clear()
    admin.click("text=Set webhook")
    admin.click("#vzaps-webhook_test")
    admin.wait_for_selector("text=The test event came in at the public URL and is in the inbox")
    assert fake.calls == []
    admin.click("text=Open the event")
    assert "VzapsTest" in admin.inner_text(".field-event")
    assert "ignored" in admin.inner_text(".field-state_shown")


def test_a_message_and_its_receipt(admin: Page, site: str, fake: FakeVZaps) -> None:
    vzaps_id = create(admin, site, "Talking", fake)
    detail = admin.url
    pair(admin, fake, vzaps_id, "5511944440000")
    admin.goto(detail)
    admin.click("text=Send a test message")
    admin.fill("#id_phone", "+55 21 98888-7777")
    admin.fill("#id_text", "Hello <b>there</b>")
    admin.dblclick("input[value='Send the message']")
    admin.wait_for_selector("text=Accepted is not delivered")
    (message,) = fake.sent_messages(vzaps_id)
    assert message.text == "Hello <b>there</b>"
    assert fake.wait_for_deliveries()
    fake.read_messages(vzaps_id, "5521988887777")
    assert fake.wait_for_deliveries()
    admin.click("text=look for events about it")
    admin.wait_for_selector("text=ReadReceipt")


def test_a_failed_delivery_is_found_and_made_again(admin: Page, site: str, fake: FakeVZaps) -> None:
    vzaps_id = create(admin, site, "Missing one", fake)
    detail = admin.url
    pair(admin, fake, vzaps_id, "5511955550000")
    fake.faults.webhooks.lost, fake.faults.webhooks.lost_logged = 1, True
    fake.receive(vzaps_id, "lost")
    admin.goto(detail)
    admin.click("a:text-is('Delivery log')")
    assert fake.calls_to("logs_search") == []
    admin.click("button:has-text('Search')")
    admin.wait_for_selector("text=not in the inbox")
    admin.click("button:has-text('Deliver again')")
    admin.wait_for_selector("text=VZaps accepted to deliver it again")
    assert fake.wait_for_deliveries()
    admin.select_option("#id_status", "all")
    admin.click("button:has-text('Search')")
    assert "not in the inbox" not in admin.inner_text("#content")
    assert "event #" in admin.inner_text("tr:has-text('Message')")


def test_the_token_is_shown_once(admin: Page, site: str, fake: FakeVZaps) -> None:
    vzaps_id = create(admin, site, "Secretive", fake)
    token = fake.instances[vzaps_id].token
    assert token not in admin.content()
    admin.click("#vzaps-token")
    assert admin.inner_text("code#vzaps-token") == token
    admin.click("text=Back to the instance")
    assert token not in admin.content()


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_its_window(width: int, admin: Page, site: str, fake: FakeVZaps) -> None:
    vzaps_id = create(admin, site, f"Wide {width} " + "w" * 200, fake)
    detail, remote = admin.url, fake.instances[vzaps_id]
    remote.webhook, remote.push_name = "https://crm.example.org/" + "i" * 400, "n" * 255
    admin.set_viewport_size({"width": width, "height": 900})
    admin.click("#vzaps-check")
    pages = ["", "../webhook/", "../deliveries/?search=1&status=all", "../send/", "../owner/"]
    for address in pages:
        if address:
            admin.goto(detail + address)
        beyond = admin.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert beyond <= 0, address
