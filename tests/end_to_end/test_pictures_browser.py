"""What the README shows: each page fits a desktop and a phone. With SCREENSHOTS=<folder>, these are its pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from django_vzaps.models import (
    Alert,
    AlertKind,
    ChangedField,
    Event,
    EventState,
    Instance,
    InstanceChange,
    ReportedState,
)
from django_vzaps.testing import FakeVZaps
from tests.end_to_end.populate import HOSTILE, populated
from tests.end_to_end.site import Manage, log_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

SCREENS: Final = {"desktop": (1280, 800), "phone": (390, 844)}
#: What has to be on each page, and where it is; numbers are of the rows that :func:`populated` makes.
PAGES: Final = {
    "console-list": ("instance/", ".vzaps-strip"),
    "console-instance": ("instance/1/change/", ".field-connection"),
    "console-event": ("event/{failed}/change/", "text=KeyError"),
    "console-events": ("event/", "svg"),
    "console-batch": ("batch/2/change/", "progress"),
    "console-billing": ("instance/{unpaid}/subscribe/", "text=WILL CHARGE A CARD"),
    "console-webhook": ("instance/{drifted}/webhook/", "#content form"),
    "console-alerts": ("alert/", "text=is disconnected"),
    "console-alert": ("alert/{alert}/change/", "text=Go where it is put right"),
    "console-history": ("instance/{changed}/change/#newest-changes", "text=All changes of this instance"),
}


def tame() -> None:
    """Have nobody write what no manual would show; print the rows that are worth a look."""
    for event in Event.objects.all():
        event.payload = event.payload.replace(json.dumps(HOSTILE)[1:-1], "Ana Souza")
        event.save(update_fields=["payload"])
    Instance.objects.filter(name=HOSTILE).update(name="Wholesale Porto Alegre")
    Instance.objects.filter(push_name=HOSTILE).update(push_name="Support Centro")
    failed = Event.objects.filter(state=EventState.FAILED, type="Message").earliest("pk")
    unpaid = Instance.objects.filter(subscription__state="trialing").earliest("pk")
    drifted = Instance.objects.filter(webhook__is_drifted=True).earliest("pk")
    InstanceChange.objects.filter(field=ChangedField.CONNECTED).update(old=False, new=True)
    InstanceChange.objects.filter(field=ChangedField.NAME).update(new="Support Centro")
    InstanceChange.objects.filter(field=ChangedField.LABELS).update(new={"team": "support"})
    changed = InstanceChange.objects.earliest("pk")
    Alert.objects.filter(kind=AlertKind.EVENTS_WAITING).delete()
    alert = Alert.objects.get(kind=AlertKind.DISCONNECTED)
    alert.instance = Instance.objects.filter(reported_state=ReportedState.DISCONNECTED).earliest("pk")
    alert.save(update_fields=["instance"])
    rows = {"failed": failed, "unpaid": unpaid, "drifted": drifted, "changed": changed.instance, "alert": alert}
    print(json.dumps({name: row.pk for name, row in rows.items()}))  # noqa: T201


@pytest.fixture(scope="module")
def rows(fake: FakeVZaps, manage: Manage) -> dict[str, int]:
    populated(fake, manage)
    said = manage("shell", "-c", "from tests.end_to_end.test_pictures_browser import tame; tame()")
    found: dict[str, int] = json.loads(said.strip().splitlines()[-1])
    return found


@pytest.fixture(params=SCREENS)
def screen(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def visitor(chromium: Browser, rows: dict[str, int], site: str, screen: str) -> Iterator[Page]:
    width, height = SCREENS[screen]
    with chromium.new_context(viewport={"width": width, "height": height}) as context:
        page = context.new_page()
        log_in(page, site)
        page.wait_for_url("**/admin/")
        yield page


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_its_screen(visitor: Page, site: str, rows: dict[str, int], screen: str, name: str) -> None:
    path, sight = PAGES[name]
    visitor.goto(f"{site}/admin/django_vzaps/{path.format(**rows)}")
    visitor.wait_for_selector(sight)
    assert visitor.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(visitor, f"{name}-{screen}")


def test_the_code_fits_its_screen(visitor: Page, site: str, rows: dict[str, int], screen: str, fake: FakeVZaps) -> None:
    instance = Instance(pk=rows["unpaid"])
    visitor.goto(f"{site}/admin/django_vzaps/instance/{instance.pk}/pair/")
    visitor.click("text=Show QR code")
    visitor.wait_for_selector("img[src^='data:image/png']")
    assert visitor.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(visitor, f"console-pairing-{screen}")
    visitor.click("text=Stop")


def picture(page: Page, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")
