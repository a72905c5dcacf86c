"""A test message: sent once, and said to be no more than accepted."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from django_vzaps.models import Account, Instance, Operation, OperationKind, OperationOutcome
from django_vzaps.services import sessions, webhooks
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import StaffWith, page, said, text_of
from tests.known import known


@pytest.fixture
def connected(fake_vzaps: FakeVZaps, account: Account) -> Instance:
    instance = known(fake_vzaps, account, connected=True, phone="5511999990000")
    sessions.status(instance)
    fake_vzaps.calls.clear()
    return instance


def form(**values: object) -> dict[str, object]:
    return {"phone": "+55 21 98888-7777", "text": "Hello", "idempotency_key": str(uuid.uuid4()), **values}


def test_it_is_sent_once_and_said_to_be_accepted(connected: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    webhooks.set(connected, actor=None)
    sent = form()
    response = browser.post(page("instance_send", connected.pk), sent)
    assert response["Location"] == page("instance_change", connected.pk)
    (message,) = fake_vzaps.sent_messages(connected.vzaps_id)
    assert (message.chat, message.text) == ("5521988887777", "Hello")
    assert "VZaps accepted the message. Accepted is not delivered." in said(response)
    assert f'href="{page("event_changelist")}?q={message.id}"' in said(response)
    operation = Operation.objects.latest("pk")
    assert operation.kind == OperationKind.SEND_TEXT
    assert "Hello" not in str(Operation.objects.values().latest("pk"))
    assert LogEntry.objects.latest("pk").change_message.endswith(f"(operation {operation.pk}).")
    browser.post(page("instance_send", connected.pk), sent)  # a second click on the same button
    assert len(fake_vzaps.sent_messages(connected.vzaps_id)) == 1


@pytest.mark.parametrize("written", ["0055 21 98888-7777", "+55\u00a021\u00a098888\u20117777", "(55) 21/98888.7777"])
def test_a_number_is_taken_as_people_write_and_copy_it(
    written: str, connected: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    browser.post(page("instance_send", connected.pk), form(phone=written))
    (message,) = fake_vzaps.sent_messages(connected.vzaps_id)
    assert message.chat == "5521988887777"


def test_the_receipt_is_found_where_the_message_says(
    connected: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    webhooks.set(connected, actor=None)
    response = browser.post(page("instance_send", connected.pk), form())
    fake_vzaps.read_messages(connected.vzaps_id, "5521988887777")
    address = said(response).partition('href="')[2].partition('"')[0]
    assert "ReadReceipt" in text_of(browser.get(address))


def test_without_receipts_it_says_that_none_will_come(
    connected: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    webhooks.set(connected, actor=None, events=["Message"])
    assert "will not show here" in text_of(browser.get(page("instance_send", connected.pk)))
    assert "Whether it is delivered will not show here" in said(
        browser.post(page("instance_send", connected.pk), form())
    )


def test_each_page_has_a_key_of_its_own(connected: Instance, browser: Client) -> None:
    url = page("instance_send", connected.pk)
    keys = {browser.get(url).context["form"]["idempotency_key"].value() for _ in range(2)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    "values", [{"phone": "x"}, {"phone": "123"}, {"phone": ""}, {"text": ""}, {"text": "x" * 4001}]
)
def test_a_wrong_form_is_not_sent(
    values: dict[str, object], connected: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    response = browser.post(page("instance_send", connected.pk), form(**values))
    assert "errorlist" in text_of(response)
    assert fake_vzaps.calls == []


def test_one_that_is_not_connected_is_warned_about_and_sent(
    instance: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    assert "is not connected now" in text_of(browser.get(page("instance_send", instance.pk)))
    browser.post(page("instance_send", instance.pk), form())
    assert len(fake_vzaps.calls_to("send_text")) == 1, "VZaps decides"


def test_a_refused_one_can_be_corrected_and_sent_again(
    connected: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.faults.add("send_text", status=422)
    response = browser.post(page("instance_send", connected.pk), form(text="Hello there"))
    assert "Nothing was changed on VZaps." in said(response)
    bound = response.context["form"]
    assert bound["text"].value() == "Hello there"
    browser.post(page("instance_send", connected.pk), form(idempotency_key=bound["idempotency_key"].value()))
    assert len(fake_vzaps.sent_messages(connected.vzaps_id)) == 1


def test_an_unknown_outcome_is_shown_as_such_and_not_offered_again(
    connected: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.faults.add("send_text", drop=True)
    response = browser.post(page("instance_send", connected.pk), form())
    operation = Operation.objects.latest("pk")
    assert operation.outcome == OperationOutcome.UNKNOWN
    assert response["Location"] == page("instance_change", connected.pk)
    assert "It is not known whether “send a text message” was carried out." in said(response)
    assert f'href="{page("operation_change", operation.pk)}"' in said(response)
    assert len(fake_vzaps.calls_to("send_text")) == 1


def test_who_may_not_send_does_not(connected: Instance, staff_with: StaffWith, fake_vzaps: FakeVZaps) -> None:
    url = page("instance_send", connected.pk)
    others = ("view", "add", "change", "delete", "pair", "restart", "bill", "set_webhook", "reveal_token")
    client = staff_with(*(f"{name}_instance" for name in others))
    assert client.get(url).status_code == 403
    assert client.post(url, form()).status_code == 403
    assert url not in text_of(client.get(page("instance_change", connected.pk)))
    assert fake_vzaps.calls == []
    sender = staff_with("view_instance", "send_instance")
    assert url in text_of(sender.get(page("instance_change", connected.pk)))
    # Who may not see events is not led to them.
    assert "href" not in said(sender.post(url, form()))


def test_a_read_only_site_sends_nothing(
    connected: Instance, browser: Client, fake_vzaps: FakeVZaps, settings: Any
) -> None:
    settings.VZAPS = {**settings.VZAPS, "READ_ONLY": True}
    assert "read only" in said(browser.post(page("instance_send", connected.pk), form()))
    assert fake_vzaps.calls == []
