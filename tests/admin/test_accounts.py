from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_vzaps.admin.accounts import AccountForm, facts
from django_vzaps.models import Account, Batch, BatchItem, BatchKind, Instance, Operation
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import StaffWith, page, said, text_of

TOKEN, SECRET = "ct-0123456789-wxyz", "cs-0123456789-abcd"


@pytest.fixture
def other(db: None) -> Account:
    return Account.objects.create(name="other", client_token=TOKEN, client_secret=SECRET)


def test_the_account_of_the_settings_is_there_at_the_first_look(browser: Client, db: None) -> None:
    assert "in settings" in text_of(browser.get(page("account_changelist")))
    assert Account.objects.get().name == "default"


def test_credentials_go_in_and_never_come_out(browser: Client) -> None:
    form = {"name": "shop", "is_active": "on", "new_client_token": TOKEN, "new_client_secret": SECRET}
    browser.post(page("account_add"), form)
    account = Account.objects.get(name="shop")
    token, secret = account.credentials
    assert (token.reveal(), secret.reveal()) == (TOKEN, SECRET)
    for url in (
        page("account_change", account.pk),
        page("account_changelist"),
        page("account_history", account.pk),
    ):
        html = text_of(browser.get(url))
        assert TOKEN not in html
        assert SECRET not in html
    assert "…wxyz" in text_of(browser.get(page("account_change", account.pk)))


def test_a_rejected_form_does_not_show_them_either(browser: Client, db: None) -> None:
    response = browser.post(page("account_add"), {"name": "", "new_client_token": TOKEN, "new_client_secret": SECRET})
    assert response.status_code == 200
    assert TOKEN not in text_of(response)


def test_blank_keeps_what_is_stored(browser: Client, other: Account) -> None:
    browser.post(page("account_change", other.pk), {"name": "renamed", "is_active": "on"})
    other.refresh_from_db()
    assert other.name == "renamed"
    assert other.credentials[0].reveal() == TOKEN


def test_one_of_the_two_can_be_replaced(browser: Client, other: Account) -> None:
    browser.post(
        page("account_change", other.pk), {"name": "other", "is_active": "on", "new_client_secret": "new-secret"}
    )
    other.refresh_from_db()
    assert [credential.reveal() for credential in other.credentials] == [TOKEN, "new-secret"]


