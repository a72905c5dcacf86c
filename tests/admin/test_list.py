from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from django_vzaps.admin.instances import filters, strip
from django_vzaps.admin.paging import CappedPaginator
from django_vzaps.models import (
    Account,
    ConnectionState,
    Instance,
    Subscription,
)
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import StaffWith, page, said, text_of
from tests.admin.rows import ago, counts, event, listing, make, names


def test_the_strip_counts_what_its_filters_find(one_of_everything: dict[str, Instance], browser: Client) -> None:
    assert counts(browser) == {
        "connected": "1",
        "stale": "1",
        "disconnected": "1",
        "never paired": "1",
        "trial ending": "1",
        "past due": "2",
        "webhook drift": "1",
        "failed events": "2",
    }
    for item in listing(browser, "instance").strip:
        found = browser.get(f"{page('instance_changelist')}?{item['query']}")
        rows = found.context["cl"].result_list
        assert str(len(rows)) == item["count"], item["label"]
        assert all(row.removed_at is None for row in rows)
        current = [each for each in found.context["cl"].strip if each["is_current"]]
        assert [(each["label"], each["query"]) for each in current] == [(item["label"], "")]
        assert found.content.decode().count('aria-current="true"') == 1


def test_counts_are_of_all_that_is_present_whatever_is_filtered(
    one_of_everything: dict[str, Instance], browser: Client
) -> None:
    assert counts(browser, presence="gone", q="nothing") == counts(browser)


def test_an_empty_strip_is_quiet(account: Account, browser: Client) -> None:
    assert {item["tone"] for item in listing(browser, "instance").strip} == {"none"}
    make(account, "one", connected=True)
    assert [item["tone"] for item in listing(browser, "instance").strip if item["count"] == "1"] == ["warning"]


def test_counts_end_at_a_limit(account: Account, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strip, "MOST", 2)
    for number in range(4):
        instance = make(account, f"n{number}", connected=None if number else True)
        Subscription.objects.create(instance=instance, state="unpaid")
        event(instance, "failed")
    found = counts(browser)
    assert (found["past due"], found["stale"], found["failed events"]) == ("2+", "1", "2+")


def test_the_newest_failures_are_looked_at_and_it_is_said_that_there_are_more(
    account: Account, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "FAILURES_READ", 2)
    monkeypatch.setattr("django_vzaps.admin.instances.strip.FAILURES_READ", 2)
    first, second = make(account, "first"), make(account, "second")
    event(first, "failed", received_at=ago(days=2))
    event(second, "failed")
    assert counts(browser)["failed events"] == "2"
    event(second, "failed")
    assert counts(browser)["failed events"] == "1+"
    assert names(browser, failed="yes") == {"second"}


def test_large_counts_are_written_as_people_write_them(account: Account, browser: Client) -> None:
    Instance.objects.bulk_create(
        [Instance(account=account, vzaps_id=f"VZ{number}", name="n", connected=False) for number in range(1_234)]
    )
    assert counts(browser)["never paired"] == "1,234"


@pytest.mark.parametrize("state", ConnectionState.values)
def test_the_filter_agrees_with_the_state_shown(state: str, one_of_each: dict[str, Instance], browser: Client) -> None:
    assert names(browser, connection=state) == {state}
    assert one_of_each[state].connection_state == state


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("trial_ending", {"connected"}),
        ("overdue", {"stale", "disconnected"}),
        ("trialing", {"connected", "unknown"}),
        ("past_due", {"stale"}),
        ("unpaid", {"disconnected"}),
        ("active", set()),
    ],
)
def test_filters_by_billing(
    value: str, found: set[str], one_of_everything: dict[str, Instance], browser: Client
) -> None:
    assert names(browser, billing=value) == found


@pytest.mark.parametrize(
    "query",
    [
        {"connection": "odd"},
        {"billing": "odd"},
        {"webhook": "\x00"},
        {"failed": "no"},
        {"account__id__exact": "x"},
        {"owner": "\x00"},
    ],
)
def test_a_value_that_is_none_finds_nothing(query: dict[str, str], one_of_everything: object, browser: Client) -> None:
    assert names(browser, **query) == set()


def test_gone_instances_are_hidden_until_asked_for(account: Account, browser: Client) -> None:
    make(account, "here")
    make(account, "lost", removed_at=timezone.now())
    assert names(browser) == {"here"}
    assert names(browser, presence="gone") == {"lost"}
    assert names(browser, presence="all") == {"here", "lost"}


def test_filters_by_account(account: Account, browser: Client) -> None:
    make(account, "ours")
    assert "By account" not in text_of(browser.get(page("instance_changelist")))
    other = Account.objects.create(name="other")
    make(other, "theirs")
    assert "By account" in text_of(browser.get(page("instance_changelist")))
    assert names(browser, account__id__exact=str(other.pk)) == {"theirs"}


