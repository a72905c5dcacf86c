"""“Check now”: what VZaps says beside what was known, and two of its answers beside each other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from django_vzaps.models import Account, Instance, Subscription, Webhook
from django_vzaps.services import sessions, sync, webhooks
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import StaffWith, page, said, text_of
from tests.known import known

SECTIONS = ("identity", "connection", "billing", "webhook")


@pytest.fixture
def connected(fake_vzaps: FakeVZaps, account: Account) -> Instance:
    """One that is connected, and known to be."""
    instance = known(fake_vzaps, account, connected=True, phone="5511999990000", push_name="Clinic")
    sessions.status(instance)
    fake_vzaps.calls.clear()
    return instance


def check(browser: Client, instance: Instance, section: str = "") -> tuple[str, str]:
    """Press the button; what the message says, and the page that follows it."""
    response = browser.post(page(f"instance_check{section and '_'}{section}", instance.pk))
    assert response["Location"] == page("instance_change", instance.pk)
    return said(response), text_of(browser.get(response["Location"]))


def tables(browser: Client, instance: Instance) -> Any:
    """What the page shows of the last check."""
    return browser.get(page("instance_change", instance.pk)).context["comparison"]


@pytest.mark.parametrize(
    ("section", "routes"),
    [
        ("", {"get", "session_status", "webhook_get"}),
        ("identity", {"get"}),
        ("billing", {"get"}),
        ("connection", {"session_status"}),
        ("webhook", {"webhook_get"}),
    ],
)
def test_a_section_asks_for_itself_only(
    section: str, routes: set[str], connected: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    message, html = check(browser, connected, section)
    assert {call.route for call in fake_vzaps.calls} - {"token"} == routes
    connection = " Connection: connected." if "session_status" in routes else ""
    assert f"VZaps was asked.{connection} Nothing differs from what was known." in message
    assert "VZaps says now" not in html


def test_both_answers_are_shown_with_age_and_source(
    connected: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    Instance.objects.update(connection_asked_at=timezone.now() - timedelta(hours=3), connection_source="webhook")
    fake_vzaps.drop_connection(connected.vzaps_id)
    message, html = check(browser, connected, "connection")
    assert "It says something else than what was known: see below." in message
    assert "Connection: VZaps says something else than what was known" in html
    known = html.partition("Known before")[2].partition("VZaps says now")[0]
    assert "(webhook, " in known
    assert "3\xa0hours ago" in known
    assert "<td><bdi>connected</bdi></td><td><bdi>disconnected</bdi></td>" in html
    assert "VZaps says now" not in text_of(browser.get(page("instance_change", connected.pk))), "once"


def test_each_section_says_what_differs_in_it(connected: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    remote = fake_vzaps.instances[connected.vzaps_id]
    sync.sync_instance(connected)
    webhooks.check(connected)
    remote.name, remote.reject_calls, remote.push_name = "Back office", True, "New name"
    remote.billing.status = "PAST_DUE"
    remote.webhook, remote.events = "https://crm.example.org/in", ["Message"]
    browser.post(page("instance_check", connected.pk))
    found = {each["title"]: each["rows"] for each in tables(browser, connected)["differences"]}
    assert found == {
        "Identity": [["Name", "Front desk", "Back office"], ["Reject calls", "no", "yes"]],
        "Billing": [["State", "trialing", "past due"]],
        "Connection": [["Push name", "Clinic", "New name"]],
        "Webhook": [["Address", "no address", "crm.example.org/in"], ["Events", "none", "Message"]],
    }


def test_what_was_not_known_before_is_no_difference(instance: Instance, browser: Client) -> None:
    Instance.objects.update(connected=None, connection_asked_at=None)
    Webhook.objects.update(checked_at=None, actual_events=None)
    Subscription.objects.update(refreshed_at=None)
    message, _html = check(browser, instance)
    assert "Nothing differs" in message


def test_two_endpoints_that_contradict_each_other_are_both_shown(
    connected: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    # The session ended, and the record of the instance does not say so yet.
    fake_vzaps.faults.add("session_status", body=b'{"code": 200, "success": true, "data": {"connected": false}}')
    message, html = check(browser, connected)
    assert "Two of its answers contradict each other: see below." in message
    assert "Two answers of VZaps contradict each other" in html
    assert "<code>session/status</code> (believed)" in html
    assert "<td><bdi>connected</bdi></td><td><bdi>disconnected</bdi></td>" in html
    connected.refresh_from_db()
    assert connected.connected is False


def test_the_record_alone_is_not_believed_about_the_session(
    connected: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.instances[connected.vzaps_id].connected = False
    sessions.status(connected)
    fake_vzaps.calls.clear()
    fake_vzaps.instances[connected.vzaps_id].connected = True
    fake_vzaps.faults.add("session_status", body=b'{"code": 200, "success": true, "data": {"connected": false}}')
    check(browser, connected, "billing")
    assert {call.route for call in fake_vzaps.calls} - {"token"} == {"get", "session_status"}
    connected.refresh_from_db()
    assert connected.connected is False


def test_contradictions_about_the_webhook(
    connected: Instance, browser: Client, fake_vzaps: FakeVZaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhooks.set(connected, actor=None)
    fake_vzaps.faults.add(
        "webhook_get",
        body=b'{"code": 200, "success": true, "data": {"webhook": "https://crm.example.org/in", "subscribe": ["All"]}}',
    )
    browser.post(page("instance_check", connected.pk))
    (found,) = tables(browser, connected)["contradictions"]
    assert found["by"] == "webhook"
    assert [(what, believed) for what, _other, believed in found["rows"]] == [
        ("Address", "crm.example.org/in"),
        ("Events", "All"),
    ]
    assert "********" in found["rows"][0][1]


def test_what_is_compared_holds_no_secret(connected: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    webhooks.set(connected, actor=None)
    remote = fake_vzaps.instances[connected.vzaps_id]
    secret = remote.webhook.rpartition("/")[2]
    remote.webhook += "/and-more-of-a-path-that-is-long-enough"
    _message, html = check(browser, connected)
    assert "another-secret" in html or "********" in html
    for hidden in (secret, remote.token, "and-more-of-a-path"):
        assert hidden not in html + str(dict(browser.session))


HOSTILE = "<script>alert(1)</script>\u202e" + "x" * 10_000


def test_a_strangers_words_stay_words(connected: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    remote = fake_vzaps.instances[connected.vzaps_id]
    remote.push_name = remote.name = HOSTILE
    response = browser.post(page("instance_check", connected.pk))
    html = browser.get(response["Location"]).content.decode()
    assert "<script>alert" not in html
    assert f"<bdi>{HOSTILE[:200].replace('<', '&lt;').replace('>', '&gt;')}…</bdi>" in html


def test_a_comparison_stays_with_its_instance(connected: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    other = Instance.objects.create(account=connected.account, vzaps_id="VZ2", name="Other")
    fake_vzaps.drop_connection(connected.vzaps_id)
    browser.post(page("instance_check", connected.pk))
    assert tables(browser, other) is None
    assert tables(browser, connected) is not None


def test_what_was_learned_before_an_error_is_shown(connected: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.instances[connected.vzaps_id].name = "Back office"
    fake_vzaps.faults.add("session_status", status=404, times=None)
    message, html = check(browser, connected)
    assert "VZaps does not know this instance." in message
    assert "Identity: VZaps says something else than what was known" in html


@pytest.mark.parametrize("section", ["", *SECTIONS])
def test_why_it_could_not_be_asked_is_said(
    section: str, instance: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    for route in ("get", "session_status", "webhook_get"):
        fake_vzaps.faults.add(route, status=404, times=None)
    message, _html = check(browser, instance, section)
    assert "VZaps does not know this instance." in message


def test_one_that_is_gone_can_be_found_again(instance: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    Instance.objects.update(removed_at=timezone.now() - timedelta(days=1))
    for section in ("connection", "billing", "webhook"):
        assert "it can only be looked at" in check(browser, instance, section)[0]
    assert fake_vzaps.calls == []
    _message, html = check(browser, instance, "identity")
    assert "<td><bdi>gone from VZaps</bdi></td><td><bdi>present</bdi></td>" in html
    instance.refresh_from_db()
    assert instance.removed_at is None


@pytest.mark.parametrize("section", ["", *SECTIONS])
def test_who_may_not_change_may_not_ask(
    section: str, instance: Instance, staff_with: StaffWith, fake_vzaps: FakeVZaps
) -> None:
    url = page(f"instance_check{section and '_'}{section}", instance.pk)
    others = ("view", "add", "delete", "pair", "restart", "bill", "set_webhook", "send", "reveal_token")
    client = staff_with(*(f"{name}_instance" for name in others))
    assert client.post(url).status_code == 403
    assert f'"{url}"' not in text_of(client.get(page("instance_change", instance.pk)))
    assert client.get(url).status_code == 405
    assert fake_vzaps.calls == []
