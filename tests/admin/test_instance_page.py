"""The page of one instance: sections that say how old they are, each with what can be done there."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from django_vzaps.admin.instances.offers import SECTION_OFFERS, TOOLS
from django_vzaps.models import Account, Event, Instance, Operation, OperationKind, Subscription, Webhook
from django_vzaps.services import sessions, webhooks
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import StaffWith, page, text_of
from tests.known import known


@pytest.fixture
def busy(fake_vzaps: FakeVZaps, account: Account) -> Instance:
    """One of which everything is known."""
    instance = known(fake_vzaps, account, connected=True, phone="5511999990000", push_name="Clinic")
    sessions.status(instance)
    webhooks.set(instance, actor=None)
    fake_vzaps.calls.clear()
    return instance


def section(html: str, title: str) -> str:
    """From the heading to the end of its controls."""
    return html.partition(f">{title}</h2>")[2].partition('<div class="vzaps-section">')[0]


def shown(browser: Client, instance: Instance) -> str:
    return text_of(browser.get(page("instance_change", instance.pk)))


def test_what_can_be_done_stands_where_it_belongs(busy: Instance, browser: Client) -> None:
    html = shown(browser, busy)
    expected = {
        "Identity": {"check_identity", "owner", "token", "delete"},
        "Connection": {"check_connection", "disconnect"},
        "Billing": {"check_billing", "subscribe", "cancel"},
        "Webhook": {"check_webhook", "webhook", "rotate", "deliveries"},
    }
    names = [offer.name for offers in SECTION_OFFERS.values() for offer in offers]
    for title, offered in expected.items():
        found = section(html, title).partition("<section")[0]
        assert {name for name in names if f'"{page(f"instance_{name}", busy.pk)}"' in found} == offered, title
    tools = html.partition('<ul class="object-tools">')[2].partition("</ul>")[0]
    names = [offer.name for offer in TOOLS]
    offered = {name for name in names if f'"{page(f"instance_{name}", busy.pk)}"' in tools}
    assert offered == {"check", "send", "edit", "restart"}
    assert tools.count("<li>") <= 6


def test_each_section_says_how_old_it_is(busy: Instance, browser: Client) -> None:
    hours = timedelta(hours=1)
    Instance.objects.update(synced_at=timezone.now() - 2 * hours, connection_asked_at=timezone.now() - 3 * hours)
    Instance.objects.update(connection_source="webhook")
    Subscription.objects.update(refreshed_at=timezone.now() - 4 * hours)
    Webhook.objects.update(checked_at=timezone.now() - 5 * hours)
    html = shown(browser, busy).replace("\xa0", " ")
    for title, age, source in (
        ("Identity", "2 hours ago", "API"),
        ("Connection", "3 hours ago", "webhook"),
        ("Billing", "4 hours ago", "API"),
        ("Webhook", "5 hours ago", "API"),
    ):
        assert re.search(rf"{age}</time>.{{0,20}}by {source}", section(html, title), re.S), title


def test_looking_asks_nothing(busy: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    browser.get(page("instance_change", busy.pk))
    for name in ("edit", "owner", "send", "webhook", "deliveries"):
        assert browser.get(page(f"instance_{name}", busy.pk)).status_code == 200
    assert fake_vzaps.calls == []


def test_as_many_queries_for_much_as_for_little(
    busy: Instance, browser: Client, django_assert_max_num_queries: Any, django_assert_num_queries: Any
) -> None:
    def add(count: int) -> None:
        for _ in range(count):
            Event.objects.store(instance_id=busy.pk, type="Message", payload="{}")
            Operation.objects.create(kind=OperationKind.RESTART, instance=busy, deadline=timezone.now())

    add(1)
    url = page("instance_change", busy.pk)
    with django_assert_max_num_queries(11) as few:
        browser.get(url)
    add(30)
    with django_assert_num_queries(len(few.captured_queries)):
        html = text_of(browser.get(url))
    assert html.count("Message #") == 10


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"state": "trialing"}, "Nothing is paid yet."),
        ({"state": "active"}, "VZaps charges the card for every period until it is cancelled."),
        ({"state": "active", "cancel_at": timedelta(days=3)}, "is not charged again. Until then"),
        ({"state": "active", "cancel_at": -timedelta(days=3)}, "VZaps charges the card for every period"),
        ({"state": "past_due"}, "A payment is missing."),
        ({"state": "unpaid"}, "A payment is missing."),
        ({"state": "paused"}, "It rests."),
        ({"state": "canceled"}, "It has ended, and is not charged again."),
        ({"state": "incomplete"}, "The first payment did not go through"),
        ({"state": "unknown", "billing_status": "<b>odd"}, "VZaps' word for its state is not known here."),
        ({"refreshed_at": None}, "Not asked yet."),
    ],
)
def test_what_happens_next_with_the_money(values: dict[str, Any], words: str, busy: Instance, browser: Client) -> None:
    columns = {
        name: timezone.now() + value if isinstance(value, timedelta) else value for name, value in values.items()
    }
    Subscription.objects.update(**columns)
    response = browser.get(page("instance_change", busy.pk))
    assert words in section(text_of(response), "Billing")
    assert "<b>odd" not in response.content.decode()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "VZaps' delivery log was not read yet."),
        ({"healed_at": timedelta()}, "No failed delivery is known. Log last read "),
        ({"healed_at": timedelta(), "last_failure_at": -timedelta(hours=2)}, "Last failed delivery: "),
    ],
)
def test_whether_deliveries_fail(values: dict[str, Any], words: str, busy: Instance, browser: Client) -> None:
    Webhook.objects.update(**{name: timezone.now() + value for name, value in values.items()})
    assert words in section(shown(browser, busy), "Webhook")


HOSTILE = "<script>alert(1)</script>\u202e" + "x" * 10_000


def test_a_strangers_words_stay_words(busy: Instance, browser: Client) -> None:
    texts = {"about": HOSTILE, "website": HOSTILE, "business_name": HOSTILE}
    links = {"profile_url": "javascript:alert(2)", "profile_picture_url": 'https://x.example/"onload="alert(3)'}
    Instance.objects.update(
        name=HOSTILE[:255],
        push_name=HOSTILE[:255],
        status=HOSTILE[:255],
        phone=HOSTILE[:64],
        whatsapp_jid=HOSTILE[:255],
        url="javascript:alert(2)",
        labels={HOSTILE: HOSTILE},
        profile=texts | links,
        data={HOSTILE: HOSTILE},
    )
    html = browser.get(page("instance_change", busy.pk)).content.decode()
    assert "<script>alert" not in html
    assert 'href="javascript' not in html
    assert '"onload=' not in html
    for name in ("edit", "owner", "send", "webhook", "deliveries"):
        assert "<script>alert" not in browser.get(page(f"instance_{name}", busy.pk)).content.decode()


@pytest.mark.parametrize("profile", [[], "text", {"about": {"deep": 1}}, {"profile_url": 7}, None])
def test_a_profile_of_any_shape_is_shown(profile: object, busy: Instance, browser: Client) -> None:
    Instance.objects.update(profile=profile if profile is not None else {})
    assert browser.get(page("instance_change", busy.pk)).status_code == 200


def test_one_that_is_gone_can_only_be_looked_at(busy: Instance, browser: Client) -> None:
    Instance.objects.update(removed_at=timezone.now() - timedelta(days=2))
    html = shown(browser, busy)
    assert "This instance is gone from VZaps" in html
    offers = [*TOOLS, *(offer for offers in SECTION_OFFERS.values() for offer in offers)]
    offered = {offer.name for offer in offers if f'"{page(f"instance_{offer.name}", busy.pk)}"' in html}
    assert offered == {"check", "check_identity"}
    assert "Recent events" in html


OTHERS = {
    **dict.fromkeys(("owner", "send", "webhook"), "both"),
    "deliveries": "get",
    **dict.fromkeys(("token", "webhook_test", "deliver_again"), "post"),
    **dict.fromkeys(("check_identity", "check_connection", "check_billing", "check_webhook"), "post"),
}


def nobodys(user: User, instances: QuerySet[Instance]) -> QuerySet[Instance]:
    return instances.none()


@pytest.mark.parametrize(("name", "methods"), OTHERS.items())
def test_what_is_out_of_scope_is_not_there(
    name: str, methods: str, busy: Instance, browser: Client, settings: Any, fake_vzaps: FakeVZaps
) -> None:
    settings.VZAPS = {**settings.VZAPS, "INSTANCE_SCOPE": "tests.admin.test_instance_page.nobodys"}
    url, form = page(f"instance_{name}", busy.pk), {"log_id": "1", "idempotency_key": str(uuid.uuid4())}
    if methods != "post":
        assert browser.get(url, {"search": "1"}).status_code == 404
    if methods != "get":
        assert browser.post(url, form).status_code == 404
    assert fake_vzaps.calls == []


@pytest.mark.parametrize(
    ("name", "methods"), [(name, methods) for name, methods in OTHERS.items() if name != "check_identity"]
)
def test_one_that_is_gone_is_refused(
    name: str, methods: str, busy: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    Instance.objects.update(removed_at=timezone.now())
    url = page(f"instance_{name}", busy.pk)
    response = browser.get(url, {"search": "1"}) if methods == "get" else browser.post(url, {"owner": "x"})
    assert response.status_code == 302
    assert response["Location"] == page("instance_change", busy.pk)
    assert fake_vzaps.calls == []


def test_who_may_only_look_sees_no_control(busy: Instance, staff_with: StaffWith) -> None:
    html = text_of(staff_with("view_instance").get(page("instance_change", busy.pk)))
    assert "vzaps-controls" not in html
    assert "Recent events" not in html
    assert "Recent operations" not in html
