from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from django_vzaps.admin.instances import columns
from django_vzaps.admin.instances.filters import WebhookFilter
from django_vzaps.models import (
    Account,
    Instance,
    Lane,
    Subscription,
    WebhookHealth,
)
from tests.admin.conftest import page, text_of
from tests.admin.rows import ago, ahead, event, hook, listing, make, names


def words(cell: object) -> str:
    """A cell without its tags."""
    return " ".join(strip_tags(str(cell)).replace("\xa0", " ").split())


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"connected": True, "connection_source": "api", "age": 40}, "connected confirmed 40 seconds ago by API"),
        ({"connected": True, "connection_source": "webhook", "age": 300},
         "connected reported 5 minutes ago by webhook"),
        ({"connected": True, "connection_source": "api", "age": 10800}, "stale last heard 3 hours ago by API"),
        ({"connected": True}, "stale never confirmed"),
        ({"connected": False, "phone": "5511", "connection_source": "realtime", "age": 7200},
         "disconnected reported 2 hours ago by realtime"),
        ({"connected": False, "connection_source": "api", "age": 1}, "never paired confirmed 1 second ago by API"),
        ({"connected": True, "age": -5}, "connected just now"),
        ({"connected": None}, "unknown not asked yet"),
        ({"connected": None, "removed_at": 4 * 86400}, "gone from VZaps 4 days ago"),
    ],
)  # fmt: skip
def test_a_connection_is_told_with_its_age_and_source(facts: dict[str, Any], said: str) -> None:
    age = facts.pop("age", None)
    gone = facts.pop("removed_at", None)
    instance = Instance(
        connection_asked_at=None if age is None else ago(seconds=age),
        removed_at=None if gone is None else ago(seconds=gone),
        **facts,
    )
    assert words(columns.connection(instance)) == said


@pytest.mark.parametrize(
    ("state", "facts", "said"),
    [
        ("trialing", {"cancel_at": {"days": 2}}, "trialing trial ends in 2 days"),
        ("trialing", {"expired_at": {"hours": 5}}, "trialing trial ends in 5 hours"),
        ("active", {"cancel_at": {"days": 3}}, "active ends in 3 days"),
        ("active", {"cancel_at": {"hours": -2}}, "active was to end 1 hour ago"),
        ("canceled", {"expired_at": {"hours": -2}}, "canceled ended 1 hour ago"),
        ("active", {"refreshed_at": {"hours": -2}}, "active read 1 hour ago"),
        ("past_due", {}, "past due not read yet"),
        ("unknown", {"billing_status": "ON_HOLD"}, "unknown ON_HOLD not read yet"),
    ],
)
def test_billing_is_told_with_what_is_known_to_come(state: str, facts: dict[str, Any], said: str) -> None:
    given = {name: ahead(**value) if isinstance(value, dict) else value for name, value in facts.items()}
    instance = Instance(name="x")
    instance.subscription = Subscription(state=state, **given)
    assert words(columns.billing(instance)) == said
    assert "renew" not in said


@pytest.mark.parametrize(
    ("facts", "health", "said"),
    [
        ({}, "ok", "ok checked 1 minute ago"),
        ({"checked_at": None}, "unchecked", "not checked set, not read back yet"),
        ({"checked_at": None, "desired_events": None}, "unchecked", "not checked"),
        ({"desired_events": None, "actual_host_and_path": ""}, "not_set", "not set checked 1 minute ago"),
        ({"desired_events": None, "actual_host_and_path": "a.ex/b"}, "unmanaged", "not managed here set to a.ex"),
        ({"actual_host_and_path": ""}, "drifted", "drifted VZaps has none"),
        ({"actual_host_and_path": "a.ex/b", "actual_events": []}, "drifted", "drifted another address, other events"),
        ({"last_failure_at": 3}, "failing", "failing last failure 3 hours ago"),
        ({"last_failure_at": 30}, "ok", "ok checked 1 minute ago"),
        ({"last_failure_at": 3, "actual_events": []}, "drifted", "drifted other events"),
    ],
)  # fmt: skip
def test_a_webhook_is_told_and_filtered_by_its_health(
    facts: dict[str, Any], health: str, said: str, account: Account, browser: Client
) -> None:
    if hours := facts.pop("last_failure_at", None):
        facts["last_failure_at"] = ago(hours=hours)
    instance = make(account, "one")
    hook(instance, **{"checked_at": ago(seconds=65)} | facts)
    (row,) = listing(browser, "instance").result_list
    assert words(columns.webhook(row)) == said
    assert row.webhook.health == health
    assert names(browser, webhook=health) == {"one"}
    for value in WebhookHealth.values:
        assert WebhookFilter.chosen(Instance.objects.all(), value).exists() == (value == health), value


