"""Paying in a real browser: what is sent, what the page says, and that it follows by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_vzaps.testing import FakeVZaps
from tests.end_to_end.site import create, log_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def _a_card_and_no_lag(fake: FakeVZaps) -> None:
    fake.account.card_on_file = True
    fake.billing_lag = 0
    fake.calls.clear()
    fake.charges.clear()


def subscribe(page: Page) -> None:
    page.click(".vzaps-controls >> text=Subscribe")
    page.click("text=Yes, charge the card")
    page.wait_for_selector("#vzaps-billing")


def phase(page: Page, name: str) -> None:
    page.wait_for_selector(f"#vzaps-billing[data-phase={name}]", timeout=20_000)


def test_subscribed_and_verified(admin: Page, site: str, fake: FakeVZaps) -> None:
    create(admin, site, "Front desk", fake)
    admin.click(".vzaps-controls >> text=Subscribe")
    assert fake.charges == []
    admin.dblclick("text=Yes, charge the card")
    phase(admin, "verified")
    assert len(fake.charges) == 1
    assert admin.inner_text("#vzaps-headline") == "Subscribed: VZaps shows the subscription."
    address = admin.url
    admin.reload()
    assert admin.url == address
    phase(admin, "verified")
    assert len(fake.calls_to("subscribe")) == 1
    admin.go_back()
    admin.goto(address)
    admin.click("text=Back to the instance")
    admin.click(".vzaps-controls >> text=Cancel subscription")
    admin.click("text=Yes, cancel the subscription")
    phase(admin, "verified")
    assert "Until then it can be resumed." in admin.inner_text("#vzaps-state")


def test_a_checkout_paid_in_another_tab_is_seen_here(admin: Page, site: str, fake: FakeVZaps) -> None:
    fake.account.card_on_file = False
    create(admin, site, "No card", fake)
    subscribe(admin)
    phase(admin, "checkout")
    assert admin.get_attribute("#vzaps-headline", "aria-live") == "polite"
    with admin.context.expect_page() as opened:
        admin.click("text=Open VZaps' checkout page (new tab)")
    checkout = opened.value
    assert checkout.evaluate("window.opener") is None
    checkout.click("#pay")
    checkout.wait_for_selector("[data-state=paid]")
    checkout.close()
    phase(admin, "verified")
    assert admin.inner_text("#vzaps-headline") == "Paid: VZaps shows the subscription."
    assert "active" in admin.inner_text("#vzaps-state")
    assert len(fake.charges) == 1
    fake.calls.clear()
    admin.wait_for_timeout(6000)
    assert fake.calls == []


def test_the_page_follows_a_lagging_service_and_a_hidden_tab_asks_nothing(
    admin: Page, site: str, fake: FakeVZaps
) -> None:
    admin.add_init_script(
        "let hidden = false; Object.defineProperty(document, 'hidden', {get: () => hidden});"
        "window.setHidden = (value) => { hidden = value; document.dispatchEvent(new Event('visibilitychange')); };"
    )
    fake.billing_lag = 3
    create(admin, site, "Slow", fake)
    subscribe(admin)
    phase(admin, "unverified")
    admin.evaluate("setHidden(true)")
    fake.calls.clear()
    admin.wait_for_timeout(6000)
    assert fake.calls == []
    admin.focus("#vzaps-check")
    with admin.expect_response("**/poll/"):
        admin.evaluate("setHidden(false)")
    assert admin.evaluate("document.activeElement.id") == "vzaps-check"
    phase(admin, "verified")
    assert admin.evaluate("document.activeElement.id") == "vzaps-headline"
    assert len(fake.charges) == 1


def test_a_page_that_lost_the_site_says_so_and_recovers(admin: Page, site: str, fake: FakeVZaps) -> None:
    fake.account.card_on_file = False
    create(admin, site, "Offline", fake)
    subscribe(admin)
    assert not admin.is_visible("#vzaps-lost")
    admin.context.set_offline(True)
    admin.wait_for_selector("#vzaps-lost", timeout=20_000)
    admin.context.set_offline(False)
    admin.wait_for_selector("#vzaps-lost", state="hidden", timeout=20_000)


def test_an_unknown_outcome_is_found_out(admin: Page, site: str, fake: FakeVZaps) -> None:
    vzaps_id = create(admin, site, "Lost", fake)
    fake.billing_lag = 50
    fake.faults.add("subscribe", drop=True)
    subscribe(admin)
    phase(admin, "unknown")
    assert "the card may have been charged, or not" in admin.inner_text("#vzaps-state")
    admin.click("#vzaps-check")
    admin.wait_for_selector("text=VZaps was read just now: nothing new.")
    phase(admin, "unknown")
    fake.instances[vzaps_id].stale_reads = 0
    admin.click("#vzaps-check")
    phase(admin, "verified")
    assert len(fake.calls_to("subscribe")) == 1


def test_paying_without_javascript(chromium: Browser, site: str, fake: FakeVZaps) -> None:
    fake.account.card_on_file = False
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        log_in(page, site)
        vzaps_id = create(page, site, "No script", fake)
        subscribe(page)
        phase(page, "checkout")
        assert page.locator("noscript meta[http-equiv=refresh]").count() == 1
        page.click("#vzaps-check")
        phase(page, "checkout")
        fake.complete_checkout(vzaps_id)
        page.click("#vzaps-check")
        phase(page, "verified")


def test_what_is_wrong_is_two_clicks_away(admin: Page, site: str, fake: FakeVZaps) -> None:
    create(admin, site, "Trouble", fake)
    fake.faults.add("restart", drop=True)
    admin.click(".object-tools >> text=Restart")
    admin.click("text=Yes, restart it")
    admin.wait_for_selector(".messagelist")
    admin.goto(site + "/admin/django_vzaps/operation/")
    admin.click("nav >> text=Unknown outcome")
    admin.click("#result_list >> text=Restart instance")
    assert "It is not known whether" in admin.inner_text(".vzaps-headline")
    admin.click(".object-tools >> text=Say how it ended")
    admin.click("text=It was not")
    admin.wait_for_selector("text=Noted. Outcome: failed.")
    assert "said that “restart instance” was not carried out" in admin.inner_text(".vzaps-headline")