def test_filters_by_owner_without_listing_users(account: Account, browser: Client, operator: User) -> None:
    ana, anabel = User.objects.create_user("ana"), User.objects.create_user("anabel")
    User.objects.create_user("nobody-at-all")
    for name, owner in (("a", ana), ("b", anabel), ("mine", operator), ("free", None)):
        make(account, name, owner=owner)
    assert names(browser, owner=":me") == {"mine"}
    assert names(browser, owner=":nobody") == {"free"}
    assert names(browser, owner="ana") == {"a", "b"}
    assert names(browser, owner="=ana") == {"a"}
    html = text_of(browser.get(page("instance_changelist"), {"owner": "ana", "connection": "unknown", "p": "1"}))
    assert "nobody-at-all" not in html
    assert '<input id="vzaps-owner" name="owner" value="ana"' in html
    assert '<input type="hidden" name="connection" value="unknown">' in html
    assert '<a href="?owner=%3Dana">' in html


def _nothing(user: User, instances: QuerySet[Instance]) -> QuerySet[Instance]:
    return instances.none()


@pytest.fixture
def scoped(settings: Any) -> Callable[[object], None]:
    def limit(how: object) -> None:
        settings.VZAPS = {**settings.VZAPS, "INSTANCE_SCOPE": how}

    return limit


def test_a_scope_limits_rows_counts_and_accounts(
    one_of_everything: dict[str, Instance], staff_with: StaffWith, scoped: Callable[[object], None]
) -> None:
    client = staff_with("view_instance")
    mine = Account.objects.create(name="mine alone")
    Account.objects.create(name="somebody's secret")
    scoped("tests.admin.rows.theirs")
    assert names(client) == set()
    assert set(counts(client).values()) == {"0"}
    user = User.objects.get(username="staff0")
    Instance.objects.filter(name__in=["connected", "stale", "never_paired"]).update(owner=user)
    Instance.objects.filter(name="stale").update(account=mine)
    assert names(client) == {"connected", "stale", "never_paired"}
    assert counts(client) == {
        "connected": "1",
        "stale": "1",
        "disconnected": "0",
        "never paired": "1",
        "trial ending": "1",
        "past due": "1",
        "webhook drift": "1",
        "failed events": "1",
    }
    assert names(client, failed="yes") == {"never_paired"}
    html = text_of(client.get(page("instance_changelist")))
    assert "mine alone" in html
    assert "secret" not in html


def test_a_scope_of_nothing_is_an_empty_list(
    one_of_everything: object, browser: Client, scoped: Callable[[object], None]
) -> None:
    scoped(_nothing)
    assert names(browser) == set()
    assert set(counts(browser).values()) == {"0"}


def test_same_names_come_in_one_order_on_all_pages(
    account: Account, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin.site._registry[Instance], "list_per_page", 10)
    for number in range(15):
        Instance.objects.create(account=account, vzaps_id=f"VZ{number}", name="same", last_event_at=None)
    for order in ({}, {"o": "1"}, {"o": "-1"}, {"o": "5"}, {"o": "-5"}):
        pages = [
            [row.pk for row in listing(browser, "instance", p=number, **order).result_list] for number in ("1", "2")
        ]
        assert [len(rows) for rows in pages] == [10, 5]
        assert len({*pages[0], *pages[1]}) == 15
        both = pages[0] + pages[1]
        assert both == sorted(both, reverse="-" in order.get("o", ""))


def test_orders_by_one_column_at_a_time(account: Account, browser: Client) -> None:
    make(account, "b", last_event_at=ago(hours=2))
    make(account, "a", last_event_at=ago(hours=1))
    assert [str(row) for row in listing(browser, "instance").result_list] == ["a", "b"]
    assert [str(row) for row in listing(browser, "instance", o="-1.5").result_list] == ["b", "a"]
    assert [str(row) for row in listing(browser, "instance", o="5.1").result_list] == ["b", "a"]
    assert listing(browser, "instance", o="5.1").queryset.query.order_by == ("last_event_at", "pk")
    # What has no index is no way to order.
    assert listing(browser, "instance", o="2").queryset.query.order_by == ("name", "pk")


def test_long_lists_are_counted_up_to_a_limit(
    account: Account, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CappedPaginator, "most", 3)
    for number in range(3):
        make(account, f"n{number}")
    assert "only the first" not in text_of(browser.get(page("instance_changelist")))
    make(account, "one more")
    assert "There are more than 3: only the first 3 can be paged through." in text_of(
        browser.get(page("instance_changelist"))
    )


def test_a_lost_encryption_key_does_not_break_the_list(account: Account, browser: Client, settings: Any) -> None:
    instance = make(account, "locked", token="inst_secret")
    settings.VZAPS = {**settings.VZAPS, "ENCRYPTION_KEYS": ["b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktMDE="]}
    assert names(browser) == {"locked"}
    html = browser.get(page("instance_change", instance.pk)).content.decode()
    assert "inst_secret" not in html


def test_the_sync_button_reads_every_active_account(fake_vzaps: FakeVZaps, browser: Client, account: Account) -> None:
    fake_vzaps.add_instance(name="Found")
    Account.objects.create(name="idle", is_active=False)
    response = browser.post(page("instance_sync"))
    assert "1 instance read from VZaps; 1 new" in said(response)
    assert "idle" not in said(response)
    assert Instance.objects.get().name == "Found"


def test_a_failed_sync_is_said_in_words(fake_vzaps: FakeVZaps, browser: Client, account: Account) -> None:
    fake_vzaps.faults.add("list", status=403, times=None)
    response = browser.post(page("instance_sync"))
    assert "0 of 1 done, 1 failed. VZaps refused" in said(response)
