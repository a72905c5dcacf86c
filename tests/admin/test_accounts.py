from __future__ import annotations

import pytest
from django.test import Client

from django_vzaps.models import Account
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import page, said, text_of

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
    assert "1 instance read from VZaps; 1 new" in said(response)
    assert response["Location"] == page("account_change", account.pk)


def test_where_credentials_are_sent_cannot_be_changed(browser: Client, other: Account) -> None:
    assert "base_url" not in browser.get(page("account_change", other.pk)).content.decode()
