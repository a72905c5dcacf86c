from __future__ import annotations

import time

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from django_vzaps.admin.instances import pairing
from django_vzaps.models import Instance, Operation
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import browser_of, page, said, text_of

QR = {"qr": "1"}


@pytest.fixture
def url(instance: Instance) -> str:
    return page("instance_pair", instance.pk)


@pytest.fixture
def poll(instance: Instance) -> str:
    return page("instance_pair_poll", instance.pk)


def test_looking_at_the_page_starts_nothing(url: str, poll: str, browser: Client, fake_vzaps: FakeVZaps) -> None:
    html = text_of(browser.get(url))
    assert "Show QR code" in html
    assert 'data-phase="idle"' in html
    browser.get(url + "?live=1")
    assert browser.post(poll, QR).json()["phase"] == "expired"
    assert fake_vzaps.calls == []


def test_the_code_is_shown_after_the_button(url: str, poll: str, browser: Client, fake_vzaps: FakeVZaps) -> None:
    assert "data-open" in text_of(browser.post(url, follow=True))
    assert not fake_vzaps.calls_to("qr")
    answer = browser.post(poll, QR).json()
    assert answer["phase"] == "scan"
    assert answer["over"] is False
    assert answer["qr"].startswith("data:image/png;base64,")
    assert "Linked devices" in answer["message"]


def test_nothing_is_kept_by_the_browser(url: str, poll: str, browser: Client, instance: Instance) -> None:
    browser.post(url)
    code = page("instance_pair_code", instance.pk)
    for response in (browser.get(url), browser.post(poll, QR), browser.post(code, {"phone": "5511999990000"})):
        assert "no-store" in response["Cache-Control"]


def test_polling_for_the_state_asks_for_no_code(url: str, poll: str, browser: Client, fake_vzaps: FakeVZaps) -> None:
    browser.post(url)
    assert browser.post(poll).json() == {"phase": "waiting", "message": "", "over": False}
    assert not fake_vzaps.calls_to("qr")


def test_several_people_looking_ask_vzaps_once(url: str, poll: str, browser: Client, fake_vzaps: FakeVZaps) -> None:
    other = browser_of(User.objects.create_superuser("other"))
    answers = []
    for client in (browser, other):
        client.post(url)
        answers += [client.post(poll, QR).json()["qr"] for _ in range(2)]
    assert len(set(answers)) == 1
    assert len(fake_vzaps.calls_to("qr")) == 1


def test_the_code_is_not_readable_in_the_cache(url: str, poll: str, browser: Client, instance: Instance) -> None:
    browser.post(url)
    qr = browser.post(poll, QR).json()["qr"]
    kept = cache.get(f"django_vzaps:qr:{instance.pk}")
    assert kept
    assert qr not in kept


def test_a_scan_is_noticed(url: str, poll: str, browser: Client, fake_vzaps: FakeVZaps, instance: Instance) -> None:
    browser.post(url)
    browser.post(poll, QR)
    fake_vzaps.scan(instance.vzaps_id, phone="5511999990000", push_name="<b>Bia</b>")
    answer = browser.post(poll).json()
    assert answer == {"phase": "connected", "message": "Connected: 5511999990000 <b>Bia</b>.", "over": True}
    instance.refresh_from_db()
    assert instance.connected is True
    page_now = text_of(browser.get(page("instance_change", instance.pk)))
    assert "5511999990000" in page_now


def test_the_time_runs_out(
    url: str, poll: str, browser: Client, fake_vzaps: FakeVZaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.post(url)
    later = time.time() + pairing.WINDOW + 1
    monkeypatch.setattr(time, "time", lambda: later)
    answer = browser.post(poll, QR).json()
    assert (answer["phase"], answer["over"]) == ("expired", True)
    assert fake_vzaps.calls == []
    browser.post(url)
    assert browser.post(poll, QR).json()["phase"] == "scan"


def test_an_attempt_that_vzaps_ended_is_over(url: str, poll: str, browser: Client, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("qr", body=b'{"code": 200, "success": true, "data": {"error": "timeout"}}')
    browser.post(url)
    answer = browser.post(poll, QR).json()
    assert (answer["phase"], answer["over"]) == ("expired", True)
    assert "timeout" in answer["message"]


def test_no_code_yet_is_said_to_be_a_start(url: str, poll: str, browser: Client, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("qr", body=b'{"code": 200, "success": true, "data": {}}')
    browser.post(url)
    assert browser.post(poll, QR).json()["phase"] == "starting"


def test_an_error_is_said_and_tried_again(url: str, poll: str, browser: Client, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("session_status", status=403)
    browser.post(url)
    answer = browser.post(poll, QR).json()
    assert (answer["phase"], answer["over"]) == ("error", False)
    assert "VZaps refused" in answer["message"]
    assert browser.post(poll, QR).json()["phase"] == "scan"


def test_what_cannot_get_better_by_itself_is_not_tried_again(
    url: str, poll: str, browser: Client, fake_vzaps: FakeVZaps, settings: object
) -> None:
    browser.post(url)
    settings.VZAPS = {**settings.VZAPS, "READ_ONLY": True}  # type: ignore[attr-defined]
    answer = browser.post(poll, QR).json()
    assert (answer["phase"], answer["over"]) == ("error", True)
    assert "read only" in answer["message"]
    assert not fake_vzaps.calls_to("qr")


def test_works_as_a_page_that_refreshes(url: str, browser: Client, fake_vzaps: FakeVZaps, instance: Instance) -> None:
    first = text_of(browser.post(url, follow=True))
    assert '<noscript><meta http-equiv="refresh" content="0;url=?live=1"></noscript>' in first
    live = text_of(browser.get(url + "?live=1"))
    assert 'src="data:image/png;base64,' in live
    assert '<noscript><meta http-equiv="refresh" content="15;url=?live=1"></noscript>' in live
    fake_vzaps.scan(instance.vzaps_id, phone="5511999990000")
    paired = text_of(browser.get(url + "?live=1"))
    assert "Connected: 5511999990000" in paired
    assert "http-equiv" not in paired


def test_a_code_to_type_instead(instance: Instance, poll: str, browser: Client, fake_vzaps: FakeVZaps) -> None:
    html = text_of(browser.post(page("instance_pair_code", instance.pk), {"phone": "+55 (11) 99999-0000"}))
    code = html.partition('<code id="vzaps-code">')[2].partition("<")[0]
    assert len(code) == 9
    (call,) = fake_vzaps.calls_to("pair_code")
    assert call.path.endswith("/5511999990000")
    assert browser.post(poll).json()["phase"] == "waiting"
    assert not fake_vzaps.calls_to("qr")
    assert code not in str(list(LogEntry.objects.values())) + str(list(Operation.objects.values()))


@pytest.mark.parametrize("phone", ["", "123", "phone", "5511999990000/../x"])
def test_a_wrong_number_is_not_sent(phone: str, instance: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    response = browser.post(page("instance_pair_code", instance.pk), {"phone": phone})
    assert response.context["form"].errors
    assert fake_vzaps.calls == []


def test_a_refused_code_is_said(instance: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("pair_code", status=400)
    response = browser.post(page("instance_pair_code", instance.pk), {"phone": "5511999990000"})
    assert "VZaps did not accept the values" in said(response)


def test_the_page_has_no_inline_script_or_style(url: str, browser: Client) -> None:
    browser.post(url)
    html = browser.get(url).content.decode()
    own = html.partition('id="content-main"')[2].partition("<footer")[0]
    assert "<script" not in own
    assert "style=" not in own
    assert " on" + "click" not in own
