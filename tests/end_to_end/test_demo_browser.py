"""The main job in Chromium, through the pages that people see. With SCREENSHOTS=<folder>, the phone's picture too."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.conftest import Demo

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

NAME = "Front desk Olinda"
WAIT = 20_000


def test_create_subscribe_pair_ping_and_pong(demo: Demo, page: Page) -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=WAIT)
    page.set_viewport_size({"width": 1280, "height": 800})
    phone = page.context.new_page()

    page.goto(demo.site)
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("admin")
    page.get_by_role("button", name="Log in").click()

    page.goto(f"{demo.site}/admin/django_vzaps/instance/add/")
    page.get_by_label("Account:").select_option(label="default")
    page.get_by_label("Name").fill(NAME)
    page.get_by_role("button", name="Create on VZaps").click()
    expect(page.get_by_text("is created on VZaps")).to_be_visible()
    detail = page.url

    page.get_by_role("link", name="Subscribe").click()
    page.get_by_role("button", name="Yes, charge the card").click()
    expect(page.get_by_text("Subscribed: VZaps shows the subscription.")).to_be_visible()
    page.get_by_role("link", name="Back to the instance").click()

    page.get_by_role("button", name="Pair").click()
    code = page.get_by_role("img", name="QR code to scan with WhatsApp")
    expect(code).to_be_visible()

    phone.goto(f"{demo.fake}/phone")
    phone.get_by_role("button", name=f"Scan {NAME}").click()
    page.bring_to_front()
    expect(page.get_by_text(re.compile(r"^Connected: \d+"))).to_be_visible()
    expect(code).to_be_hidden()

    phone.bring_to_front()
    phone.get_by_label("Message").fill("ping")
    phone.get_by_role("button", name="Send").click()
    expect(phone.get_by_role("log").get_by_text("pong")).to_be_visible()
    picture(phone, "phone")

    page.bring_to_front()
    page.goto(detail)
    expect(page.get_by_text("connected", exact=True).first).to_be_visible()
    page.get_by_role("link", name=re.compile(r"^Message #")).first.click()
    expect(page.get_by_text("done").first).to_be_visible()
    expect(page.get_by_text("example.vzaps_handlers.answer_ping", exact=True)).to_be_visible()

    page.goto(f"{demo.site}/admin/django_vzaps/instance/")
    expect(page.get_by_role("link", name=NAME)).to_be_visible()


def picture(page: Page, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")
