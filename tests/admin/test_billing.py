from __future__ import annotations

import re
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_vzaps.admin.instances import billing
from django_vzaps.models import Instance, Operation, OperationKind, OperationOutcome
from django_vzaps.services import operations, subscriptions
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import StaffWith, page, said, text_of

CHARGE = "Yes, charge the card"
CANCEL = "Yes, cancel the subscription"
RESUME = "Yes, resume the subscription"


@pytest.fixture
def url(instance: Instance) -> str:
    return page("instance_subscribe", instance.pk)


@pytest.fixture
def key() -> dict[str, str]:
    return new_key()


def new_key() -> dict[str, str]:
    return {"idempotency_key": str(uuid.uuid4())}


def result(instance: Instance, operation: Operation | None = None, name: str = "result") -> str:
    operation = operation or Operation.objects.latest("pk")
    return page(f"instance_billing_{name}", instance.pk, operation.pk)


def remote(fake: FakeVZaps, instance: Instance, **billing: Any) -> None:
    """The billing state that VZaps shows from now on."""
    known = fake.instances[instance.vzaps_id]
    known.billing = replace(known.billing, **billing)


def sent(fake: FakeVZaps) -> list[str]:
    return [call.route for call in fake.calls if call.route not in ("token", "get")]


def phase_of(html: str) -> str:
    found = re.search(r'id="vzaps-billing"[^>]*data-phase="([^"]*)"', html)
    assert found is not None
    return found[1]


# The page before


