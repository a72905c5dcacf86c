"""The pairing page in a real browser, whose picture is read as a phone would read it."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
import segno

from django_vzaps.testing import FakeVZaps
from django_vzaps.testing.routes.sessions import current_qr
from tests.end_to_end.conftest import eventually
from tests.end_to_end.site import Manage, create, log_in

if TYPE_CHECKING:
    from PIL.Image import Image
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

#: Moves an attempt into the past.
PASS = """
from datetime import timedelta
from django.db.models import F
from django_vzaps.models import Pairing
columns = ("opened_at", "until", "seen_at", "code_since", "code_asked_at")
Pairing.objects.update(**{{column: F(column) - timedelta(seconds={seconds}) for column in columns}})
"""
SCAN = "[data-phase=scan] .vzaps-qr img[src^='data:image/png']"


@pytest.fixture
def passes(manage: Manage, fake: FakeVZaps) -> Callable[[float], None]:
    """Let seconds pass, on this site and at VZaps."""

    def pass_(seconds: float) -> None:
        fake.clock.advance(seconds)
        manage("shell", "-v0", "-c", PASS.format(seconds=seconds))

    return pass_


@pytest.fixture
def second(chromium: Browser, site: str, manage: Manage) -> Iterator[Page]:
    """A second person in a browser of their own."""
    make = "from django.contrib.auth.models import User; User.objects.create_superuser('rosa', password='rosa')"
    manage("shell", "-v0", "-c", make)
    with chromium.new_context() as context:
        page = context.new_page()
        log_in(page, site, "rosa", "rosa")
        page.wait_for_url("**/admin/")
        yield page


def picture(page: Page, selector: str) -> Image:
    from PIL import Image

    return Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("L")


def read(image: Image) -> str:
    """What a phone reads from a picture; empty where it finds no code."""
    import zxingcpp

    found = zxingcpp.read_barcode(image)
    return found.text if found else ""


def wanted(fake: FakeVZaps, vzaps_id: str) -> str:
    """What the code says that VZaps would accept now."""
    from PIL import Image

    shown = current_qr(fake, fake.instances[vzaps_id])
    assert shown is not None
    return read(Image.open(io.BytesIO(base64.b64decode(shown.partition(",")[2]))))


def shows_the_code(page: Page, fake: FakeVZaps, vzaps_id: str) -> None:
    """The page shows, as a picture, the code that VZaps would accept."""
    expected = wanted(fake, vzaps_id)
    assert expected
    eventually(lambda: read(picture(page, ".vzaps-qr")) == expected, 10)


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def test_scan_the_picture_and_see_who_it_is(admin: Page, site: str, fake: FakeVZaps) -> None:
    vzaps_id = create(admin, site, "Front desk", fake)
    admin.click("#vzaps-pair")
    admin.wait_for_selector(SCAN)
    assert admin.title().startswith("Scan now ")
    assert admin.inner_text("#vzaps-step") == "Code 1 of 6"
    assert re.fullmatch(r"Next code in about \d+ s", admin.inner_text("#vzaps-countdown"))
    shows_the_code(admin, fake, vzaps_id)
    # What a screen reader is told of does not change every second.
    assert admin.locator("[role=status] #vzaps-countdown").count() == 0
    assert admin.get_attribute("#vzaps-countdown", "aria-hidden") == "true"
    assert admin.locator("[role=status][aria-live=polite] #vzaps-phase").count() == 1

    fake.scan(vzaps_id, phone="5511999990000", push_name="<b>Bia</b> " + "a" * 200)

    admin.wait_for_selector("[data-phase=connected]")
    assert admin.title().startswith("Connected ")
    assert admin.inner_text("#vzaps-phase").startswith("Connected: 5511999990000 <b>Bia</b> aaa")
    assert admin.locator("#vzaps-qr").count() == 0
    admin.set_viewport_size({"width": 390, "height": 800})
    assert fits(admin)
    admin.click(".vzaps-next >> text=Go to the instance")
    assert "connected" in admin.inner_text(".field-connection")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_code_is_black_on_white_with_a_margin(
    admin: Page, site: str, fake: FakeVZaps, scheme: str, width: int
) -> None:
    admin.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    admin.set_viewport_size({"width": width, "height": 800})
    vzaps_id = create(admin, site, f"Night {scheme} {width}", fake)
    admin.click("#vzaps-pair")
    admin.wait_for_selector(SCAN)
    assert fits(admin)
    image = picture(admin, ".vzaps-qr")
    text = read(image)
    assert text == wanted(fake, vzaps_id)
    black = image.point(lambda value: 255 if value < 100 else 0).getbbox()
    assert black is not None
    # Without the 4 modules that the fake's own pictures have around them, as VZaps' might not.
    modules = segno.make(text, error="l", micro=False).symbol_size(border=0)[0]
    module = (black[2] - black[0]) / modules
    assert (black[2] - black[0]) / modules * (modules + 8) >= 256
    assert admin.evaluate("parseFloat(getComputedStyle(document.querySelector('.vzaps-qr')).paddingLeft)") >= 4 * module
    assert image.getpixel((image.width // 2, 10)) == 255
    body = admin.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (body != "rgb(255, 255, 255)") == (scheme == "dark")


def test_codes_are_renewed_until_vzaps_ends_it_and_then_at_a_press(
    admin: Page, site: str, fake: FakeVZaps, passes: Callable[[float], None]
) -> None:
    vzaps_id = create(admin, site, "Slow", fake)
    admin.click("#vzaps-pair")
    admin.wait_for_selector(SCAN)
    first = wanted(fake, vzaps_id)

    passes(61)

    admin.wait_for_selector("#vzaps-step:has-text('Code 2 of 6')")
    assert wanted(fake, vzaps_id) != first
    shows_the_code(admin, fake, vzaps_id)

    passes(105)

    admin.wait_for_selector("[data-phase=expired]")
    assert admin.title().startswith("Time is up")
    assert admin.locator("#vzaps-qr").count() == 0
    admin.wait_for_timeout(100)
    fake.calls.clear()
    admin.wait_for_timeout(3000)
    assert fake.calls == []

    admin.click("input[value='Go on with a new code']")
    admin.wait_for_selector("[data-phase=starting]")
    passes(16)

    admin.wait_for_selector("#vzaps-step:has-text('Code 1 of 6')")
    shows_the_code(admin, fake, vzaps_id)
    fake.scan(vzaps_id)
    admin.wait_for_selector("[data-phase=connected]")


def test_a_second_person_takes_over(admin: Page, second: Page, site: str, fake: FakeVZaps) -> None:
    vzaps_id = create(admin, site, "Wanted by two", fake)
    detail = admin.url
    admin.click("#vzaps-pair")
    admin.wait_for_selector(SCAN)
    second.goto(detail)
    second.click("#vzaps-pair")
    second.wait_for_selector("[data-phase=watched]")
    assert "admin is pairing this number right now" in second.inner_text("#vzaps-phase")
    assert second.locator("#vzaps-qr").count() == 0

    second.click("button:text('Take over')")

    second.wait_for_selector(SCAN)
    shows_the_code(second, fake, vzaps_id)
    admin.wait_for_selector("[data-phase=watched]")
    assert "rosa is pairing this number right now" in admin.inner_text("#vzaps-phase")
    assert admin.locator("#vzaps-qr").count() == 0
    assert not admin.is_visible(".vzaps-watch")
    second.click("button:text('Stop')")
    second.wait_for_selector("[data-phase=idle]")
    admin.wait_for_timeout(100)
    fake.calls.clear()
    admin.wait_for_timeout(3000)
    assert fake.calls == []


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
    with admin.expect_response("**/pair/poll/*"):
        admin.evaluate("setHidden(false)")
    assert fake.calls_to("session_status")
    assert not fake.calls_to("qr")


def test_a_page_that_lost_the_site_says_so_and_recovers(admin: Page, site: str, fake: FakeVZaps) -> None:
    create(admin, site, "Offline", fake)
    admin.click("#vzaps-pair")
    admin.wait_for_selector("[data-phase=scan]")
    admin.context.set_offline(True)
    admin.wait_for_selector("[data-phase=error]")
    assert admin.inner_text("#vzaps-phase-title") == "This page cannot reach the site"
    admin.context.set_offline(False)
    admin.wait_for_selector(f"{SCAN}", timeout=12_000)
    assert admin.inner_text("#vzaps-phase-title") == "Scan now"


def test_the_tabs_are_tabs(admin: Page, site: str, fake: FakeVZaps) -> None:
    create(admin, site, "By keyboard", fake)
    admin.click("#vzaps-pair")
    admin.wait_for_selector("[data-phase=scan]")
    scan, type_ = admin.get_by_role("tab", name="Scan a code"), admin.get_by_role("tab", name="Type a code")
    assert scan.get_attribute("aria-selected") == "true"
    scan.focus()
    admin.keyboard.press("ArrowRight")
    assert type_.get_attribute("aria-selected") == "true"
    assert type_.evaluate("element => element === document.activeElement")
    assert admin.get_by_role("tabpanel", name="Type a code").is_visible()
    assert not admin.is_visible("#vzaps-qr")
    admin.keyboard.press("Home")
    assert admin.is_visible("#vzaps-qr")


def test_pairing_with_a_code(admin: Page, site: str, fake: FakeVZaps) -> None:
    admin.context.grant_permissions(["clipboard-read", "clipboard-write"])
    vzaps_id = create(admin, site, "By phone", fake)
    admin.goto(admin.url.replace("/change/", "/pair/"))
    admin.click("text=Type a code")
    admin.fill("#id_phone", "+55 11 98888-7777")
    admin.dblclick("text=Get a pairing code")
    admin.wait_for_selector("[data-phase=typing] #vzaps-code")
    assert len(fake.calls_to("pair_code")) == 1
    code = admin.inner_text("#vzaps-code")
    assert re.fullmatch(r"[A-Z0-9]{4}-[A-Z0-9]{4}", code)
    admin.click("button:text('Copy')")
    admin.wait_for_selector("[role=status]:text('Copied')")
    assert admin.evaluate("navigator.clipboard.readText()") == code
    admin.set_viewport_size({"width": 390, "height": 800})
    assert fits(admin)
    admin.click("text=Scan a code")
    admin.focus("input[value='Show a QR code instead']")

    fake.scan(vzaps_id, phone="5511988887777")

    admin.wait_for_selector("[data-phase=connected]")
    assert admin.locator("#vzaps-code").count() == 0
    # What had the focus is gone: it is where the news is.
    assert admin.evaluate("document.activeElement.id") == "vzaps-phase-title"
    assert vzaps_id not in {call.instance_id for call in fake.calls_to("qr")}


def test_where_a_photo_does_not_load_the_initials_stay(chromium: Browser, site: str, fake: FakeVZaps) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        log_in(page, site)
        page.wait_for_url("**/admin/")
        vzaps_id = create(page, site, "Photo", fake)
        page.click("#vzaps-pair")
        page.wait_for_selector("[data-phase=scan]")
        fake.scan(vzaps_id)
        profile = {"connected": True, "push_name": "Bia Carvalho", "profile_picture_url": "https://127.0.0.1:9/bia.jpg"}
        body = json.dumps({"code": 200, "success": True, "data": profile}).encode()
        fake.faults.add("session_status", body=body)
        page.wait_for_selector("[data-phase=connected]")
        page.wait_for_selector(".vzaps-photo:not(:has(img))")
        assert page.inner_text(".vzaps-photo") == "BC"
        page.reload()
        page.wait_for_selector(".vzaps-photo:not(:has(img))")


def test_nothing_moves_for_who_wants_it_so(admin: Page, site: str, fake: FakeVZaps) -> None:
    admin.emulate_media(reduced_motion="reduce")
    create(admin, site, "Calm", fake)
    fake.faults.add("qr", body=b'{"code": 200, "success": true, "data": {}}')
    admin.click("#vzaps-pair")
    spinner = admin.wait_for_selector("[data-phase=starting] .vzaps-spinner")
    assert spinner is not None
    assert spinner.evaluate("element => getComputedStyle(element).animationName") == "none"


def test_pairing_without_javascript(chromium: Browser, site: str, fake: FakeVZaps) -> None:
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        log_in(page, site)
        vzaps_id = create(page, site, "No script", fake)
        page.click("#vzaps-pair")
        page.wait_for_selector(".vzaps-qr img[src^='data:image/png']")
        assert page.url.endswith("&live=1")
        shows_the_code(page, fake, vzaps_id)
        fake.scan(vzaps_id, phone="5511977776666")
        page.click("noscript a")
        page.wait_for_selector("text=Connected: 5511977776666")


def test_typing_a_code_without_javascript(chromium: Browser, site: str, fake: FakeVZaps) -> None:
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        log_in(page, site)
        vzaps_id = create(page, site, "No script, no camera", fake)
        page.goto(page.url.replace("/change/", "/pair/"))
        page.click("text=Type a code")
        page.fill("#id_phone", "+55 11 97777-5555")
        page.click("text=Get a pairing code")
        page.wait_for_selector("#vzaps-code")
        assert not page.is_visible("#vzaps-copy")
        fake.scan(vzaps_id, phone="5511977775555")
        page.click(".vzaps-typed noscript a")
        page.wait_for_selector("text=Connected: 5511977775555")
