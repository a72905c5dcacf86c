"""The admin in a real browser, against a real server and the fake over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_vzaps.testing import FakeVZaps
from tests.end_to_end.site import create

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_create_subscribe_and_pair(admin: Page, site: str, fake: FakeVZaps) -> None:
    vzaps_id = create(admin, site, "Front desk", fake)
    admin.click("a:text-is('Subscribe')")
    admin.wait_for_selector("text=This WILL CHARGE A CARD")
    assert fake.charges == []
    admin.dblclick("text=Yes, charge the card")
    admin.wait_for_selector("text=Subscribed: VZaps shows the subscription.")
    assert len(fake.charges) == 1
    admin.click("text=Back to the instance")
    admin.click("#vzaps-pair")
    admin.wait_for_selector("[data-phase=scan] .vzaps-qr img[src^='data:image/png']")
    fake.scan(vzaps_id, phone="5511999990000", push_name="<script>alert(1)</script>")
    admin.wait_for_selector("[data-phase=connected]")
    assert "Connected: 5511999990000 <script>alert(1)</script>." in admin.inner_text("#vzaps-phase")
    assert not admin.is_visible("#vzaps-qr")
    admin.click("text=Go to the instance")
    assert "connected" in admin.inner_text(".field-connection")
    admin.click("text=Connected #")
    assert "done" in admin.inner_text(".field-state_shown")
