"""The admin in a real browser, against a real server and the fake over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_vzaps.testing import FakeVZaps
from tests.end_to_end.site import Manage, create, log_in

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


def test_disconnect_and_be_told(admin: Page, site: str, manage: Manage, fake: FakeVZaps) -> None:
    vzaps_id = fake.add_instance(name="Leaving", connected=True).id
    manage("vzaps_sync")
    admin.goto(site + "/admin/django_vzaps/instance/")
    admin.click("text=Leaving")
    admin.wait_for_selector(".field-connection >> text=connected")
    admin.click("a:text-is('Disconnect')")
    admin.wait_for_selector("text=Disconnect from WhatsApp")
    assert fake.instances[vzaps_id].connected
    admin.click("#content input[type=submit]")
    admin.wait_for_selector("text=The instance is disconnected from WhatsApp.")
    assert not fake.instances[vzaps_id].connected
    assert "disconnected" in admin.inner_text(".field-connection")
    assert admin.is_visible("#vzaps-pair")


LOOKER = """
from django.contrib.auth.models import Permission, User
user, _made = User.objects.get_or_create(username="looker", is_staff=True)
user.set_password("looker")
user.save()
user.user_permissions.set(Permission.objects.filter(codename__in=["view_instance", "view_event"]))
"""


def test_who_may_only_look_finds_nothing_to_press(page: Page, site: str, manage: Manage, fake: FakeVZaps) -> None:
    fake.add_instance(name="Watched", connected=True)
    manage("vzaps_sync")
    manage("shell", "-c", LOOKER)
    log_in(page, site, "looker", "looker")
    page.click("text=Instances")
    assert page.locator(".object-tools").count() == 0
    assert page.locator("select[name=action]").count() == 0
    page.click("text=Watched")
    page.wait_for_selector(".field-connection")
    controls = page.locator("#content a.button, #content button, #content input[type=submit], #content .vzaps-tool")
    assert controls.all_inner_texts() == []
    before = list(fake.charges)
    for refused in ("subscribe", "pair", "delete", "webhook", "send", "edit"):
        response = page.goto(page.url.rsplit("/", 2)[0] + f"/{refused}/")
        assert response is not None
        assert response.status == 403, refused
        page.go_back()
    assert fake.charges == before
