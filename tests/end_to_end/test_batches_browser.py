"""Bulk work in a real browser, carried out by a process of its own."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

from django_vzaps.testing import Answer, FakeVZaps
from tests.end_to_end.site import Manage, log_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

LIST = "/admin/django_vzaps/instance/"
NAMES = [f"Branch {number}" for number in range(1, 7)]
Look = Callable[["Page", str], None]


@pytest.fixture(scope="module", autouse=True)
def _tasks_wait_for_a_worker() -> Iterator[None]:
    """The site sends tasks to a broker that nobody listens to; a runner is started by the test."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BROWSER_TASKS", "celery")
        environment.setenv("CELERY_BROKER_URL", "memory://")
        yield


@pytest.fixture(scope="module")
def branches(fake: FakeVZaps, manage: Manage) -> list[str]:
    """Six instances, known on both sides: their VZaps ids."""
    made = [fake.add_instance(name=name).id for name in NAMES]
    manage("vzaps_sync")
    return made


@pytest.fixture
def look() -> Look:
    """Keep a picture where ``SCREENSHOTS`` says."""

    def look(page: Page, name: str) -> None:
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{folder}/{name}.png", full_page=True)

    return look


class Gate:
    """Lets so many restarts through, then keeps VZaps waiting until it is opened."""

    def __init__(self, fake: FakeVZaps, after: int) -> None:
        self._open = threading.Event()
        self._left = after
        self._handle = fake.handle
        self._fake = fake
        fake.handle = self.handle  # type: ignore[method-assign]

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if target.split("?")[0].endswith("/restart"):
            if not self._left:
                self._open.wait(30)
            else:
                self._left -= 1
        return self._handle(method, target, headers, body)

    def open(self) -> None:
        self._open.set()
        self._fake.handle = self._handle  # type: ignore[method-assign]


def choose_all(page: Page, site: str, action: str) -> None:
    page.goto(site + LIST)
    page.check("#action-toggle")
    page.select_option("select[name=action]", action)
    page.click("button[name=index]")


def test_a_failure_in_the_middle_of_a_bulk_restart_is_retried(
    admin: Page, site: str, fake: FakeVZaps, manage: Manage, branches: list[str], look: Look
) -> None:
    fake.faults.add(
        lambda request: request.route == "restart" and request.instance_id == branches[2], status=403, times=1
    )
    gate = Gate(fake, after=4)
    choose_all(admin, site, "restart_selected")
    admin.wait_for_selector("text=VZaps restarts 6 instances.")
    look(admin, "confirm")
    assert not fake.calls_to("restart")
    admin.dblclick("text=Yes, restart 6 instances")
    admin.wait_for_selector("#vzaps-words:text-is('0 of 6 done')")
    batch = admin.url
    look(admin, "waiting")

    # The page is left and come back to: the work goes on meanwhile.
    admin.goto(site + LIST)
    runner = manage.start("vzaps_batches")
    try:
        admin.goto(batch)
        admin.wait_for_selector("#vzaps-words:text-is('3 of 6 done, 1 failed')")
        assert admin.get_attribute("#vzaps-bar", "value") == "4"
        assert admin.inner_text("tr:has-text('Branch 5') .vzaps-badge") == "running"
        assert "VZaps refused" in admin.inner_text("tr:has-text('Branch 3')")
        assert admin.inner_text("#vzaps-said") in ("", "3 of 6 done, 1 failed")
        assert admin.is_visible("#vzaps-stop")
        assert not admin.is_visible("#vzaps-retry")
        look(admin, "running")
        admin.evaluate("window.isSamePage = true")
        gate.open()
        admin.wait_for_selector("#vzaps-words:text-is('5 of 6 done, 1 failed')")
        admin.wait_for_selector("#vzaps-retry")
    finally:
        gate.open()
        runner.wait(30)
    assert admin.evaluate("window.isSamePage")
    assert admin.inner_text("#vzaps-said") == "5 of 6 done, 1 failed"
    look(admin, "finished")
    admin.set_viewport_size({"width": 390, "height": 844})
    assert admin.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    look(admin, "finished-phone")
    admin.set_viewport_size({"width": 1280, "height": 800})
    admin.emulate_media(color_scheme="dark")
    look(admin, "finished-dark")
    admin.emulate_media(color_scheme="light")

    admin.dblclick("#vzaps-retry")
    admin.wait_for_selector("#vzaps-words:text-is('0 of 1 done')")
    assert admin.url != batch
    manage("vzaps_batches")
    admin.wait_for_selector("#vzaps-words:text-is('1 of 1 done')")
    assert len(fake.calls_to("restart")) == 7
    admin.goto(site + "/admin/django_vzaps/batch/")
    assert admin.locator("#result_list tbody tr").count() == 2
    assert "5 of 6 done, 1 failed" in admin.inner_text("#result_list")
    look(admin, "list")