def test_what_syncs_and_probes_note_meanwhile_is_not_overwritten(
    browser: Client, other: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, until = AccountForm.clean, timezone.now() + timedelta(minutes=10)

    def meanwhile(form: AccountForm) -> dict[str, Any]:
        Account.objects.filter(pk=other.pk).update(sync_lease_holder="a worker", paused_until=until, failures=3)
        return real(form)

    monkeypatch.setattr(AccountForm, "clean", meanwhile)

    browser.post(page("account_change", other.pk), {"name": "renamed", "is_active": "on"})

    other.refresh_from_db()
    assert (other.name, other.sync_lease_holder, other.paused_until, other.failures) == (
        "renamed",
        "a worker",
        until,
        3,
    )


@pytest.mark.parametrize("given", [{}, {"new_client_token": TOKEN}, {"new_client_secret": SECRET}])
def test_an_account_of_its_own_needs_both(given: dict[str, str], browser: Client, db: None) -> None:
    response = browser.post(page("account_add"), {"name": "shop", "is_active": "on", **given})
    assert "Enter the client token and the client secret" in text_of(response)
    assert not Account.objects.filter(name="shop").exists()


def test_a_lost_key_is_said_and_the_credentials_can_be_entered_again(
    browser: Client, other: Account, settings: object
) -> None:
    settings.VZAPS = {  # type: ignore[attr-defined]
        **settings.VZAPS,  # type: ignore[attr-defined]
        "ENCRYPTION_KEYS": ["b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktMDE="],
    }
    assert "cannot be decrypted" in text_of(browser.get(page("account_change", other.pk)))
    form = {"name": "other", "is_active": "on", "new_client_token": TOKEN, "new_client_secret": SECRET}
    assert browser.post(page("account_change", other.pk), form).status_code == 302
    other.refresh_from_db()
    assert other.credentials[1].reveal() == SECRET


def test_credentials_can_be_tested(browser: Client, account: Account, other: Account, fake_vzaps: FakeVZaps) -> None:
    assert "VZaps accepts the credentials." in said(browser.post(page("account_test", account.pk)))
    assert "did not accept the account's credentials" in said(browser.post(page("account_test", other.pk)))


def test_sync_now(browser: Client, account: Account, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.add_instance(name="Found")
    response = browser.post(page("account_sync", account.pk))
    batch = Batch.objects.get()
    assert f'{page("batch_change", batch.pk)}">Sync accounts #' in said(response)
    assert "1 of 1 done. 1 instance read from VZaps; 1 new" in said(response)
    assert response["Location"] == page("account_change", account.pk)
    assert "1 of 1 read" in text_of(browser.get(page("batch_change", batch.pk)))


def test_a_sync_under_way_says_how_far_it_is_and_is_not_started_twice(
    browser: Client, account: Account, fake_vzaps: FakeVZaps, operator: User
) -> None:
    batch = Batch.objects.create(kind=BatchKind.SYNC_ACCOUNT, actor=operator, total=1)
    item = BatchItem.objects.create(batch=batch, account=account)
    urls = (page("account_changelist"), page("account_change", account.pk))
    for url in urls:
        assert "waits to be synced" in text_of(browser.get(url))
    BatchItem.objects.filter(pk=item.pk).update(state="running", seen=1200, expected=5000)
    for url in urls:
        html = text_of(browser.get(url))
        assert f'<a href="{page("batch_change", batch.pk)}">being synced now: 1,200 of 5,000 read</a>' in html
    for url in (page("account_sync", account.pk), page("instance_sync")):
        assert "“default” is being synced already." in said(browser.post(url))
    assert Batch.objects.count() == 1
    Batch.objects.update(finished_at=timezone.now())
    browser.get(urls[0])  # the messages
    assert "being synced" not in text_of(browser.get(urls[0]))


def test_who_may_not_see_the_batch_gets_no_link_to_it(account: Account, staff_with: StaffWith, operator: User) -> None:
    batch = Batch.objects.create(kind=BatchKind.SYNC_ACCOUNT, actor=operator, total=1)
    BatchItem.objects.create(batch=batch, account=account)
    looker = staff_with("view_account", "change_instance")
    html = text_of(looker.get(page("account_changelist")))
    assert "waits to be synced" in html
    assert page("batch_change", batch.pk) not in html
    assert page("batch_change", batch.pk) not in said(looker.post(page("account_sync", account.pk)))


def test_a_sync_that_nobody_pressed_for_is_said_too(browser: Client, account: Account) -> None:
    Account.objects.update(sync_lease_until=timezone.now() + timedelta(minutes=1))
    assert "being synced now" in text_of(browser.get(page("account_change", account.pk)))
    Account.objects.update(sync_lease_until=timezone.now() - timedelta(minutes=1))
    assert "being synced now" not in text_of(browser.get(page("account_change", account.pk)))


def test_without_an_active_account_there_is_nothing_to_sync(browser: Client, account: Account) -> None:
    Account.objects.update(is_active=False)
    assert "no active account" in said(browser.post(page("instance_sync")))


def numbers(client: Client) -> dict[str, tuple[int, int, int]]:
    rows = client.get(page("account_changelist")).context["cl"].result_list
    return {row.name: (row.facts.present, row.facts.connected, row.facts.attention) for row in rows}


def fill(account: Account) -> None:
    now, old = timezone.now(), timezone.now() - timedelta(days=1)
    kinds: tuple[dict[str, Any], ...] = (
        {"connected": True, "connection_asked_at": now},
        {"connected": True, "connection_asked_at": old},
        {"connected": False, "phone": "5511999990000"},
        {"connected": False},
        {"connected": True, "connection_asked_at": now, "removed_at": now},
    )
    for number, columns in enumerate(kinds):
        Instance.objects.create(account=account, vzaps_id=f"VZ{account.pk}-{number}", name=f"N{number}", **columns)


def test_instances_are_counted_with_one_query_for_all_accounts(
    browser: Client, account: Account, other: Account
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            browser.get(page("account_changelist"))
        return len(captured)

    fill(account)
    assert numbers(browser) == {"default": (4, 1, 2), "other": (0, 0, 0)}
    few = queries()
    for number in range(10):
        fill(Account.objects.create(name=f"more {number}"))
    assert queries() == few <= 7
    html = text_of(browser.get(page("account_change", account.pk)))
    assert f'<a href="{page("instance_changelist")}?account__id__exact={account.pk}">4</a>' in html
    assert browser.get(page("instance_changelist"), {"account__id__exact": account.pk}).status_code == 200


def test_instances_are_counted_up_to_a_limit(
    browser: Client, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(account)
    monkeypatch.setattr(facts, "COUNTED", 3)
    assert ">more than 3</a>" in text_of(browser.get(page("account_changelist")))


def test_only_instances_in_scope_are_counted(
    browser: Client, account: Account, other: Account, settings: Any, operator: User
) -> None:
    fill(account)
    scopes: list[Callable[[Any, Any], Any]] = [
        lambda _user, instances: instances.filter(name="N0"),
        lambda _user, instances: instances.none(),
    ]
    found = []
    for scope in scopes:
        settings.VZAPS = {**settings.VZAPS, "INSTANCE_SCOPE": scope}
        found.append(numbers(browser)["default"])
    assert found == [(1, 1, 0), (0, 0, 0)]


def test_where_credentials_are_sent_cannot_be_changed(browser: Client, other: Account) -> None:
    assert "base_url" not in browser.get(page("account_change", other.pk)).content.decode()


@pytest.mark.parametrize("outcome", ["running", "unknown"])
def test_an_account_of_which_an_instance_may_still_come_is_not_deleted(outcome: str, browser: Client) -> None:
    branch = Account.objects.create(name="branch")
    Operation.objects.create(kind="instance.create", account=branch, outcome=outcome, deadline=timezone.now())
    one = browser.post(page("account_delete", branch.pk), {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": branch.pk, "post": "yes"}
    many = browser.post(page("account_changelist"), chosen)
    for response in (one, many):
        assert "create instance #" in text_of(response).lower()
    assert Account.objects.filter(pk=branch.pk).exists()
    Operation.objects.update(outcome="failed")
    browser.post(page("account_delete", branch.pk), {"post": "yes"})
    assert not Account.objects.filter(pk=branch.pk).exists()
