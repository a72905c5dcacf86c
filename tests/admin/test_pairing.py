from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_vzaps.models import Instance, Operation, Pairing, Webhook
from django_vzaps.services import sessions
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import StaffWith, browser_of, page, said, text_of

QR = {"qr": "1"}


class PairingPage:
    """One tab with the pairing page, as a browser has it."""

    def __init__(self, client: Client, instance: Instance) -> None:
        self.client, self.instance = client, instance
        self.url = page("instance_pair", instance.pk)
        self.watcher = ""

    def open(self, **query: str) -> str:
        return text_of(self.client.get(self.url, query))

    def press(self, **fields: str) -> str:
        """Press a button; returns the page that follows."""
        response = self.client.post(self.url, {"watch": self.watcher, **fields}, follow=True)
        (self.watcher,) = parse_qs(urlsplit(response.redirect_chain[-1][0]).query).get("watch", [""])
        return text_of(response)

    def poll(self, **fields: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.post(
            f"{page('instance_pair_poll', self.instance.pk)}?watch={self.watcher}", fields
        ).json()
        return found

    def ask_code(self, phone: str = "5511999990000") -> Any:
        return self.client.post(page("instance_pair_code", self.instance.pk), {"phone": phone, "watch": self.watcher})


@pytest.fixture
def tab(browser: Client, instance: Instance) -> PairingPage:
    return PairingPage(browser, instance)


@pytest.fixture
def other_tab(instance: Instance) -> PairingPage:
    return PairingPage(browser_of(User.objects.create_superuser("other")), instance)


def answer_qr(fake: FakeVZaps, **data: str) -> None:
    fake.faults.add("qr", body=json.dumps({"code": 200, "success": True, "data": data}).encode())


def hint_of(html: str) -> str:
    """What a browser without JavaScript is told to load next, and when."""
    found = re.search(r'<noscript><meta http-equiv="refresh" content="([^"]+)">', html)
    return found[1] if found else ""


def test_looking_at_the_page_starts_nothing(tab: PairingPage, fake_vzaps: FakeVZaps) -> None:
    html = tab.open()
    assert "Show QR code" in html
    assert 'data-phase="idle"' in html
    assert "data-live" not in html
    tab.open(live="1", watch="something-made-up-here")
    tab.watcher = "something-made-up-here"
    assert tab.poll(**QR)["phase"] == "idle"
    assert fake_vzaps.calls == []
    assert not LogEntry.objects.exists()


def test_the_code_is_shown_after_the_button(tab: PairingPage, fake_vzaps: FakeVZaps) -> None:
    html = tab.press()
    assert "data-live" in html
    assert 'data-phase="starting"' in html
    assert not fake_vzaps.calls
    answer = tab.poll(**QR)
    assert (answer["phase"], answer["title"], answer["over"]) == ("scan", "Scan now", False)
    assert answer["qr"].startswith("data:image/png;base64,")
    assert answer["step"] == "Code 1 of 6"
    assert (answer["lasts"], answer["seconds"]) == (60, 60)
    assert answer["qr"] in text_of_part(answer, "vzaps-stage")
    assert "parts" not in tab.poll(shown=answer["stage"], **QR)
    # It stays on a reload.
    assert answer["qr"] in tab.open(watch=tab.watcher)


def text_of_part(answer: dict[str, Any], part: str) -> str:
    return str(answer["parts"][part]).replace("&#x27;", "'").replace("&quot;", '"').replace("&amp;", "&")


def test_the_button_on_the_page_of_the_instance_begins_at_once(browser: Client, instance: Instance) -> None:
    detail = text_of(browser.get(page("instance_change", instance.pk)))
    assert f'action="{page("instance_pair", instance.pk)}"' in detail
    tab = PairingPage(browser, instance)
    assert 'data-phase="starting"' in tab.press(watch="")
    assert tab.watcher


def test_nothing_is_kept_by_the_browser(tab: PairingPage) -> None:
    tab.press()
    poll = page("instance_pair_poll", tab.instance.pk)
    responses = [
        tab.client.get(tab.url),
        tab.client.get(tab.url, {"watch": tab.watcher, "live": "1"}),
        tab.client.post(tab.url),
        tab.client.post(f"{poll}?watch={tab.watcher}", QR),
        tab.ask_code(),
    ]
    for response in responses:
        assert "no-store" in response["Cache-Control"]


def test_polling_for_the_state_asks_for_no_code(tab: PairingPage, fake_vzaps: FakeVZaps) -> None:
    tab.press()
    assert tab.poll()["phase"] == "starting"
    assert fake_vzaps.calls_to("session_status")
    assert not fake_vzaps.calls_to("qr")


def test_an_attempt_is_in_the_history_once_and_without_its_code(tab: PairingPage, operator: User) -> None:
    tab.press()
    qr = tab.poll(**QR)["qr"]
    tab.press()
    (entry,) = LogEntry.objects.filter(user=operator)
    assert entry.get_change_message() == "Began to pair."
    assert qr not in str(list(LogEntry.objects.values())) + str(list(Operation.objects.values()))


def test_a_second_person_is_told_who_is_at_it_and_may_take_over(
    tab: PairingPage, other_tab: PairingPage, fake_vzaps: FakeVZaps
) -> None:
    tab.press()
    code = tab.poll(**QR)["qr"]
    for html in (other_tab.open(), other_tab.press()):
        assert 'data-phase="watched"' in html
        assert "<bdi>operator</bdi> is pairing this number right now" in html
        assert code not in html
    assert tab.poll()["phase"] == "scan"

    html = other_tab.press(take_over="1")

    assert 'data-phase="scan"' in html
    assert other_tab.poll(**QR)["qr"] == code
    assert len(fake_vzaps.calls_to("qr")) == 1
    lost = tab.poll(shown="scan", **QR)
    assert (lost["phase"], lost["over"]) == ("watched", True)
    assert "<bdi>other</bdi> is pairing this number right now" in lost["message"]
    assert "qr" not in lost
    assert code not in str(lost)
    assert 'name="take_over"' in lost["parts"]["vzaps-outcome"]
    assert "Took over the pairing from operator." in [entry.get_change_message() for entry in LogEntry.objects.all()]


def test_a_second_tab_is_told_of_the_first(tab: PairingPage) -> None:
    tab.press()
    tab.poll()
    html = PairingPage(tab.client, tab.instance).press()
    assert "in another tab or browser" in html
    assert "the other tab stops asking" in html


def test_who_left_long_ago_is_said_to_have(tab: PairingPage, other_tab: PairingPage) -> None:
    tab.press()
    Pairing.objects.update(seen_at=timezone.now() - timedelta(minutes=1))
    assert "That page asks no more" in other_tab.open()


def test_a_stop_is_for_good(tab: PairingPage, other_tab: PairingPage, fake_vzaps: FakeVZaps) -> None:
    tab.press()
    tab.poll(**QR)
    watcher = tab.watcher
    assert 'data-phase="idle"' in tab.press(stop="1")
    fake_vzaps.calls.clear()
    tab.watcher = watcher
    assert tab.poll(**QR)["over"]
    assert fake_vzaps.calls == []
    assert 'data-phase="starting"' in other_tab.press()


def test_a_scan_is_noticed(tab: PairingPage, fake_vzaps: FakeVZaps, instance: Instance) -> None:
    tab.press()
    tab.poll(**QR)
    fake_vzaps.scan(instance.vzaps_id, phone="5511999990000", push_name="<b>Bia</b> \u202eX")
    answer = tab.poll(shown="scan")
    assert (answer["phase"], answer["over"]) == ("connected", True)
    assert answer["message"] == "Connected: <bdi>5511999990000</bdi> <bdi>&lt;b&gt;Bia&lt;/b&gt; \u202eX</bdi>."
    outcome = answer["parts"]["vzaps-outcome"]
    assert "<bdi>&lt;b&gt;Bia&lt;/b&gt; \u202eX</bdi>" in outcome
    assert "<bdi>+5511999990000</bdi>" in outcome
    assert answer["parts"]["vzaps-stage"].count("<form") == 1  # hidden with its panel
    instance.refresh_from_db()
    assert instance.connected is True


def test_who_is_connected_is_shown_and_not_offered_a_code(tab: PairingPage, fake_vzaps: FakeVZaps) -> None:
    connect(tab.instance, phone="5511999990000", push_name="Bia Carvalho")
    html = tab.open()
    assert 'data-phase="connected"' in html
    assert ">BC</span>" in html
    assert "To pair another phone" in html
    assert page("instance_disconnect", tab.instance.pk) in html
    assert fake_vzaps.calls == []
    # Who does not believe it is told by VZaps itself.
    tab.press()
    assert tab.poll(**QR)["phase"] == "scan"


def test_who_was_connected_long_ago_may_look_again(tab: PairingPage) -> None:
    long_ago = timezone.now() - timedelta(days=3)
    connect(tab.instance, connection_asked_at=long_ago)
    html = tab.open()
    assert "Show QR code" in html
    assert "it was connected" in html
    assert "3\xa0days ago" in html


def connect(instance: Instance, **columns: Any) -> None:
    facts = {"connected": True, "connection_source": "api", "connection_asked_at": timezone.now(), **columns}
    Instance.objects.filter(pk=instance.pk).update(**facts)


@pytest.mark.parametrize(
    ("photo", "is_shown"),
    [
        ("https://pps.whatsapp.net/v/1.jpg?a=1&b=<2>", True),
        ("http://pps.whatsapp.net/1.jpg", False),
        ("javascript:alert(1)", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_a_photo_is_loaded_without_telling_from_where(photo: str, is_shown: bool, tab: PairingPage) -> None:
    connect(tab.instance, push_name="Bia", profile={"profile_picture_url": photo})
    response = tab.client.get(tab.url)
    html = response.content.decode()
    assert ("<img" in html) == is_shown
    if is_shown:
        assert 'src="https://pps.whatsapp.net/v/1.jpg?a=1&amp;b=&lt;2&gt;"' in html
        assert 'referrerpolicy="no-referrer"' in html
        assert 'alt="Photo of Bia"' in html
    assert ">B</span>" in html


def test_what_next_is_what_one_may_do(tab: PairingPage, staff_with: StaffWith) -> None:
    connect(tab.instance)
    webhook, detail = page("instance_webhook", tab.instance.pk), page("instance_change", tab.instance.pk)
    message = page("instance_send", tab.instance.pk)

    def offered(*permissions: str) -> set[str]:
        client = staff_with("view_instance", "pair_instance", *permissions)
        html = client.get(tab.url).content.decode().partition('class="vzaps-next"')[2].partition("</ul>")[0]
        return set(re.findall(r'href="([^"]+)"', html))

    assert offered() == {detail}
    assert offered("send_instance") == {message, detail}
    assert offered("set_webhook_instance") == {webhook, detail}
    Webhook.objects.update_or_create(instance=tab.instance, defaults={"desired_events": ["Message"]})
    assert offered("set_webhook_instance") == {detail}


def test_the_time_runs_out(tab: PairingPage, fake_vzaps: FakeVZaps) -> None:
    tab.press()
    tab.poll(**QR)
    Pairing.objects.update(until=timezone.now())
    fake_vzaps.calls.clear()
    answer = tab.poll(shown="scan", **QR)
    assert (answer["phase"], answer["title"], answer["over"]) == ("expired", "Time is up", True)
    assert "Go on with a new code" in answer["parts"]["vzaps-stage"]
    assert fake_vzaps.calls == []
    Pairing.objects.update(code_asked_at=None)
    (next_watcher,) = re.findall(r'name="watch" value="([^"]+)"', answer["parts"]["vzaps-stage"])
    assert next_watcher != tab.watcher
    tab.press(watch=next_watcher)
    assert tab.watcher == next_watcher
    assert tab.poll(**QR)["phase"] == "scan"


def later(tab: PairingPage) -> None:
    """A question may be asked again."""
    Pairing.objects.update(
        code_asked_at=timezone.now() - timedelta(seconds=16), opened_at=timezone.now() - timedelta(1)
    )


@pytest.mark.parametrize(
    ("words", "phase"),
    [("timeout", "expired"), ("<script>alert(1)</script> \u202e", "attention"), ("x" * 10_000, "attention")],
)
def test_what_vzaps_says_is_shown_escaped(tab: PairingPage, fake_vzaps: FakeVZaps, words: str, phase: str) -> None:
    tab.press()
    tab.poll()
    later(tab)
    answer_qr(fake_vzaps, error=words)
    answer = tab.poll(**QR)
    assert (answer["phase"], answer["over"]) == (phase, True)
    assert f"<bdi>{words.replace('<', '&lt;').replace('>', '&gt;').strip()[:400]}" in answer["message"].replace(
        " </bdi>", "</bdi>"
    )
    assert "<script" not in answer["message"]
    assert len(answer["message"]) < 1000
    # It is still said after a reload, with a way on.
    html = tab.client.get(tab.url, {"watch": tab.watcher}).content.decode()
    assert answer["message"] in html
    assert f'data-stage="{phase}-over"' in html


def test_a_word_that_nobody_knows_is_shown_while_it_goes_on(tab: PairingPage, fake_vzaps: FakeVZaps) -> None:
    answer_qr(fake_vzaps, pairing_status="challenge")
    tab.press()
    answer = tab.poll(**QR)
    assert (answer["phase"], answer["over"]) == ("attention", False)
    assert "VZaps says “<bdi>challenge</bdi>”" in answer["message"]


def test_a_phone_that_has_scanned_is_said_to_link(tab: PairingPage, fake_vzaps: FakeVZaps) -> None:
    tab.press()
    tab.poll(**QR)
    later(tab)
    answer_qr(fake_vzaps, pairing_status="scanned")
    answer = tab.poll(shown="scan", **QR)
    assert (answer["phase"], answer["over"]) == ("linking", False)
    assert "<img" not in answer["parts"]["vzaps-stage"]


def test_an_error_is_said_and_tried_again(tab: PairingPage, fake_vzaps: FakeVZaps) -> None:
    tab.press()
    code = tab.poll(**QR)["qr"]
    fake_vzaps.faults.add("session_status", status=500, times=None)
    answer = tab.poll(shown="scan", **QR)
    assert (answer["phase"], answer["over"]) == ("error", False)
    assert "problem of its own" in answer["message"]
    assert "Trying again" in answer["message"]
    assert "parts" not in answer  # the code stays where it is
    fake_vzaps.faults._waiting.clear()
    assert tab.poll(shown="scan", **QR)["qr"] == code


def test_what_cannot_get_better_by_itself_is_not_tried_again(tab: PairingPage, fake_vzaps: FakeVZaps) -> None:
    tab.press()
    fake_vzaps.faults.add("session_status", status=403, times=None)
    answer = tab.poll(**QR)
    assert (answer["phase"], answer["over"]) == ("error", True)
    assert "VZaps refused" in answer["message"]
    assert "Try again" in answer["parts"]["vzaps-stage"]
    assert not fake_vzaps.calls_to("qr")


def test_a_site_that_only_reads_says_so(tab: PairingPage, fake_vzaps: FakeVZaps, settings: Any) -> None:
    tab.press()
    settings.VZAPS = {**settings.VZAPS, "READ_ONLY": True}
    answer = tab.poll(**QR)
    assert (answer["phase"], answer["over"]) == ("error", True)
    assert "read only" in answer["message"]
    assert "<form" not in answer["parts"]["vzaps-stage"]
    tab.watcher = ""
    html = tab.open()
    assert 'data-phase="error"' in html
    assert "read only" in html
    assert "Show QR code" not in html
    assert "read only" in tab.press()
    assert not fake_vzaps.calls_to("qr")


def test_an_instance_that_is_gone_cannot_be_paired(tab: PairingPage, fake_vzaps: FakeVZaps) -> None:
    tab.press()
    Instance.objects.update(removed_at=timezone.now())
    answer = tab.poll(**QR)
    assert (answer["phase"], answer["over"]) == ("error", True)
    assert "gone from VZaps" in answer["message"]
    for response in (tab.client.get(tab.url), tab.client.post(tab.url), tab.ask_code()):
        assert response.status_code == 302
    assert fake_vzaps.calls == []


def test_works_as_a_page_that_refreshes(tab: PairingPage, fake_vzaps: FakeVZaps, instance: Instance) -> None:
    first = tab.press()
    live = f"?watch={tab.watcher}&live=1"
    assert hint_of(first) == f"0;url={live}"
    second = tab.open(watch=tab.watcher, live="1")
    assert 'src="data:image/png;base64,' in second
    assert "Next code in about 60 s" in second
    assert hint_of(second) == f"15;url={live}"
    assert f'<a href="{live}">Refresh</a>' in second
    fake_vzaps.scan(instance.vzaps_id, phone="5511999990000")
    paired = tab.open(watch=tab.watcher, live="1")
    assert "Connected: <bdi>5511999990000</bdi>" in paired
    assert not hint_of(paired)


def test_a_code_to_type_instead(tab: PairingPage, fake_vzaps: FakeVZaps) -> None:
    html = text_of(tab.ask_code("+55 (11) 99999-0000"))
    found = re.search(r'<code id="vzaps-code"[^>]*>([^<]+)<', html)
    assert found
    code = found[1]
    assert len(code) == 9
    (call,) = fake_vzaps.calls_to("pair_code")
    assert call.path.endswith("/5511999990000")
    assert not hint_of(html)  # it would be gone
    (tab.watcher,) = set(re.findall(r'name="watch" value="([^"]+)"', html))
    assert tab.poll()["phase"] == "typing"
    assert 'data-phase="typing"' in tab.open(watch=tab.watcher, live="1", **{"with": "code"})
    assert not fake_vzaps.calls_to("qr")
    assert code not in str(list(LogEntry.objects.values())) + str(list(Operation.objects.values()))
    assert code not in str(list(Pairing.objects.values()))
    assert code not in tab.open(watch=tab.watcher)
    # Who would rather scan presses a button.
    tab.press()
    assert tab.poll(**QR)["phase"] == "scan"


def test_the_tab_to_type_a_code_is_a_link_without_javascript(tab: PairingPage) -> None:
    html = tab.open()
    assert 'href="?with=code"' in html
    assert re.search(r'id="vzaps-type" class="vzaps-panel" hidden', html)
    html = tab.open(**{"with": "code"})
    assert re.search(r'id="vzaps-scan" class="vzaps-panel" hidden', html)
    assert 'type="tel"' in html


def test_no_code_is_given_out_while_somebody_else_pairs(
    tab: PairingPage, other_tab: PairingPage, fake_vzaps: FakeVZaps
) -> None:
    tab.press()
    assert 'data-phase="watched"' in text_of(other_tab.ask_code())
    assert not fake_vzaps.calls_to("pair_code")


@pytest.mark.parametrize("phone", ["", "123", "phone", "5511999990000/../x"])
def test_a_wrong_number_is_not_sent(phone: str, tab: PairingPage, fake_vzaps: FakeVZaps) -> None:
    response = tab.ask_code(phone)
    assert response.context["form"].errors
    html = text_of(response)
    assert 'aria-invalid="true"' in html
    assert re.search(r'id="vzaps-scan" class="vzaps-panel" hidden', html)
    assert fake_vzaps.calls == []


def test_a_refused_code_is_said(tab: PairingPage, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("pair_code", status=400)
    response = tab.ask_code()
    assert "VZaps did not accept the values" in said(response)
    assert 'data-phase="idle"' in text_of(response)
    assert Pairing.objects.get().until is not None


def test_the_page_has_no_inline_script_or_style(tab: PairingPage) -> None:
    for html in (tab.open(), tab.press()):
        own = html.partition('id="content-main"')[2].partition("<footer")[0]
        assert "<script" not in own
        assert "style=" not in own
        assert not re.search(r"\son\w+=", own)


def test_a_name_of_a_page_that_is_none_is_not_taken(tab: PairingPage) -> None:
    for made_up in ("x", "'><script>alert(1)</script>", "y" * 65):
        tab.press(watch=made_up, take_over="1")
        assert tab.watcher != made_up
        html = tab.client.get(tab.url, {"watch": made_up}).content.decode()
        assert "<script>alert" not in html


def test_asking_vzaps_happens_in_no_transaction(tab: PairingPage, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import connection

    seen: list[int] = []
    real = sessions.qr
    depth = len(connection.savepoint_ids)

    def qr(instance: Instance) -> Any:
        seen.append(len(connection.savepoint_ids) - depth)
        return real(instance)

    monkeypatch.setattr(sessions, "qr", qr)
    tab.press()
    tab.poll(**QR)
    assert seen == [0]
