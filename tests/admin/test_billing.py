from __future__ import annotations

import uuid

import pytest
from django.test import Client

from django_vzaps.models import Instance, Operation, OperationOutcome
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import page, said, text_of


@pytest.fixture
def url(instance: Instance) -> str:
    return page("instance_subscribe", instance.pk)


@pytest.fixture
def key() -> dict[str, str]:
    return {"idempotency_key": str(uuid.uuid4())}


def test_the_page_before_says_that_a_card_is_charged_and_charges_none(
    url: str, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    html = text_of(browser.get(url))
    assert "This WILL CHARGE A CARD" in html
    assert "Yes, charge the card" in html
    assert [call.route for call in fake_vzaps.calls if call.route != "token"] == ["get"]
    assert fake_vzaps.charges == []


def test_the_page_shows_the_state_of_this_moment(
    url: str, instance: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.instances[instance.vzaps_id].billing.status = "PAST_DUE"
    html = text_of(browser.get(url))
    assert "past due" in html
    assert "has a subscription already" in html
    assert "Yes, charge the card" not in html


def test_the_page_says_when_the_state_may_be_old(url: str, browser: Client, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("get", status=403, times=None)
    html = text_of(browser.get(url))
    assert "VZaps could not be read just now, so the state above may be old." in html


def test_yes_charges_once_however_often_it_is_clicked(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    response = browser.post(url, key)
    assert "VZaps accepted the subscription." in said(response)
    browser.post(url, key)
    assert Operation.objects.count() == 1
    again = browser.post(url, {"idempotency_key": str(uuid.uuid4())})
    assert "Nothing was charged" in said(again)
    assert len(fake_vzaps.charges) == 1
    instance.refresh_from_db()
    assert instance.subscription.state == "active"


@pytest.mark.parametrize("form", [{}, {"idempotency_key": "no key"}])
def test_without_the_pages_key_nothing_is_charged(
    form: dict[str, str], url: str, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    assert browser.post(url, form).status_code == 200
    assert fake_vzaps.charges == []


def test_without_a_card_the_checkout_is_linked(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    fake_vzaps.account.card_on_file = False
    response = browser.post(url, key)
    assert "VZaps asks for the payment on a page of its own." in said(response)
    checkout = Operation.objects.get().answer["url"]
    link = f'<a href="{checkout}" target="_blank" rel="noopener noreferrer">Open the checkout page</a>'
    assert link in said(response)
    assert text_of(browser.get(page("instance_change", instance.pk))).count(link) == 2  # the message and the section
    fake_vzaps.complete_checkout(instance.vzaps_id)
    browser.post(page("instance_check", instance.pk))
    assert link not in text_of(browser.get(page("instance_change", instance.pk)))


def test_a_link_that_is_none_of_the_webs_is_not_made(instance: Instance, browser: Client) -> None:
    Instance.objects.update(url="javascript:alert(1)")
    instance.subscription.checkout_url = "javascript:alert(2)"
    instance.subscription.save()
    assert "javascript:" not in browser.get(page("instance_change", instance.pk)).content.decode().replace(
        '"url": "javascript', ""
    )


def test_a_lost_answer_is_said_and_keeps_the_next_charge_back(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.faults.add("subscribe", drop=True)
    fake_vzaps.billing_lag = 50
    response = browser.post(url, key)
    operation = Operation.objects.get()
    assert operation.outcome == OperationOutcome.UNKNOWN
    assert "It is not known whether “subscribe” was carried out." in said(response)
    assert f'href="{page("operation_change", operation.pk)}"' in said(response)
    html = text_of(browser.get(url))
    assert "An earlier billing change of this instance is not settled yet." in html
    assert "Yes, charge the card" not in html
    again = browser.post(url, {"idempotency_key": str(uuid.uuid4())})
    assert "not settled yet" in said(again)
    assert len(fake_vzaps.calls_to("subscribe")) == 1


def test_a_success_that_is_not_shown_yet_is_said_to_be_one(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.billing_lag = 50
    assert "does not confirm that yet" in said(browser.post(url, key))


def test_cancel_and_resume(instance: Instance, url: str, key: dict[str, str], browser: Client) -> None:
    detail = page("instance_change", instance.pk)
    cancel, resume = page("instance_cancel", instance.pk), page("instance_resume", instance.pk)
    browser.post(url, key)
    html = text_of(browser.get(detail))
    assert (url in html, cancel in html, resume in html) == (False, True, False)
    assert "VZaps accepted the cancellation." in said(browser.post(cancel))
    html = text_of(browser.get(detail))
    assert (url in html, cancel in html, resume in html) == (False, False, True)
    assert "the card is charged again" in text_of(browser.get(resume))
    assert "VZaps resumes the subscription." in said(browser.post(resume))
    assert "there is nothing to resume" in said(browser.post(resume))
