"""The admin in a real browser, against a real server and the fake over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from django_vzaps.testing import FakeVZaps
from tests.end_to_end.site import create, log_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


def test_create_subscribe_and_pair(admin: Page, site: str, fake: FakeVZaps) -> None:
    vzaps_id = create(admin, site, "Front desk", fake)
    admin.click(".object-tools >> text=Subscribe")
    admin.wait_for_selector("text=This WILL CHARGE A CARD")
    assert fake.charges == []
    admin.dblclick("text=Yes, charge the card")
    admin.wait_for_selector("text=Subscribed: VZaps shows the subscription.")
    assert len(fake.charges) == 1
    admin.click("text=Back to the instance")
    admin.click("#vzaps-pair")
    admin.wait_for_selector("[data-phase=scan] .vzaps-qr img[src^='data:image/png']")
    assert admin.locator("#vzaps-phase").get_attribute("aria-live") == "polite"
    fake.scan(vzaps_id, phone="5511999990000", push_name="<script>alert(1)</script>")
    admin.wait_for_selector("[data-phase=connected]")
    assert "Connected: 5511999990000 <script>alert(1)</script>." in admin.inner_text("#vzaps-phase")
    assert not admin.is_visible("#vzaps-qr")
    admin.click("text=Go to the instance")
    assert "connected" in admin.inner_text(".field-connection")
    admin.click("text=Connected #")
    assert "done" in admin.inner_text(".field-state_shown")


def test_a_tab_that_nobody_looks_at_asks_nothing(admin: Page, site: str, fake: FakeVZaps) -> None:
    admin.add_init_script(
        "let hidden = false; Object.defineProperty(document, 'hidden', {get: () => hidden});"
        "window.setHidden = (value) => { hidden = value; document.dispatchEvent(new Event('visibilitychange')); };"
    )
    create(admin, site, "Hidden", fake)
    admin.click("#vzaps-pair")
    admin.wait_for_selector("[data-phase=scan]")
    admin.evaluate("setHidden(true)")
    admin.wait_for_timeout(300)
    fake.calls.clear()
    admin.wait_for_timeout(3500)
    assert fake.calls == []
    with admin.expect_response("**/pair/poll/"):
        admin.evaluate("setHidden(false)")
    assert fake.calls_to("session_status")
    assert not fake.calls_to("qr")


def test_an_ended_attempt_goes_on_at_a_press(admin: Page, site: str, fake: FakeVZaps) -> None:
    create(admin, site, "Slow", fake)
    fake.faults.add("qr", body=b'{"code": 200, "success": true, "data": {"error": "timeout"}}')
    admin.click("#vzaps-pair")
    admin.wait_for_selector("[data-phase=expired]")
    admin.wait_for_timeout(100)
    fake.calls.clear()
    admin.wait_for_timeout(3000)
    assert fake.calls == []
    admin.click("input[value='Go on with a new code']")
    admin.wait_for_selector("[data-phase=scan] .vzaps-qr img[src^='data:image/png']")


def test_a_page_that_lost_the_site_says_so_and_recovers(admin: Page, site: str, fake: FakeVZaps) -> None:
    create(admin, site, "Offline", fake)
    admin.click("#vzaps-pair")
    admin.wait_for_selector("[data-phase=scan]")
    admin.context.set_offline(True)
    admin.wait_for_selector("[data-phase=error]")
    assert "cannot reach the site" in admin.inner_text("#vzaps-phase")
    admin.context.set_offline(False)
    admin.wait_for_selector("[data-phase=scan] #vzaps-phase:has-text('Scan the code now')", timeout=8000)


def test_pairing_with_a_code(admin: Page, site: str, fake: FakeVZaps) -> None:
    vzaps_id = create(admin, site, "By phone", fake)
    admin.click("#vzaps-pair")
    admin.click("summary")
    admin.fill("#id_phone", "+55 11 98888-7777")
    admin.click("text=Get a pairing code")
    assert re.fullmatch(r"[A-Z0-9]{4}-[A-Z0-9]{4}", admin.inner_text("#vzaps-code"))
    fake.scan(vzaps_id, phone="5511988887777")
    admin.wait_for_selector("[data-phase=connected]")
    assert admin.locator("#vzaps-code").count() == 0


def test_the_code_stays_dark_on_light_in_the_dark(admin: Page, site: str, fake: FakeVZaps) -> None:
    admin.emulate_media(color_scheme="dark")
    create(admin, site, "Night", fake)
    admin.click("#vzaps-pair")
    admin.wait_for_selector("[data-phase=scan]")
    background: Callable[[str], str] = lambda selector: admin.eval_on_selector(  # noqa: E731
        selector, "element => getComputedStyle(element).backgroundColor"
    )
    assert background(".vzaps-qr") == "rgb(255, 255, 255)"
    assert background("body") != "rgb(255, 255, 255)"


def test_pairing_without_javascript(chromium: Browser, site: str, fake: FakeVZaps) -> None:
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        log_in(page, site)
        vzaps_id = create(page, site, "No script", fake)
        page.click("#vzaps-pair")
        page.wait_for_selector(".vzaps-qr img[src^='data:image/png']")
        assert page.url.endswith("?live=1")
        fake.scan(vzaps_id, phone="5511977776666")
        page.click("noscript a")
        page.wait_for_selector("text=Connected: 5511977776666")
