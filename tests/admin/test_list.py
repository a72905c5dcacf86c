from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_vzaps.admin.paging import CappedPaginator
from django_vzaps.models import Account, ConnectionState, Instance, Subscription, SubscriptionState
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import page, said, text_of


def make(account: Account, name: str, **columns: object) -> Instance:
    return Instance.objects.create(account=account, vzaps_id=f"VZ{name}", name=name, **columns)


@pytest.fixture
def one_of_each(account: Account) -> dict[str, Instance]:
    now = timezone.now()
    old = now - timedelta(days=1)
    return {
        "connected": make(account, "connected", connected=True, connection_asked_at=now, connection_source="api"),
        "stale": make(account, "stale", connected=True, connection_asked_at=old, connection_source="webhook"),
        "disconnected": make(account, "disconnected", connected=False, phone="5511999990000", connection_asked_at=now),
        "never_paired": make(account, "never_paired", connected=False, connection_asked_at=now),
        "unknown": make(account, "unknown", connected=None),
    }


def names(client: Client, **query: str) -> set[str]:
    return {str(row) for row in client.get(page("instance_changelist"), query).context["cl"].result_list}


def test_shows_state_age_and_source(one_of_each: dict[str, Instance], browser: Client) -> None:
    Subscription.objects.create(
        instance=one_of_each["connected"],
        state=SubscriptionState.PAST_DUE,
        cancel_at=timezone.now() + timedelta(days=3),
    )
    html = text_of(browser.get(page("instance_changelist")))
    assert "just now</time> by API" in html
    assert "1\xa0day ago</time> by webhook" in html
    assert "never paired" in html
    assert "past due" in html
    assert "ends " in html


def test_as_many_queries_for_many_rows_as_for_few(account: Account, browser: Client, fake_vzaps: FakeVZaps) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert browser.get(page("instance_changelist")).status_code == 200
        return len(captured)

    make(account, "first")
    few = queries()
    for number in range(30):
        extra = make(account, f"more{number}")
        Subscription.objects.create(instance=extra, state=SubscriptionState.ACTIVE)
    assert queries() == few <= 8
    assert fake_vzaps.calls == []


@pytest.mark.parametrize("state", ConnectionState.values)
def test_the_filter_agrees_with_the_state_shown(state: str, one_of_each: dict[str, Instance], browser: Client) -> None:
    assert names(browser, connection=state) == {state}
    assert one_of_each[state].connection_state == state


def test_filters_by_billing(one_of_each: dict[str, Instance], browser: Client) -> None:
    Subscription.objects.create(instance=one_of_each["stale"], state=SubscriptionState.UNPAID)
    assert names(browser, billing="unpaid") == {"stale"}


def test_gone_instances_are_hidden_until_asked_for(account: Account, browser: Client) -> None:
    make(account, "here")
    make(account, "lost", removed_at=timezone.now())
    assert names(browser) == {"here"}
    assert names(browser, presence="gone") == {"lost"}
    assert names(browser, presence="all") == {"here", "lost"}


@pytest.mark.parametrize("words", ["fron", "VZFront", "99990000", "5511999990000@s.what"])
def test_finds_by_name_id_phone_and_jid(words: str, account: Account, browser: Client) -> None:
    make(account, "Front", phone="5511999990000", whatsapp_jid="5511999990000@s.whatsapp.net")
    make(account, "Back")
    assert names(browser, q=words) == {"Front"}


def test_a_strangers_words_stay_words(account: Account, browser: Client) -> None:
    evil = "<script>alert(1)</script>"
    instance = make(account, evil, phone=evil, push_name=evil, connected=True, connection_source=evil[:16])
    Instance.objects.update(connection_asked_at=timezone.now(), labels={evil: evil}, data={"x": evil}, status=evil)
    Subscription.objects.create(instance=instance, billing_status=evil)
    for url in (page("instance_changelist"), page("instance_change", instance.pk), page("instance_pair", instance.pk)):
        html = browser.get(url).content.decode()
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert" in html


def test_a_lost_encryption_key_does_not_break_the_list(
    account: Account, browser: Client, settings: pytest.FixtureRequest
) -> None:
    instance = make(account, "locked", token="inst_secret")
    settings.VZAPS = {**settings.VZAPS, "ENCRYPTION_KEYS": ["b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktMDE="]}  # type: ignore[attr-defined]
    assert names(browser) == {"locked"}
    html = browser.get(page("instance_change", instance.pk)).content.decode()
    assert "inst_secret" not in html


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
