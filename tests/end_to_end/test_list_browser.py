"""The list of instances in a real browser: what fits, what keys reach, and what a policy lets through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.site import Manage, log_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

LIST = "/admin/django_vzaps/instance/"
ROWS = """
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from django_vzaps.models import Account, Event, Instance, Subscription, Webhook
now = timezone.now()
accounts = [Account.objects.create(name=name) for name in ("Agência São Paulo", "another account")]
owner = User.objects.create(username="maria.fernanda.albuquerque@example.org")
def make(number, name, state, **columns):
    instance = Instance.objects.create(
        account=accounts[number % 2], owner=owner, vzaps_id=f"VZ{number}", name=name, last_event_at=now, **columns
    )
    Subscription.objects.create(instance=instance, state=state, cancel_at=now + timedelta(days=2))
    Webhook.objects.create(instance=instance, actual_host_and_path="hooks.a-long-name.example.com/x", checked_at=now)
    Event.objects.create(instance=instance, payload="", state="pending", received_at=now - timedelta(hours=5))
heard = {"connected": True, "connection_asked_at": now, "connection_source": "webhook"}
picture = {"profile_picture_url": "https://pictures.invalid/1.jpg"}
make(1, "Front desk", "active", phone="5511999990000", profile=picture, **heard)
Instance.objects.update(owner=None)  # where it is shown, the policy is broken
make(2, "Clínica Boa Vista: agendamentos e retornos", "trialing", phone="5511999990001", connected=False)
make(3, "W" * 255, "past_due", phone="5" * 64, **heard)
make(4, "\\u202eevil\\u202d " + "<script>alert(1)</script>", "unpaid", connected=True)
make(5, "old", "unknown", connected=True, connection_asked_at=now - timedelta(days=1))
"""


@pytest.fixture(scope="module")
def rows(manage: Manage) -> None:
    manage("shell", "-c", ROWS)


@pytest.fixture
def listed(admin: Page, site: str, rows: None) -> Page:
    admin.set_viewport_size({"width": 1280, "height": 900})
    # The photo is of another site, which the policy does not let in: that is a test of its own.
    admin.goto(f"{site}{LIST}?q=Cl%C3%ADnica")
    return admin


def widths(page: Page, selector: str) -> tuple[int, int]:
    """What there is to see of an element, and what is seen."""
    found = page.eval_on_selector(selector, "element => [element.scrollWidth, element.clientWidth]")
    return found[0], found[1]


def test_all_columns_fit_a_usual_screen_and_filters_come_at_a_press(listed: Page) -> None:
    needed, seen = widths(listed, ".results")
    assert needed == seen
    button = listed.locator("#vzaps-filters")
    assert button.get_attribute("aria-expanded") == "false"
    assert not listed.is_visible("#changelist-filter")
    button.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    assert listed.is_visible("#changelist-filter")
    listed.reload()
    assert listed.is_visible("#changelist-filter"), "as it was left"
    button.press("Enter")
    assert not listed.is_visible("#changelist-filter")


def test_a_wide_screen_has_the_filters_beside_the_list(listed: Page) -> None:
    listed.set_viewport_size({"width": 1700, "height": 900})
    listed.reload()
    assert listed.is_visible("#changelist-filter")
    needed, seen = widths(listed, ".results")
    assert needed == seen


def test_a_phone_scrolls_the_table_and_not_the_page(listed: Page) -> None:
    listed.set_viewport_size({"width": 390, "height": 844})
    listed.reload()
    needed, seen = widths(listed, "html")
    assert needed == seen
    needed, seen = widths(listed, ".results")
    assert needed > seen


def test_the_strip_leads_to_the_rows_it_counts(listed: Page, site: str) -> None:
    stale = listed.locator(".vzaps-strip a", has_text="stale")
    assert stale.inner_text().split() == ["2", "stale"]
    stale.press("Enter")
    listed.wait_for_url("**/?connection=stale")
    assert listed.locator("#result_list tbody tr").count() == 2
    assert listed.locator(".vzaps-strip [aria-current=true]").inner_text().split()[-1] == "stale"
    assert listed.locator("#vzaps-filters").inner_text() == "Filters (in use)"


def test_an_owner_is_found_by_typing_and_by_a_press(listed: Page) -> None:
    listed.click("#vzaps-filters")
    listed.fill("#vzaps-owner", "maria")
    listed.press("#vzaps-owner", "Enter")
    listed.wait_for_url("**/?q=Cl%C3%ADnica&owner=maria")
    assert listed.locator("#result_list tbody tr").count() == 1
    listed.click(".field-owned_by a")
    listed.wait_for_url("**/?owner=%3Dmaria.fernanda.albuquerque%40example.org")
    assert listed.locator("#changelist-filter .selected", has_text="maria.fernanda").count() == 1


def test_a_photo_that_is_not_let_through_leaves_the_initials(page: Page, site: str, rows: None) -> None:
    log_in(page, site)
    page.wait_for_url("**/admin/")
    page.goto(f"{site}{LIST}?q=Front")
    photo = page.locator(".vzaps-photo")
    assert photo.inner_text() == "FD"
    assert photo.locator("img").evaluate("image => image.complete && image.naturalWidth") == 0


def test_without_javascript_the_filters_are_there(chromium: Browser, site: str, rows: None) -> None:
    with chromium.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        log_in(page, site)
        page.goto(f"{site}{LIST}?q=old")
        assert page.is_visible("#changelist-filter")
        assert not page.is_visible("#vzaps-filters")
        page.fill("#vzaps-owner", "nobody")
        page.click(".vzaps-owner button")
        assert page.locator("#result_list tbody tr").count() == 0
