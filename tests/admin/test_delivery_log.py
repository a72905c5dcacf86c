"""VZaps' delivery log in the admin: asked when somebody presses the button, and made to deliver again by another."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from django_vzaps.client.answers.webhooks import WebhookLogPage
from django_vzaps.client.resources.webhooks import Webhooks
from django_vzaps.models import Event, Instance, Operation, OperationKind, OperationOutcome
from django_vzaps.services import webhooks
from django_vzaps.testing import FakeVZaps, events
from tests.admin.conftest import StaffWith, page, said, text_of


@pytest.fixture
def managed(fake_vzaps: FakeVZaps, instance: Instance) -> Instance:
    """One whose events come here."""
    webhooks.set(instance, actor=None)
    fake_vzaps.calls.clear()
    return instance


def lose(fake: FakeVZaps, instance: Instance, text: str = "lost") -> None:
    """An event that VZaps fails to deliver."""
    fake.faults.webhooks.lost, fake.faults.webhooks.lost_logged = 1, True
    fake.emit(instance.vzaps_id, events.message(text))


def listed(monkeypatch: pytest.MonkeyPatch, *rows: dict[str, Any], **beside: Any) -> None:
    """What VZaps lists, whatever it is asked for."""
    answer = WebhookLogPage.of({"content": list(rows), **beside})
    monkeypatch.setattr(Webhooks, "search_logs", lambda *_, **__: answer)


def test_opening_the_page_asks_nothing(managed: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    html = text_of(browser.get(page("instance_deliveries", managed.pk)))
    assert "It is asked when you press the button, not before." in html
    assert fake_vzaps.calls == []


def test_failed_ones_first_and_all_when_asked(managed: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.emit(managed.vzaps_id, events.message("came"))
    lose(fake_vzaps, managed)
    url = page("instance_deliveries", managed.pk)
    html = text_of(browser.get(url, {"search": "1"}))
    assert ("whl_00000001" in html, "whl_00000002" in html) == (False, True)
    assert "lost on demand" in html
    assert "not in the inbox" in html
    html = text_of(browser.get(url, {"search": "1", "status": "all"}))
    assert "whl_00000001" in html
    assert f'href="{page("event_change", Event.objects.get().pk)}"' in html
    assert "HTTP 200" in html


def test_no_secret_of_the_url_is_shown(managed: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    lose(fake_vzaps, managed)
    remote = fake_vzaps.instances[managed.vzaps_id]
    remote.logs[0].error = f"POST {remote.webhook}: 502"
    html = text_of(browser.get(page("instance_deliveries", managed.pk), {"search": "1"}))
    assert "502" in html
    assert remote.webhook.rpartition("/")[2] not in html


def test_page_by_page(managed: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    for number in range(25):
        lose(fake_vzaps, managed, f"lost {number}")
    url = page("instance_deliveries", managed.pk)
    first = text_of(browser.get(url, {"search": "1"}))
    assert "Page 1; 25 deliveries in all" in first
    (following,) = re.findall(r'href="(\?[^"]*page=2[^"]*)"', first)
    second = text_of(browser.get(url + following))
    assert "Page 2; 25 deliveries in all" in second
    assert "Next page" not in second
    assert "Previous page" in second


def test_a_log_that_does_not_know_pages_does_not_go_on_for_ever(
    managed: Instance, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(monkeypatch, {"id": "1", "status": "failed"})
    url = page("instance_deliveries", managed.pk)
    first = text_of(browser.get(url, {"search": "1"}))
    assert "VZaps does not say how many there are" in first
    (following,) = re.findall(r'href="(\?[^"]*page=2[^"]*)"', first)
    second = text_of(browser.get(url + following))
    assert "the same deliveries as on the page before" in second
    assert "Next page" not in second


@pytest.mark.parametrize("number", ["0", "-1", "x", "1e3", "9999999", "٣", ""])
def test_a_page_of_no_sense_is_the_first_or_the_last(number: str, managed: Instance, browser: Client) -> None:
    response = browser.get(page("instance_deliveries", managed.pk), {"search": "1", "page": number, "status": "x"})
    assert response.status_code == 200
    assert response.context["status"] == "failed"


HOSTILE = "<script>alert(1)</script>\u202e" + "x" * 10_000


def test_a_strangers_words_stay_words(managed: Instance, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"status": HOSTILE, "error": HOSTILE, "event_type": HOSTILE, "created_at": HOSTILE, "payload": HOSTILE}
    listed(monkeypatch, {"id": HOSTILE, **row}, {"id": "2", "payload": {"type": HOSTILE, "event": {}}}, {})
    html = browser.get(page("instance_deliveries", managed.pk), {"search": "1"}).content.decode()
    assert "<script>alert" not in html
    assert "x" * 600 not in html
    assert "1 delivery has no id" in html
    assert "cannot be told" in html


def test_what_cannot_be_read_is_said(managed: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("logs_search", status=404)
    html = text_of(browser.get(page("instance_deliveries", managed.pk), {"search": "1"}))
    assert "VZaps does not know this instance." in html
    html = text_of(browser.get(page("instance_deliveries", managed.pk), {"search": "1"}))
    assert "VZaps lists no failed deliveries here." in html


def again(browser: Client, managed: Instance, html: str, **values: str) -> Any:
    """Press the button of the first delivery on the page."""
    names = ("log_id", "idempotency_key", "status", "page")
    found = {name: re.findall(rf'name="{name}" value="([^"]*)"', html)[0] for name in names}
    return browser.post(page("instance_deliver_again", managed.pk), found | values)


def test_delivered_again(managed: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    lose(fake_vzaps, managed)
    html = browser.get(page("instance_deliveries", managed.pk), {"search": "1"}).content.decode()
    response = again(browser, managed, html)
    assert "VZaps accepted to deliver it again" in said(response)
    assert response["Location"] == page("instance_deliveries", managed.pk) + "?search=1&status=failed&page=1"
    operation = Operation.objects.latest("pk")
    assert (operation.kind, operation.outcome) == (OperationKind.RETRY_DELIVERY, OperationOutcome.SUCCEEDED)
    assert LogEntry.objects.latest("pk").change_message.endswith(f"succeeded (operation {operation.pk}).")
    assert Event.objects.count() == 1
    again(browser, managed, html)  # a second click on the same button
    assert len(fake_vzaps.calls_to("log_retry")) == 1


def test_a_lost_answer_leads_to_the_operation(managed: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    lose(fake_vzaps, managed)
    html = browser.get(page("instance_deliveries", managed.pk), {"search": "1"}).content.decode()
    fake_vzaps.faults.add("log_retry", drop=True)
    response = again(browser, managed, html)
    operation = Operation.objects.latest("pk")
    assert operation.outcome == OperationOutcome.UNKNOWN
    assert f'href="{page("operation_change", operation.pk)}"' in said(response)


@pytest.mark.parametrize("values", [{"log_id": ""}, {"log_id": "x" * 129}, {"idempotency_key": "x"}])
def test_a_form_that_the_page_never_made_is_refused(
    values: dict[str, str], managed: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    form = {"log_id": "whl_00000001", "idempotency_key": str(uuid.uuid4())} | values
    assert browser.post(page("instance_deliver_again", managed.pk), form).status_code == 400
    assert fake_vzaps.calls == []


def test_the_log_is_for_who_may_set_the_webhook(
    managed: Instance, staff_with: StaffWith, fake_vzaps: FakeVZaps
) -> None:
    others = ("view", "add", "change", "delete", "pair", "restart", "bill", "send", "reveal_token")
    client = staff_with(*(f"{name}_instance" for name in others))
    log, retry = page("instance_deliveries", managed.pk), page("instance_deliver_again", managed.pk)
    assert client.get(log, {"search": "1"}).status_code == 403
    assert client.post(retry, {"log_id": "whl_00000001", "idempotency_key": str(uuid.uuid4())}).status_code == 403
    assert log not in text_of(client.get(page("instance_change", managed.pk)))
    setter = staff_with("view_instance", "set_webhook_instance")
    assert setter.post(log).status_code == 405
    assert setter.get(retry).status_code == 405
    assert fake_vzaps.calls == []


def test_who_may_not_see_events_is_not_led_to_one(
    managed: Instance, staff_with: StaffWith, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.emit(managed.vzaps_id, events.message("came"))
    client = staff_with("view_instance", "set_webhook_instance")
    html = text_of(client.get(page("instance_deliveries", managed.pk), {"search": "1", "status": "all"}))
    assert "in the inbox" in html
    assert page("event_changelist") not in html
