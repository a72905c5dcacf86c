"""Events in a real browser: the chart, a failed event from the list to its replay, and how the pages hold together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.site import Manage

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


LIST = "/admin/django_vzaps/event/"
SEED = """
import json, random
from datetime import timedelta
from django.utils import timezone
from django_vzaps.models import Account, Event, HandlerRun, Instance
from django_vzaps.testing import events

account = Account.objects.from_settings()
shop = Instance.objects.create(account=account, vzaps_id="VZSHOP", name="Shop in a street with a very long name, 12")
desk = Instance.objects.create(account=account, vzaps_id="VZDESK", name="Front desk")
dice, now = random.Random(4), timezone.now()
for number in range(240):
    at = now - timedelta(minutes=6 * number)
    phone = f"55119{dice.randrange(10**8):08d}"
    receipt = events.read_receipt(["3EB0A1"], sender=phone)
    said = dice.choice([events.message("oi", sender=phone, media="image"), receipt])
    info = said["event"].get("info", {})
    event = Event.objects.create(
        instance=dice.choice([shop, desk]), type=said["type"], payload=json.dumps(said), received_at=at,
        occurred_at=at - timedelta(seconds=dice.choice([1, 2, 7000])), message_id=info.get("id", ""),
        chat=f"{phone}@s.whatsapp.net", state=dice.choice(["done"] * 9 + ["failed", "ignored"]),
        duplicates=dice.choice([0, 0, 0, 2]),
    )
    if event.state != "ignored":
        HandlerRun.objects.create(event=event, handler="shop.vzaps_handlers.take_order", state=event.state, attempts=1)
text = "order \\u202e evil \\u05d0\\u05d1\\u05d2 <script>alert(1)</script> " + "w" * 3000
said = events.message(text, push_name="<b>Bia</b>", message_id="3EB0ORDER", sender="5511988887777", media="image")
failed = Event.objects.create(
    instance=shop, type="Message", payload=json.dumps(said), state="failed", message_id="3EB0ORDER",
    chat="5511988887777@s.whatsapp.net",
)
HandlerRun.objects.create(
    event=failed, handler="tests.end_to_end.shop.vzaps_handlers.take_order", state="failed", attempts=3, duration=0.12,
    error="Traceback:\\n  File shop.py, line 3, in take_order\\nLookupError: The shop's stock cannot be read\\n",
)
print(failed.pk)
"""


@pytest.fixture(scope="module")
def failed(manage: Manage, site: str) -> int:
    """The number of a failed event among many others."""
    return int(manage("shell", "-v0", "-c", SEED).strip().splitlines()[-1])


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def test_a_failed_event_is_found_read_and_replayed(admin: Page, site: str, manage: Manage, failed: int) -> None:
    admin.goto(f"{site}{LIST}?q=3EB0ORDER")
    assert admin.locator("#result_list tbody tr").count() == 1
    assert "handlers: 1 failed" in admin.inner_text("#result_list .field-outcome")
    admin.click(f"#result_list >> text=Message #{failed}")
    assert "failed after 3 attempts: LookupError: The shop's stock cannot be read" in admin.inner_text(".vzaps-story")
    assert not admin.is_visible(".vzaps-payload pre")
    admin.click(".vzaps-payload summary")
    shown = admin.inner_text(".vzaps-payload pre")
    assert "order \\u202e evil" in shown
    assert "the key to a file" in shown
    assert "bWVkaWEga2V5" not in shown
    admin.click(".object-tools >> text=Replay")
    admin.click("input[value=Replay]")
    admin.wait_for_selector("text=1 event is handled again.")
    assert "It is tried again at" in admin.inner_text(".vzaps-story"), "the shop is not mended yet"
    Path(manage.environment["BROWSER_DATABASE"]).with_name("mended").touch()
    manage(
        "shell",
        "-v0",
        "-c",
        f"from django_vzaps.models import *; Event.objects.filter(pk={failed}).update(state='failed')",
    )
    admin.click(".object-tools >> text=Replay")
    admin.click("input[value=Replay]")
    admin.wait_for_selector("text=1 event is handled again.")
    assert "done" in admin.inner_text(".field-state_shown")
    assert "1 handler has handled it" in admin.inner_text(".vzaps-story")


def test_the_chart_leads_to_an_hour_and_filters_can_be_taken_off(admin: Page, site: str, failed: int) -> None:
    admin.goto(site + LIST)
    bars = admin.locator(".vzaps-bars .vzaps-bar")
    assert bars.count() == 24
    assert max(bars.nth(number).bounding_box()["height"] for number in range(24)) == 72  # type: ignore[index]
    failures = admin.locator(".vzaps-bars .vzaps-bar-failed")
    assert max(failures.nth(number).bounding_box()["height"] for number in range(24)) >= 28  # type: ignore[index]
    admin.click(".vzaps-chart summary")
    admin.locator(".vzaps-chart tbody a").nth(20).click()
    admin.wait_for_url("**received_from=*")
    assert admin.locator("#result_list tbody tr").count() == 10
    assert admin.input_value("#vzaps-received-from")
    admin.click(".vzaps-active a[aria-label='Remove the filter by time received']")
    assert admin.locator(".vzaps-active").count() == 0


def test_an_instance_is_found_by_its_vzaps_id(admin: Page, site: str, failed: int) -> None:
    admin.goto(f"{site}{LIST}?type=Message")
    admin.fill("#vzaps-instance", "VZDESK")
    admin.click("text=Find the instance")
    admin.wait_for_url("**instance__id__exact=*")
    assert "type=Message" in admin.url
    active = admin.inner_text(".vzaps-active")
    assert "Front desk" in active
    assert "Message" in active


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_hold_together(admin: Page, site: str, failed: int, width: int, scheme: str) -> None:
    admin.set_viewport_size({"width": width, "height": 900})
    admin.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for path in ("", f"{failed}/change/", f"replay/?ids={failed}"):
        admin.goto(site + LIST + path)
        for summary in admin.locator(".vzaps-payload summary, .vzaps-error summary").all():
            summary.click()
        assert overflow(admin) <= 0, path


def test_no_control_is_without_a_name(admin: Page, site: str, failed: int) -> None:
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    for path in ("", "?state=failed&received=day", f"{failed}/change/", f"replay/?ids={failed}"):
        admin.goto(site + LIST + path)
        # Django's own search field has its label in a picture, which axe does not read.
        # Its preload copies style sheets into the page, which the policy forbids.
        options = {"resultTypes": ["violations"], "preload": False}
        found = Axe().run(admin, {"exclude": [["#searchbar"]]}, options).response["violations"]
        serious = [
            f"{each['id']}: {each['nodes'][0]['html'][:200]}"
            for each in found
            if each["impact"] in ("serious", "critical")
        ]
        assert serious == [], path