def test_the_backlog_is_told_with_its_age_and_its_end_is_not_looked_for(
    account: Account, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "MOST_WAITING", 3)
    monkeypatch.setattr("django_vzaps.admin.instances.changelist.MOST_WAITING", 3)
    for name, lanes, age in (
        ("none", [], 0),
        ("few", ["main", "bulk"], 2),
        ("old", ["main"], 120),
        ("many", ["main"] * 5, 1),
    ):
        instance = make(account, name)
        for lane in lanes:
            event(instance, "pending", lane=lane, received_at=ago(minutes=age))
    event(instance, "done")
    event(instance, "pending", lane=Lane.BULK, retry_at=ahead(hours=1))
    found = listing(browser, "instance").result_list
    rows = {str(row): words(columns.backlog(row.backlog)) for row in found}
    assert rows == {
        "none": "none",
        "few": "2 waiting oldest 2 minutes ago",
        "old": "behind: 1 waiting oldest 2 hours ago",
        "many": "behind: 3+ waiting oldest 1 minute ago",
    }


def test_the_page_shows_every_column(one_of_everything: dict[str, Instance], browser: Client, operator: User) -> None:
    instance = one_of_everything["connected"]
    Instance.objects.filter(pk=instance.pk).update(owner=operator, last_event_at=ago(hours=2), phone="55119")
    html = text_of(browser.get(page("instance_changelist"), {"connection": "connected"}))
    for told in (
        "confirmed",
        "by API",
        "trial ends",
        "drifted",
        "55119",
        "default",
        "owner=%3Doperator",
        "hours",
    ):
        assert told in html
    time = instance.connection_asked_at
    assert time is not None
    assert f'<time datetime="{time.isoformat()}" title="' in html


@pytest.mark.parametrize(
    ("picture", "is_shown"),
    [
        ("https://pps.example/1.jpg", True),
        ("http://pps.example/1.jpg", False),
        ("javascript:alert(1)", False),
        (7, False),
    ],
)
def test_a_photo_lies_over_the_initials(picture: object, is_shown: bool, account: Account, browser: Client) -> None:
    make(account, "Front desk", profile={"profile_picture_url": picture})
    html = browser.get(page("instance_changelist")).content.decode()
    assert '<span aria-hidden="true">FD</span>' in html
    image = f'<img src="{picture}" alt="" width="32" height="32" loading="lazy" referrerpolicy="no-referrer">'
    assert (image in html) == is_shown
    assert "javascript:" not in html


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("front desk", "FD"),
        ("Ágata", "Á"),
        ("\u202e\u202d x", "X"),
        ("🙂 ok", "O"),
        ("***", ""),
        ("Bia Carvalho da Silva", "BS"),
        ("", ""),
        ("(Ana) ß", "ASS"),
        ("李 小龍", "李小"),
        ("2 Go", "2G"),
    ],
)
def test_initials_are_of_letters(name: str, letters: str) -> None:
    assert columns.initials(name) == letters


def test_a_strangers_words_stay_words(account: Account, browser: Client) -> None:
    evil = "<script>alert(1)</script>"
    instance = make(account, evil, phone=evil, push_name=evil, connected=True, connection_source=evil[:16])
    Instance.objects.update(connection_asked_at=timezone.now(), labels={evil: evil}, data={"x": evil}, status=evil)
    Subscription.objects.create(instance=instance, billing_status=evil)
    hook(instance, desired_events=None, actual_host_and_path=evil)
    User.objects.create_user(evil)
    Instance.objects.update(owner=User.objects.get(username=evil))
    for url in (page("instance_changelist"), page("instance_change", instance.pk), page("instance_pair", instance.pk)):
        html = browser.get(url).content.decode()
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert" in html
    assert "<script>alert" not in browser.get(page("instance_changelist"), {"owner": evil, "q": evil}).content.decode()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the others do not take it in")
def test_texts_without_end_are_cut(account: Account, browser: Client) -> None:
    make(account, "n" * 10_000, phone="5" * 10_000, push_name="p" * 10_000)
    html = browser.get(page("instance_changelist")).content.decode()
    assert f"<bdi>{'n' * (columns.LONGEST - 1)}…</bdi>" in html
    assert f"<bdi>{'5' * (columns.LONGEST - 1)}…</bdi>" in html


def test_marks_that_turn_text_round_stay_in_their_own_words(account: Account, browser: Client) -> None:
    make(account, "\u202eevil", phone="\u202e55")
    html = browser.get(page("instance_changelist")).content.decode()
    assert "<bdi>\u202eevil</bdi>" in html
    assert "<bdi>\u202e55</bdi>" in html