def test_a_finished_page_and_one_that_nobody_looks_at_ask_nothing(
    admin: Page, site: str, manage: Manage, branches: list[str]
) -> None:
    admin.add_init_script(
        "let hidden = false; Object.defineProperty(document, 'hidden', {get: () => hidden});"
        "window.setHidden = (value) => { hidden = value; document.dispatchEvent(new Event('visibilitychange')); };"
    )
    asked: list[str] = []
    admin.on("request", lambda request: asked.append(request.url) if "/progress/" in request.url else None)
    choose_all(admin, site, "restart_selected")
    admin.click("text=Yes, restart 6 instances")
    with admin.expect_response("**/progress/"):
        pass
    admin.evaluate("setHidden(true)")
    admin.wait_for_timeout(200)
    asked.clear()
    admin.wait_for_timeout(2500)
    assert asked == []
    manage("vzaps_batches")
    admin.evaluate("setHidden(false)")
    admin.wait_for_selector("#vzaps-words:text-is('6 of 6 done')")
    admin.wait_for_timeout(200)
    asked.clear()
    admin.wait_for_timeout(2500)
    assert asked == []


def test_a_button_stays_in_the_hand_of_who_has_the_focus_on_it(
    admin: Page, site: str, manage: Manage, branches: list[str]
) -> None:
    choose_all(admin, site, "restart_selected")
    admin.click("text=Yes, restart 6 instances")
    admin.focus("#vzaps-stop")
    with admin.expect_response("**/progress/"):
        pass
    assert admin.evaluate("document.activeElement.id") == "vzaps-stop"
    admin.keyboard.press("Enter")
    admin.wait_for_selector("#vzaps-words:text-is('0 of 6 done, 6 stopped')")
    assert "Stopped: 6 were still waiting" in admin.inner_text(".messagelist")


def test_a_page_that_lost_the_site_says_so_and_recovers(
    admin: Page, site: str, manage: Manage, branches: list[str]
) -> None:
    choose_all(admin, site, "restart_selected")
    admin.click("text=Yes, restart 6 instances")
    admin.wait_for_selector("#vzaps-stop")
    admin.context.set_offline(True)
    admin.wait_for_selector("#vzaps-said.vzaps-lost")
    assert "cannot reach the site" in admin.inner_text("#vzaps-said")
    manage("vzaps_batches")
    admin.context.set_offline(False)
    admin.wait_for_selector("#vzaps-words:text-is('6 of 6 done')")
    assert admin.locator(".vzaps-lost").count() == 0


def test_without_javascript_the_page_refreshes_itself(
    chromium: Browser, site: str, manage: Manage, branches: list[str]
) -> None:
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        log_in(page, site)
        page.goto(site + LIST)
        page.locator("input[name=_selected_action]").first.check()
        page.select_option("select[name=action]", "restart_selected")
        page.click("button[name=index]")
        page.click("text=Yes, restart 1 instance")
        page.wait_for_selector("text=0 of 1 done")
        manage("vzaps_batches")
        page.wait_for_selector("#vzaps-words:text-is('1 of 1 done')", timeout=15_000)


def test_a_webhook_of_somebody_else_is_asked_about(
    admin: Page, site: str, fake: FakeVZaps, manage: Manage, branches: list[str], look: Look
) -> None:
    fake.instances[branches[0]].webhook = "https://crm.example.org/in"
    manage("vzaps_sync")
    choose_all(admin, site, "set_webhook_selected")
    admin.wait_for_selector("text=has a webhook that this site did not set")
    look(admin, "webhook")
    admin.check("#id_overwrite")
    admin.click("text=Yes, go ahead")
    admin.wait_for_selector("#vzaps-words:text-is('0 of 6 done')")
    manage("vzaps_batches")
    admin.wait_for_selector("#vzaps-words:text-is('6 of 6 done')")
    assert site in fake.instances[branches[0]].webhook


def test_an_account_shows_how_far_its_sync_is(
    admin: Page, site: str, fake: FakeVZaps, manage: Manage, branches: list[str], look: Look
) -> None:
    admin.goto(site + "/admin/django_vzaps/account/")
    look(admin, "accounts")
    admin.click("#result_list tbody th a")
    admin.click("#vzaps-sync")
    assert "has started" in admin.inner_text(".messagelist")
    assert "waits to be synced" in admin.inner_text(".field-last_sync")
    look(admin, "account")
    admin.click(".field-last_sync a")
    manage("vzaps_batches")
    admin.wait_for_selector("#vzaps-words:text-is('1 of 1 done')")
    assert re.search(r"6 of 6 read 6 instances read from VZaps; 0 new", admin.inner_text("#vzaps-items"))
