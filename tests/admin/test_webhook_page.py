"""The webhook's page: wanted beside actual, in words; applied by a person only; tried from outside."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.test import Client

from django_vzaps.models import Account, Event, Instance, Operation, Webhook
from django_vzaps.services import self_test, webhooks
from django_vzaps.services.self_test import SelfTest
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import StaffWith, page, said, text_of


@pytest.fixture
def managed(fake_vzaps: FakeVZaps, instance: Instance) -> Instance:
    """One whose webhook this site has set."""
    webhooks.set(instance, actor=None)
    fake_vzaps.calls.clear()
    return instance


def theirs(fake: FakeVZaps, browser: Client, **values: Any) -> Instance:
    """One whose webhook somebody else has set."""
    fake.add_instance(name="CRM", **{"webhook": "https://crm.example.org/in", "events": ["Message"], **values})
    browser.post(page("instance_sync"))
    fake.calls.clear()
    return Instance.objects.get()


def test_the_webhook_is_set_and_read_back(instance: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    response = browser.post(page("instance_webhook", instance.pk), {"events": ["Message"]})
    assert "VZaps sends the events to this site." in said(response)
    assert fake_vzaps.instances[instance.vzaps_id].events == ["Message"]
    secret = fake_vzaps.instances[instance.vzaps_id].webhook.rpartition("/")[2]
    assert len(secret) > 20
    assert secret not in response.content.decode()
    assert secret not in str(list(LogEntry.objects.values())) + str(list(Operation.objects.values()))


def test_a_webhook_of_somebody_elses_is_named_before_it_is_replaced(
    account: Account, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.add_instance(name="CRM", webhook="https://crm.example.org/in", events=["Message"])
    browser.post(page("instance_sync"))
    instance = Instance.objects.get()
    html = text_of(browser.get(page("instance_webhook", instance.pk)))
    assert (
        "VZaps now sends the events of this instance to crm.example.org/in. Setting the webhook here ends that." in html
    )
    assert fake_vzaps.instances[instance.vzaps_id].webhook == "https://crm.example.org/in"


def test_looking_at_it_changes_and_asks_nothing(account: Account, browser: Client, fake_vzaps: FakeVZaps) -> None:
    instance = theirs(fake_vzaps, browser)
    html = text_of(browser.get(page("instance_webhook", instance.pk)))
    assert "This site did not set it, and leaves it as it is until you press the button below." in html
    assert "not managed here" in html
    assert "this site does not know its full URL and cannot set it back" in html
    assert fake_vzaps.calls == []
    assert not Operation.objects.exists()


def test_one_that_sends_nowhere(instance: Instance, browser: Client) -> None:
    html = text_of(browser.get(page("instance_webhook", instance.pk)))
    assert "VZaps sends the events of this instance nowhere. Nothing is changed until" in html


@pytest.mark.parametrize(
    ("webhook", "events", "words"),
    [
        (
            "https://crm.example.org/in",
            ["Message", "Presence"],
            [
                "VZaps sends the events to crm.example.org/in and not to hooks.example.test/",
                "Wanted, and not sent by VZaps: Connected, Disconnected, ReadReceipt.",
                "Sent by VZaps, and not wanted: Presence.",
            ],
        ),
        ("", [], ["VZaps has no address: it sends the events nowhere."]),
        (None, ["All"], ["Sent by VZaps, and not wanted: All."]),
        ("another secret", None, ["VZaps has this site's address with another secret: its events are refused here."]),
    ],
)
def test_what_differs_is_said_in_words(
    webhook: str | None,
    events: list[str] | None,
    words: list[str],
    managed: Instance,
    browser: Client,
    fake_vzaps: FakeVZaps,
) -> None:
    remote = fake_vzaps.instances[managed.vzaps_id]
    ours = remote.webhook
    remote.webhook = ours.rpartition("/")[0] + "/" + "o" * 43 if webhook == "another secret" else ours
    remote.webhook = webhook if webhook in ("", "https://crm.example.org/in") else remote.webhook
    remote.events = remote.events if events is None else events
    browser.post(page("instance_check_webhook", managed.pk))
    for name in ("instance_webhook", "instance_change"):
        html = text_of(browser.get(page(name, managed.pk))).replace("<bdi>", "").replace("</bdi>", "")
        for sentence in words:
            assert sentence in html, name
        assert ("Wanted, and not sent" in html) == any("Wanted" in sentence for sentence in words) or not webhook
    browser.post(page("instance_webhook", managed.pk), {"events": ["Message"]})
    html = text_of(browser.get(page("instance_webhook", managed.pk)))
    assert "Nothing differs." in html
    assert remote.events == ["Message"]
    assert remote.webhook not in (ours, webhook)


def test_an_address_of_a_strangers_stays_words(managed: Instance, browser: Client) -> None:
    Webhook.objects.update(actual_host_and_path="<script>alert(1)</script>\u202ex", actual_events=["<b>bold</b>"])
    for name in ("instance_webhook", "instance_change"):
        html = browser.get(page(name, managed.pk)).content.decode()
        assert "<script>alert" not in html
        assert "<b>bold" not in html


def test_each_event_has_its_volume_beside_it(managed: Instance, browser: Client) -> None:
    html = text_of(browser.get(page("instance_webhook", managed.pk)))
    for words in (
        "Message: One event for each message",
        "ReadReceipt: For each message sent",
        "Connected: One event whenever",
        "HistorySync: After each pairing",
        "GroupParticipantsRemove: One event",
    ):
        assert words in html
    assert html.count('type="checkbox"') == len(webhooks.EVENT_TYPES)


def test_nothing_chosen_is_nothing_sent(managed: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    assert "This field is required." in text_of(browser.post(page("instance_webhook", managed.pk), {}))
    assert fake_vzaps.calls == []


def test_one_that_could_not_be_read_back_is_no_success(
    instance: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    Webhook.objects.update(checked_at=None)
    fake_vzaps.faults.add("webhook_get", status=400, times=None)
    response = browser.post(page("instance_webhook", instance.pk), {"events": ["Message"]})
    assert "could not be read back" in said(response)


@pytest.mark.parametrize("events", [["Message"], ["Message", "Connected"]])
def test_what_was_read_before_is_no_reading_back(
    events: list[str], managed: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    webhooks.set(managed, actor=None, events=["Message"])
    fake_vzaps.faults.add("webhook_get", status=400, times=None)
    response = browser.post(page("instance_webhook", managed.pk), {"events": events})
    assert "VZaps accepted the webhook, but it could not be read back." in said(response)
    assert "sends the events to this site" not in said(response)
    assert "shows something else" not in said(response)


def outcome(**values: Any) -> SelfTest:
    return SelfTest(**{"words": "It went <b>so</b>.", "milliseconds": 12, **values})


def test_the_test_of_the_url_says_how_it_went(
    managed: Instance, browser: Client, staff_with: StaffWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = Event.objects.create(instance=managed, type="VzapsTest", payload="{}")
    monkeypatch.setattr(self_test, "send", lambda instance: outcome(event_id=event.pk, status=200))
    url = page("instance_webhook_test", managed.pk)
    response = browser.post(url)
    assert response["Location"] == page("instance_webhook", managed.pk)
    assert f'href="{page("event_change", event.pk)}"' in said(response)
    assert "It went &lt;b&gt;so&lt;/b&gt;." in browser.get(response["Location"]).content.decode()
    assert LogEntry.objects.latest("pk").change_message == "Sent a test event to itself: it arrived."
    # Who may not see events gets no link to one.
    assert "href" not in said(staff_with("view_instance", "set_webhook_instance").post(url))
    monkeypatch.setattr(self_test, "send", lambda instance: outcome())
    browser.post(url)
    assert LogEntry.objects.latest("pk").change_message == "Sent a test event to itself: it did not arrive."


@pytest.mark.parametrize(
    ("values", "level"),
    [
        ({"event_id": 1, "status": 200}, "success"),
        ({"event_id": 1, "status": 502}, "warning"),
        ({"event_id": 1, "status": None}, "warning"),
        ({"status": 200}, "error"),
    ],
)
def test_an_answer_that_is_none_is_no_success(
    values: dict[str, Any], level: str, managed: Instance, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_test, "send", lambda instance: outcome(**values))
    response = browser.post(page("instance_webhook_test", managed.pk))
    assert [message.level_tag for message in get_messages(response.wsgi_request)] == [level]


def test_the_test_needs_a_public_url(managed: Instance, browser: Client, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "WEBHOOK_BASE_URL": ""}
    assert "WEBHOOK_BASE_URL'] is not set" in said(browser.post(page("instance_webhook_test", managed.pk)))
    assert " disabled" in text_of(browser.get(page("instance_webhook", managed.pk)))


def test_who_may_not_set_the_webhook_may_not_test_it(
    managed: Instance, staff_with: StaffWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_test, "send", lambda instance: pytest.fail("it was sent"))
    others = ("view", "add", "change", "delete", "pair", "restart", "bill", "send", "reveal_token")
    client = staff_with(*(f"{name}_instance" for name in others))
    assert client.post(page("instance_webhook_test", managed.pk)).status_code == 403
    setter = staff_with("view_instance", "set_webhook_instance")
    assert setter.get(page("instance_webhook_test", managed.pk)).status_code == 405
    # Asking VZaps is for who may change instances.
    assert page("instance_check_webhook", managed.pk) not in text_of(setter.get(page("instance_webhook", managed.pk)))