def test_the_page_before_says_that_a_card_is_charged_and_charges_none(
    url: str, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    html = text_of(browser.get(url))
    assert "This WILL CHARGE A CARD" in html
    assert CHARGE in html
    assert [call.route for call in fake_vzaps.calls if call.route != "token"] == ["get"]
    assert fake_vzaps.charges == []


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({}, "A trial is running. When it ends, VZaps does not say."),
        ({"expired_at": 4_000_000_000.0}, "The trial ends on Oct. 2, 2096"),
        ({"status": "CANCELED", "expired_at": 1_500_000_000.0}, "What there was before ended on July 14, 2017"),
        ({"status": "CANCELED"}, "What there was before has ended. This starts a new subscription."),
    ],
)
def test_what_subscribing_means_depends_on_the_state(
    state: dict[str, Any], sentence: str, url: str, instance: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    remote(fake_vzaps, instance, **state)
    html = text_of(browser.get(url))
    assert sentence in html
    assert CHARGE in html
    assert "despite_doubt" not in html


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"status": "ACTIVE"}, "There is a subscription already. Nothing needs to be paid."),
        ({"status": "PAST_DUE"}, "VZaps calls it “past due”."),
        ({"status": "unpaid"}, "settle it on VZaps' own pages. A second subscription could be charged as well."),
        ({"status": "PAUSED"}, "How a paused one goes on is not documented"),
        ({"status": "ACTIVE", "cancel_at": 4_000_000_000.0}, "cancelled for Oct. 2, 2096"),
    ],
)
def test_what_is_paid_for_is_not_offered_again(
    state: dict[str, Any], sentence: str, url: str, instance: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    remote(fake_vzaps, instance, **state)
    html = text_of(browser.get(url))
    assert sentence in html
    assert "Nothing is sent and nothing is charged." in html
    assert CHARGE not in html
    assert (page("instance_resume", instance.pk) in html) == ("cancel_at" in state)


def test_a_subscription_that_vzaps_gave_is_believed_before_its_state(
    url: str, instance: Instance, browser: Client
) -> None:
    instance.subscription.vzaps_id = "sub_1"
    instance.subscription.save()
    html = text_of(browser.get(url))
    assert "VZaps gave this instance a subscription already (sub_1), though it shows “trialing”." in html
    assert CHARGE not in html


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("INCOMPLETE", "a payment may be under way"),
        ("<b>NEW_WORD</b>", "VZaps calls it “<b>NEW_WORD</b>”, which is not known here"),
    ],
)
def test_paying_in_doubt_wants_a_word_of_its_own(
    status: str, sentence: str, url: str, instance: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    remote(fake_vzaps, instance, status=status)
    response = browser.get(url)
    assert sentence in text_of(response)
    assert b"<b>NEW_WORD" not in response.content
    form = new_key() | {"in_doubt": "True"}
    again = browser.post(url, form)
    assert "Tick this box to go on all the same." in text_of(again)
    assert sent(fake_vzaps) == []
    assert browser.post(url, form | {"despite_doubt": "on"}).status_code == 302
    assert sent(fake_vzaps) == ["subscribe"]


def test_a_state_that_vzaps_never_told_is_a_doubt(url: str, instance: Instance, browser: Client) -> None:
    instance.subscription.delete()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(billing, "read_billing", lambda _instance: None)
        assert "VZaps does not say how the billing stands" in text_of(browser.get(url))


def test_an_old_state_is_a_doubt_and_nothing_is_sent_unread(
    url: str, browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    fake_vzaps.faults.add("get", status=403, times=None)
    html = text_of(browser.get(url))
    assert "VZaps could not be read just now, so the state above may be old." in html
    assert "somebody may have paid since" in html
    assert 'name="despite_doubt"' in html
    assert 'name="in_doubt" value="True"' in html
    browser.post(url, new_key() | {"in_doubt": "True", "despite_doubt": "on"})
    assert "It was not read: nothing was sent." in text_of(browser.get(result(instance)))
    assert sent(fake_vzaps) == []


def test_a_doubt_that_is_gone_is_asked_about_no_more(url: str, browser: Client, fake_vzaps: FakeVZaps) -> None:
    html = text_of(browser.post(url, new_key() | {"in_doubt": "True"}))
    assert "despite_doubt" not in html
    assert 'name="in_doubt" value="False"' in html
    assert CHARGE in html
    assert sent(fake_vzaps) == []


@pytest.mark.parametrize(
    ("state", "sentence", "offered"),
    [
        ({"status": "ACTIVE"}, "VZaps documents no charge and no refund for cancelling.", True),
        ({}, "A trial is running, and no subscription is known here", True),
        ({"status": "PAST_DUE"}, "Whether what is owed is still collected after that is not documented.", True),
        ({"status": "PAUSED"}, "VZaps calls it “paused”: what cancelling does then is not documented.", True),
        ({"status": "CANCELED"}, "It is cancelled already, and has ended.", False),
        ({"status": "CANCELED", "expired_at": 1_500_000_000.0}, "and ended on July 14, 2017", False),
        ({"status": "ACTIVE", "cancel_at": 4_000_000_000.0}, "it ends on Oct. 2, 2096", False),
    ],
)
def test_what_cancelling_means_depends_on_the_state(
    state: dict[str, Any],
    sentence: str,
    offered: bool,
    instance: Instance,
    browser: Client,
    fake_vzaps: FakeVZaps,
) -> None:
    remote(fake_vzaps, instance, **state)
    html = text_of(browser.get(page("instance_cancel", instance.pk)))
    assert sentence in html
    assert (CANCEL in html) == offered


@pytest.mark.parametrize(
    ("state", "sentence", "offered"),
    [
        ({"status": "ACTIVE", "cancel_at": 4_000_000_000.0}, "Whether the card is charged at once is not", True),
        ({"status": "ACTIVE", "cancel_at": 4_000_000_000.0}, "Without this it ends on Oct. 2, 2096", True),
        ({"status": "ODD", "cancel_at": 1_500_000_000.0, "expired_at": 1.0}, "which is over: VZaps may refuse", True),
        ({"status": "ACTIVE"}, "No cancellation is scheduled: there is nothing to resume.", False),
        ({"status": "CANCELED"}, "The subscription has ended and cannot be resumed.", False),
    ],
)
def test_what_resuming_means_depends_on_the_state(
    state: dict[str, Any],
    sentence: str,
    offered: bool,
    instance: Instance,
    browser: Client,
    fake_vzaps: FakeVZaps,
) -> None:
    remote(fake_vzaps, instance, **state)
    html = text_of(browser.get(page("instance_resume", instance.pk)))
    assert sentence in html
    assert (RESUME in html) == offered
    assert (page("instance_subscribe", instance.pk) in html) == (state["status"] == "CANCELED")


# The button


def test_yes_charges_once_however_often_it_is_clicked(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    response = browser.post(url, key)
    assert response["Location"] == result(instance)
    again = browser.post(url, key)
    assert again["Location"] == response["Location"]
    assert "nothing was sent a second time" in said(again)
    assert Operation.objects.count() == 1
    assert LogEntry.objects.count() == 1
    refused = browser.post(url, new_key(), follow=True)
    assert "Not subscribed: the card was not charged by this request." in text_of(refused)
    assert "The instance has a subscription already (active). Nothing was charged." in text_of(refused)
    assert len(fake_vzaps.charges) == 1
    assert sent(fake_vzaps) == ["subscribe"]


def test_a_double_click_on_cancel_and_resume_sends_once(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    browser.post(url, key)
    for name in ("cancel", "resume"):
        form = new_key()
        first, second = [browser.post(page(f"instance_{name}", instance.pk), form) for _ in range(2)]
        assert first["Location"] == second["Location"]
    assert sent(fake_vzaps) == ["subscribe", "cancel", "resume"]


@pytest.mark.parametrize("name", ["subscribe", "cancel", "resume"])
@pytest.mark.parametrize("form", [{}, {"idempotency_key": "no key"}])
def test_without_the_pages_key_nothing_is_sent(
    form: dict[str, str], name: str, instance: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    assert browser.post(page(f"instance_{name}", instance.pk), form).status_code == 200
    assert sent(fake_vzaps) == []


def test_a_key_that_stands_for_something_else_sends_nothing(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    Operation.objects.create(
        kind=OperationKind.RESTART, instance=instance, account=instance.account, deadline=timezone.now(), **key
    )
    response = browser.post(url, key)
    assert "stands for another change" in said(response)
    assert response["Location"] == page("instance_change", instance.pk)
    assert sent(fake_vzaps) == []


def test_a_site_that_is_read_only_says_so(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, settings: Any
) -> None:
    settings.VZAPS = settings.VZAPS | {"READ_ONLY": True}
    assert "read only" in said(browser.post(url, key))
    assert sent(fake_vzaps) == []


def test_who_pays_between_look_and_click_is_not_charged_for_twice(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    assert CHARGE in text_of(browser.get(url))
    remote(fake_vzaps, instance, status="ACTIVE")
    html = text_of(browser.post(url, key, follow=True))
    assert phase_of(html) == "failed"
    assert "It was not asked." in html
    assert sent(fake_vzaps) == []


# The page after


def test_the_result_says_what_was_asked_answered_and_verified(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance, operator: User
) -> None:
    response = browser.post(url, key, follow=True)
    html = text_of(response)
    assert phase_of(html) == "verified"
    assert "Subscribed: VZaps shows the subscription." in html
    assert f"<bdi>{operator}</bdi>" in html
    assert "direct: the card on file" in html
    assert fake_vzaps.instances[instance.vzaps_id].billing.subscription_id in html  # type: ignore[operator]
    state = html[html.index("<dl") :]
    assert state.index(">trialing<") < state.index(">active<")
    assert "data-poll-url" not in html
    fake_vzaps.calls.clear()
    remote(fake_vzaps, instance, status="CANCELED")
    subscriptions.refresh(instance)
    # What was verified then stays what it was, beside what is known now.
    after = text_of(browser.get(result(instance)))
    assert after.index(">active<") < after.index(">canceled<")
    assert sent(fake_vzaps) == []


def test_looking_at_the_result_asks_vzaps_nothing(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    fake_vzaps.billing_lag = 50
    browser.post(url, key)
    fake_vzaps.calls.clear()
    browser.get(result(instance))
    assert fake_vzaps.calls == []


def test_cancel_and_resume_are_verified_by_reading(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    browser.post(url, key)
    html = text_of(browser.post(page("instance_cancel", instance.pk), new_key(), follow=True))
    assert "Cancelled: VZaps shows it." in html
    assert "Until then it can be resumed." in html
    assert "Subscription will be canceled at the end of the current period." in html
    html = text_of(browser.post(page("instance_resume", instance.pk), new_key(), follow=True))
    assert "Resumed: VZaps shows no cancellation any more." in html
    html = text_of(browser.post(page("instance_resume", instance.pk), new_key(), follow=True))
    assert "Not resumed" in html
    assert "there is nothing to resume" in html


def test_a_cancellation_at_once_is_said_to_be_one(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    fake_vzaps.variants.immediate_cancel = True
    browser.post(url, key)
    html = text_of(browser.post(page("instance_cancel", instance.pk), new_key(), follow=True))
    assert "It has ended. Only subscribing again, which charges the card, brings it back." in html


def test_a_success_that_is_not_shown_yet_is_said_to_be_one_and_checked_again(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    fake_vzaps.billing_lag = 2
    html = text_of(browser.post(url, key, follow=True))
    assert phase_of(html) == "unverified"
    assert "Do not pay again anywhere else." in html
    assert "Check again" in html
    check = result(instance, name="check")
    assert "nothing new" in said(browser.post(check))
    assert phase_of(text_of(browser.post(check, follow=True))) == "verified"
    assert LogEntry.objects.count() == 2
    assert sent(fake_vzaps) == ["subscribe"]


@pytest.mark.parametrize("name", ["cancel", "resume"])
def test_a_lagging_cancel_or_resume_is_not_relied_on(
    name: str, url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    browser.post(url, key)
    if name == "resume":
        browser.post(page("instance_cancel", instance.pk), new_key())
    fake_vzaps.billing_lag = 50
    html = text_of(browser.post(page(f"instance_{name}", instance.pk), new_key(), follow=True))
    assert phase_of(html) == "unverified"
    assert "do not rely on it" in html


def test_the_open_page_reads_at_most_every_five_seconds(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    fake_vzaps.billing_lag = 3
    browser.post(url, key)
    poll = result(instance, name="poll")
    fake_vzaps.calls.clear()
    answers = [browser.post(poll).json() for _ in range(3)]
    assert [(answer["phase"], answer["over"]) for answer in answers] == [("unverified", False)] * 3
    assert len(fake_vzaps.calls_to("get")) == 1
    cache.clear()  # five seconds later
    browser.post(poll)
    cache.clear()
    answer = browser.post(poll).json()
    assert (answer["phase"], answer["over"], answer["tone"]) == ("verified", True, "good")
    assert answer["headline"] == "Subscribed: VZaps shows the subscription."
    assert "active" in answer["now"]
    assert "What is known" in answer["html"]
    fake_vzaps.calls.clear()
    cache.clear()
    browser.post(poll)
    assert fake_vzaps.calls == []


def test_the_open_page_goes_on_without_the_cache(
    url: str,
    key: dict[str, str],
    browser: Client,
    fake_vzaps: FakeVZaps,
    instance: Instance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_vzaps.billing_lag = 2
    browser.post(url, key)

    class Broken:
        def add(self, *_given: object, **_more: object) -> None:
            raise ConnectionError

    monkeypatch.setattr(billing, "cache", Broken())
    poll = result(instance, name="poll")
    phases = [browser.post(poll).json()["phase"] for _ in range(3)]
    assert (phases[0], phases[-1]) == ("unverified", "verified")


def test_the_open_page_says_when_vzaps_cannot_be_read(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    fake_vzaps.billing_lag = 50
    browser.post(url, key)
    fake_vzaps.faults.add("get", status=403, times=None)
    answer = browser.post(result(instance, name="poll")).json()
    assert answer["phase"] == "unverified"
    assert "VZaps refused" in answer["error"]
    assert "VZaps could not be read just now." in answer["html"]
    assert "VZaps refused" in said(browser.post(result(instance, name="check")))


def test_without_a_card_the_checkout_is_linked_until_it_is_paid(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    fake_vzaps.account.card_on_file = False
    response = browser.post(url, key, follow=True)
    html = text_of(response)
    checkout = Operation.objects.get()
    link = (
        f'<a href="{checkout.checkout_url}" target="_blank" rel="noopener noreferrer">'
        "Open VZaps' checkout page (new tab)</a>"
    )
    assert phase_of(html) == "checkout"
    assert link in html
    assert "Nothing is paid until somebody pays on that page." in html
    # A second one leads to the same page, by GET and by POST, and makes no other session.
    assert browser.get(url)["Location"] == result(instance)
    again = browser.post(url, new_key())
    assert again["Location"] == result(instance)
    assert "is open already: no other one was made" in said(again)
    assert sent(fake_vzaps) == ["subscribe"]
    assert LogEntry.objects.count() == 1
    blocked = text_of(browser.get(page("instance_cancel", instance.pk)))
    assert CANCEL not in blocked
    assert "Waiting for the payment on VZaps' own page." in blocked
    cache.clear()
    fake_vzaps.complete_checkout(instance.vzaps_id)
    answer = browser.post(result(instance, name="poll")).json()
    assert (answer["phase"], answer["headline"]) == ("verified", "Paid: VZaps shows the subscription.")
    assert link not in text_of(browser.get(result(instance)))
    assert "There is a subscription already." in text_of(browser.get(url))


def test_a_checkout_that_nobody_will_pay_is_let_go_of_by_a_person(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    fake_vzaps.account.card_on_file = False
    browser.post(url, key)
    checkout = Operation.objects.get()
    decide = page("operation_decide", checkout.pk)
    assert decide in text_of(browser.get(result(instance)))
    html = text_of(browser.get(decide))
    assert "The page itself is not closed by that." in html
    browser.post(decide, {"carried_out": "no"})
    html = text_of(browser.get(result(instance)))
    assert phase_of(html) == "said-not-done"
    assert "operator said that nobody pays on VZaps' page any more." in html
    assert CHARGE in text_of(browser.get(url))


@pytest.mark.parametrize("address", ["javascript:alert(1)", "ftp://x", '"><script>alert(2)</script>'])
def test_a_link_that_is_none_of_the_webs_is_not_made(
    address: str, url: str, key: dict[str, str], instance: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.account.card_on_file = False
    browser.post(url, key)
    Operation.objects.update(answer={"mode": "checkout", "url": address})
    html = browser.get(result(instance)).content.decode()
    assert address not in html
    assert "Open VZaps" not in html


def test_an_address_beside_a_charged_card_is_no_checkout(
    url: str, key: dict[str, str], instance: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.billing_lag = 50
    browser.post(url, key)
    Operation.objects.update(answer={"mode": "direct", "url": "https://receipts.example.org/1"})
    html = text_of(browser.get(result(instance)))
    assert phase_of(html) == "unverified"
    assert "Do not pay again anywhere else." in html


def test_a_link_on_the_instances_page_is_the_webs_too(instance: Instance, browser: Client) -> None:
    Instance.objects.update(url="javascript:alert(1)")
    instance.subscription.checkout_url = "javascript:alert(2)"
    instance.subscription.save()
    assert "javascript:" not in browser.get(page("instance_change", instance.pk)).content.decode().replace(
        '"url": "javascript', ""
    )


def test_a_lost_answer_is_said_and_found_out(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    fake_vzaps.faults.add("subscribe", drop=True)
    fake_vzaps.billing_lag = 1
    html = text_of(browser.post(url, key, follow=True))
    operation = Operation.objects.get()
    assert operation.outcome == OperationOutcome.UNKNOWN
    assert phase_of(html) == "unknown"
    assert "It is not known whether the card was charged." in html
    assert "Find out" in html
    assert page("operation_decide", operation.pk) in html
    assert "data-poll-url" not in html
    before = text_of(browser.get(url))
    assert CHARGE not in before
    assert "An earlier billing change of this instance is not settled yet." in before
    assert result(instance) in before
    again = browser.post(url, new_key())
    assert again["Location"] == result(instance)
    assert "not settled yet" in said(again)
    found = browser.post(result(instance, name="check"), follow=True)
    assert phase_of(text_of(found)) == "verified"
    assert "Nothing: the answer never came." in text_of(found)
    assert len(fake_vzaps.charges) == 1
    assert sent(fake_vzaps) == ["subscribe"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("cancel", "It is not known whether the subscription was cancelled."),
        ("resume", "It is not known whether the subscription was resumed."),
    ],
)
def test_a_lost_cancel_or_resume_says_what_it_means(
    name: str, sentence: str, url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    browser.post(url, key)
    if name == "resume":
        browser.post(page("instance_cancel", instance.pk), new_key())
    fake_vzaps.faults.add(name, drop=True)
    html = text_of(browser.post(page(f"instance_{name}", instance.pk), new_key(), follow=True))
    assert sentence in html
    assert phase_of(text_of(browser.post(result(instance, name="check"), follow=True))) == "verified"


@pytest.mark.parametrize(
    ("carried_out", "phase", "sentence"),
    [
        (True, "unverified", "operator said that the card was charged. VZaps does not show a subscription yet."),
        (False, "said-not-done", "operator said that the card was not charged."),
    ],
)
def test_a_persons_word_is_shown_as_one(
    carried_out: bool,
    phase: str,
    sentence: str,
    url: str,
    key: dict[str, str],
    browser: Client,
    fake_vzaps: FakeVZaps,
    instance: Instance,
    operator: User,
) -> None:
    fake_vzaps.faults.add("subscribe", drop=True, carried_out=False)
    browser.post(url, key)
    operations.decide(Operation.objects.get(), carried_out=carried_out, actor=operator)
    html = text_of(browser.get(result(instance)))
    assert phase_of(html) == phase
    assert sentence in html


def test_what_nobody_waits_for_any_more_is_not_said_to_be_verified(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance, operator: User
) -> None:
    fake_vzaps.billing_lag = 50
    browser.post(url, key)
    operations.decide(Operation.objects.get(), carried_out=True, actor=operator)
    html = text_of(browser.get(result(instance)))
    assert phase_of(html) == "said-done"
    assert "nothing that was read from VZaps showed it" in html


def test_a_definite_refusal_says_that_nothing_was_charged(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    fake_vzaps.faults.add("subscribe", status=402)
    html = text_of(browser.post(url, key, follow=True))
    assert phase_of(html) == "failed"
    assert "the card was not charged by this request" in html
    assert "The service answered with 402 on demand." in html
    assert "Nothing was accepted; the reason is above." in html
    assert f'<a href="{url}">Read the state again, and decide anew</a>' in html


def test_one_that_still_runs_is_followed_and_one_that_never_ended_is_found_out(
    instance: Instance, browser: Client, fake_vzaps: FakeVZaps, url: str
) -> None:
    running = Operation.objects.create(
        kind=OperationKind.SUBSCRIBE,
        instance=instance,
        account=instance.account,
        deadline=timezone.now() + timedelta(minutes=1),
        lock=f"billing:{instance.pk}",
    )
    html = text_of(browser.get(result(instance, running)))
    assert phase_of(html) == "running"
    assert browser.post(result(instance, running, "poll")).json()["phase"] == "running"
    assert fake_vzaps.calls == []
    assert CHARGE not in text_of(browser.get(url))
    Operation.objects.update(deadline=timezone.now() - timedelta(seconds=1))
    assert browser.post(result(instance, running, "poll")).json() | {"html": ""} == {
        "phase": "overdue",
        "over": True,
        "headline": "It is not known whether the card was charged.",
        "tone": "warning",
        "error": "",
        "html": "",
        "now": browser.post(result(instance, running, "poll")).json()["now"],
    }
    remote(fake_vzaps, instance, status="ACTIVE")
    assert phase_of(text_of(browser.post(result(instance, running, "check"), follow=True))) == "verified"


def test_texts_from_outside_break_nothing(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    browser.post(url, key)
    hostile = "<script>alert(1)</script>\u202e" + "x" * 10_000
    Instance.objects.update(name=hostile[:255])
    Operation.objects.update(
        answer={"mode": hostile, "subscription_id": hostile, "message": hostile, "status": 5},
        effect={"billing_status": hostile, "cancel_at": "no date", "read_at": None},
        baseline=[],
        outcome=OperationOutcome.FAILED,
        error=hostile,
    )
    html = browser.get(result(instance)).content.decode()
    assert "<script>alert(1)" not in html
    assert "<bdi>&lt;script&gt;alert(1)" in html
    assert "<script>alert(1)" not in browser.get(url).content.decode()


def test_the_history_is_one_of_billing_and_costs_the_same_for_many(
    url: str, key: dict[str, str], browser: Client, instance: Instance
) -> None:
    browser.post(url, key)
    first = Operation.objects.get()

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            browser.get(result(instance, first))
        return len(captured)

    few = queries()
    for kind in (OperationKind.CANCEL, OperationKind.RESUME, OperationKind.RESTART) * 5:
        Operation.objects.create(
            kind=kind, instance=instance, account=instance.account, deadline=timezone.now(), actor=first.actor
        )
    assert queries() == few
    html = text_of(browser.get(result(instance, first)))
    assert html.count('<th scope="row">') == billing.HISTORY
    assert "Restart instance #" not in html


# Who may


@pytest.mark.parametrize("name", ["result", "check", "poll"])
def test_the_result_is_for_who_may_spend_money(
    name: str, url: str, key: dict[str, str], browser: Client, staff_with: StaffWith, instance: Instance
) -> None:
    browser.post(url, key)
    for client in (
        staff_with("view_instance"),
        staff_with("bill_instance"),
        staff_with("view_instance", "add_instance"),
    ):
        address = result(instance, name=name)
        assert (client.get(address) if name == "result" else client.post(address)).status_code == 403
    payer = staff_with("view_instance", "bill_instance")
    assert payer.get(result(instance)).status_code == 200
    assert payer.get(result(instance, name="check")).status_code == 405
    assert payer.get(result(instance, name="poll")).status_code == 405
    assert payer.post(result(instance)).status_code == 405
    # Without the permission to see operations there is no way to their pages.
    assert "/operation/" not in text_of(payer.get(result(instance)))


def test_the_result_is_of_this_instance_and_of_billing(
    url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    browser.post(url, key)
    other = Instance.objects.create(account=instance.account, vzaps_id="VZOTHER", name="Other")
    assert browser.get(result(other)).status_code == 404
    restart = Operation.objects.create(
        kind=OperationKind.RESTART, instance=instance, account=instance.account, deadline=timezone.now()
    )
    assert browser.get(result(instance, restart)).status_code == 404
    assert browser.post(result(instance, restart, "poll")).status_code == 404


def nothing(_user: Any, queryset: Any) -> Any:
    return queryset.none()


def test_out_of_scope_there_is_nothing(
    url: str, key: dict[str, str], browser: Client, instance: Instance, settings: Any
) -> None:
    browser.post(url, key)
    settings.VZAPS = settings.VZAPS | {"INSTANCE_SCOPE": nothing}
    assert browser.get(url).status_code == 404
    assert browser.get(result(instance)).status_code == 404
    assert browser.post(result(instance, name="check")).status_code == 404
    assert browser.post(result(instance, name="poll")).status_code == 404


@pytest.mark.parametrize("name", ["check", "poll"])
def test_asking_again_wants_a_csrf_token(
    name: str, url: str, key: dict[str, str], browser: Client, fake_vzaps: FakeVZaps, instance: Instance, operator: User
) -> None:
    fake_vzaps.billing_lag = 50
    browser.post(url, key)
    fake_vzaps.calls.clear()
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    assert client.post(result(instance, name=name)).status_code == 403
    assert fake_vzaps.calls == []


def test_what_is_gone_can_be_looked_at(url: str, key: dict[str, str], browser: Client, instance: Instance) -> None:
    browser.post(url, key)
    Instance.objects.update(removed_at=timezone.now())
    assert browser.get(result(instance)).status_code == 200
    assert "gone from VZaps" in said(browser.get(url))
    assert browser.put(url).status_code == 405
