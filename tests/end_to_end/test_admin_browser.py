"""The admin in a real browser, against a real server and the fake over HTTP."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from django_vzaps.testing import FakeVZaps

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

ROOT = str(Path(__file__).parents[2])
# The checkout comes last on the path, so that an installed package is the one that runs.
MANAGE = """
import sys
from django.core.management import execute_from_command_line

sys.path.append(sys.argv.pop(1))
execute_from_command_line(sys.argv)
"""


@pytest.fixture(scope="module")
def fake() -> FakeVZaps:
    return FakeVZaps(client_token="demo-client-token", client_secret="demo-client-secret")


@pytest.fixture(scope="module")
def site(fake: FakeVZaps, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running site with a superuser admin/admin."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with fake.serve() as server:
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.end_to_end.browser_settings",
            "DJANGO_SUPERUSER_PASSWORD": "admin",
            "BROWSER_DATABASE": str(tmp_path_factory.mktemp("site") / "db.sqlite3"),
            "BROWSER_VZAPS": server.url,
            "BROWSER_SITE": f"http://127.0.0.1:{port}",
        }
        django = [sys.executable, "-P", "-c", MANAGE, ROOT]
        subprocess.run([*django, "migrate", "-v0"], env=environment, check=True)  # noqa: S603
        superuser = ["createsuperuser", "--noinput", "--username=admin", "--email=admin@example.org", "-v0"]
        subprocess.run([*django, *superuser], env=environment, check=True)  # noqa: S603
        process = subprocess.Popen(  # noqa: S603
            [*django, "runserver", "--noreload", f"127.0.0.1:{port}"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_it_answers(url + "/admin/login/")
            yield url
        finally:
            process.terminate()
            process.wait(10)


def _wait_until_it_answers(url: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - our own address
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


@pytest.fixture
def admin(page: Page, site: str) -> Iterator[Page]:
    """A page of a person who is logged in; what breaks the content security policy fails the test."""
    violations: list[str] = []
    page.on("console", lambda message: violations.append(message.text) if "Content Security" in message.text else None)
    _log_in(page, site)
    page.wait_for_url("**/admin/")
    yield page
    assert violations == []


def _log_in(page: Page, site: str) -> None:
    page.goto(site + "/admin/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", "admin")
    page.click("input[type=submit]")


def _create(page: Page, site: str, name: str, fake: FakeVZaps) -> str:
    """Create an instance by hand; returns its VZaps id."""
    page.goto(site + "/admin/django_vzaps/instance/add/")
    page.fill("#id_name", name)
    page.click("text=Create on VZaps")
    page.wait_for_selector("text=is created on VZaps")
    return next(remote.id for remote in fake.instances.values() if remote.name == name)


def test_create_subscribe_and_pair(admin: Page, site: str, fake: FakeVZaps) -> None:
    vzaps_id = _create(admin, site, "Front desk", fake)
    admin.click(".object-tools >> text=Subscribe")
    admin.wait_for_selector("text=This WILL CHARGE A CARD")
    assert fake.charges == []
    admin.dblclick("text=Yes, charge the card")
    admin.wait_for_selector(".messagelist")
    assert len(fake.charges) == 1
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
    _create(admin, site, "Hidden", fake)
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
    _create(admin, site, "Slow", fake)
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
    _create(admin, site, "Offline", fake)
    admin.click("#vzaps-pair")
    admin.wait_for_selector("[data-phase=scan]")
    admin.context.set_offline(True)
    admin.wait_for_selector("[data-phase=error]")
    assert "cannot reach the site" in admin.inner_text("#vzaps-phase")
    admin.context.set_offline(False)
    admin.wait_for_selector("[data-phase=scan] #vzaps-phase:has-text('Scan the code now')", timeout=8000)


def test_pairing_with_a_code(admin: Page, site: str, fake: FakeVZaps) -> None:
    vzaps_id = _create(admin, site, "By phone", fake)
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
    _create(admin, site, "Night", fake)
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
        _log_in(page, site)
        vzaps_id = _create(page, site, "No script", fake)
        page.click("#vzaps-pair")
        page.wait_for_selector(".vzaps-qr img[src^='data:image/png']")
        assert page.url.endswith("?live=1")
        fake.scan(vzaps_id, phone="5511977776666")
        page.click("noscript a")
        page.wait_for_selector("text=Connected: 5511977776666")
