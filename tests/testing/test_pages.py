from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from django_vzaps.testing import FakeInstance, FakeVZaps
from tests.testing.conftest import Caller, Inbox, log_in

HOOK = "https://hooks.example.test/x"


class Browser:
    """Opens the fake's pages and posts their forms."""

    def __init__(self, url: str, http: requests.Session) -> None:
        self.url, self.http = url, http

    def see(self, path: str, status: int = 200) -> str:
        answer = self.http.get(f"{self.url}{path}", timeout=5)
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        return answer.text

    def submit(self, path: str, **form: str) -> str:
        answer = self.http.post(f"{self.url}{path}", data=form, timeout=5)
        assert answer.status_code == 200, answer.status_code
        return answer.text


@pytest.fixture
def fake(inbox: Inbox) -> FakeVZaps:
    fake = FakeVZaps()
    fake.deliver = inbox
    return fake


@pytest.fixture
def browser(fake: FakeVZaps) -> Iterator[Browser]:
    with fake.serve() as server, requests.Session() as http:
        http.trust_env = False
        yield Browser(server.url, http)


@pytest.fixture
def instance(fake: FakeVZaps) -> FakeInstance:
    return fake.add_instance(name="Front desk", webhook=HOOK, events=["All"])


def show_qr(ask: Caller, instance: FakeInstance) -> str:
    code: str = ask.json("GET", f"/instances/{instance.id}/session/qr")["data"]["qr_code"]
    return code


def test_an_instance_is_scanned_then_written_to_and_answers(
    fake: FakeVZaps, ask: Caller, browser: Browser, inbox: Inbox, instance: FakeInstance
) -> None:
    page = f"/phone/{instance.id}"
    assert "shows no QR code" in browser.see(page)
    code = show_qr(ask, instance)
    assert code in browser.see("/phone")
    shown = browser.see(page)
    assert code in shown
    assert ">Scan</button>" in shown
    paired = browser.submit(f"{page}/scan")
    assert instance.connected
    assert 'name="text"' in paired
    assert ">Send</button>" in paired
    browser.submit(f"{page}/send", text="ping")
    assert fake.wait_for_deliveries()
    assert inbox.types == ["Connected", "Message"]
    written = inbox.got[1]["event"]
    assert written["message"]["conversation"] == "ping"
    sender = written["info"]["sender"].partition("@")[0]
    assert 'class="mark" role="img" data-state="delivered"' in browser.see(page)
    ask.json("POST", f"/instances/{instance.id}/chat/send/text", {"phone": sender, "message": "pong"})
    conversation = browser.see(page)
    assert conversation.index(">ping<") < conversation.index(">pong<")
    assert "✓✓" in conversation
    browser.submit(f"{page}/send", text="thanks")
    assert fake.wait_for_deliveries()
    assert inbox.got[-2]["state"] == "Read"
    assert 'data-state="read"' in browser.see(page)


def test_a_message_that_no_webhook_took_has_one_mark(browser: Browser, inbox: Inbox, fake: FakeVZaps) -> None:
    inbox.status = 500
    instance = fake.add_instance(connected=True, webhook=HOOK, events=["All"])
    browser.submit(f"/phone/{instance.id}/send", text="ping")
    assert fake.wait_for_deliveries()
    page = browser.see(f"/phone/{instance.id}")
    assert 'data-state="sent"' in page
    assert "✓✓" not in page


def test_what_people_write_is_shown_and_never_run(browser: Browser, fake: FakeVZaps) -> None:
    hostile = "<script>alert('x')</script>"
    instance = fake.add_instance(name=f"{hostile}\"'", connected=True)
    waiting = fake.add_instance(name=f"w{hostile}\"'")
    show_qr(log_in(fake), waiting)
    browser.submit(f"/phone/{instance.id}/send", text=hostile)
    log_in(fake).json(
        "POST",
        f"/instances/{instance.id}/chat/send/text",
        {"phone": f"{hostile}@g.us", "message": hostile, "id": hostile},
    )
    for path in ("/phone", f"/phone/{instance.id}", f"/phone/{waiting.id}"):
        page = browser.see(path)
        assert "&lt;script&gt;" in page
        assert "<script>alert" not in page
        assert "\"'" not in page


def test_an_empty_message_and_a_late_scan_do_nothing(browser: Browser, fake: FakeVZaps, instance: FakeInstance) -> None:
    browser.submit(f"/phone/{instance.id}/scan")
    assert not instance.connected
    browser.submit(f"/phone/{instance.id}/send", text="lost")
    assert instance.conversation == []


def test_the_phone_drops_and_unlinks(browser: Browser, fake: FakeVZaps) -> None:
    instance = fake.add_instance(connected=True)
    assert "connection has dropped" in browser.submit(f"/phone/{instance.id}/drop")
    assert instance.phone
    assert "not paired" in browser.submit(f"/phone/{instance.id}/unlink")
    assert instance.phone == ""


def test_those_that_show_a_code_come_first(browser: Browser, fake: FakeVZaps) -> None:
    fake.add_instance(name="Idle")
    fake.add_instance(name="Online", connected=True)
    waiting = fake.add_instance(name="Waiting")
    show_qr(log_in(fake), waiting)
    page = browser.see("/phone")
    assert page.index(">Waiting<") < page.index(">Online<") < page.index(">Idle<")
    assert browser.see("/") == page


def test_a_checkout_is_paid_once(browser: Browser, fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    fake.account.card_on_file = False
    url = ask.json("POST", f"/instances/{instance.id}/subscribe", {})["url"]
    assert url.startswith(browser.url)
    path = url.removeprefix(browser.url)
    assert ">Pay</button>" in browser.see(path)
    for _ in range(2):
        assert "is active" in browser.submit(f"{path}/pay")
    assert [charge.reason for charge in fake.charges] == ["checkout"]
    assert instance.billing_status == "ACTIVE"


def test_pages_that_do_not_exist(browser: Browser, instance: FakeInstance) -> None:
    for path in ("/phone/VZNOPE", "/checkout/cs_nope", "/checkout", f"/phone/{instance.id}/what"):
        browser.see(path, 404)
    for path in (f"/phone/{instance.id}/scan",):
        browser.see(path, 405)
