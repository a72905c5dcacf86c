from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ValidationError
from django.db import connection
from django.forms import modelform_factory
from django.test import override_settings

from django_vzaps.crypto import DecryptionError
from django_vzaps.models import Account

pytestmark = pytest.mark.django_db

KEY = Fernet.generate_key().decode()
IN_SETTINGS = {"CLIENT_TOKEN": "settings-token", "CLIENT_SECRET": "settings-secret", "ENCRYPTION_KEYS": [KEY]}


def opened(account: Account) -> tuple[str, str]:
    token, secret = account.credentials
    return token.reveal(), secret.reveal()


def test_the_account_of_settings_is_made_once_and_keeps_nothing() -> None:
    with override_settings(VZAPS={**IN_SETTINGS, "ACCOUNT_NAME": "shop"}):
        account = Account.objects.from_settings()
        assert account is not None
        assert Account.objects.from_settings() == account
        assert account.name == "shop"
        assert account.credentials_in_settings
        assert opened(account) == ("settings-token", "settings-secret")

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT client_token, client_secret FROM {Account._meta.db_table}")  # noqa: S608 - our name
        assert list(cursor.fetchall()) == [(None, None)]


@pytest.mark.parametrize("missing", ["CLIENT_TOKEN", "CLIENT_SECRET"])
def test_without_credentials_in_settings_there_is_no_such_account(missing: str) -> None:
    with override_settings(VZAPS={**IN_SETTINGS, missing: ""}):
        assert Account.objects.from_settings() is None
    assert not Account.objects.exists()


def test_a_change_of_the_settings_counts_at_once() -> None:
    account = Account.objects.create(name="default")
    with override_settings(VZAPS=IN_SETTINGS):
        assert opened(account) == ("settings-token", "settings-secret")
    with override_settings(VZAPS={**IN_SETTINGS, "CLIENT_SECRET": "rolled"}):
        assert opened(account) == ("settings-token", "rolled")


@pytest.mark.parametrize("name", ["other", "Default", "default "])
def test_settings_lend_their_credentials_to_the_account_they_name_only(name: str) -> None:
    Account.objects.create(name="default")
    with override_settings(VZAPS=IN_SETTINGS):
        assert opened(Account.objects.create(name=name)) == ("", "")
        assert not any(Account.objects.get(name=name).credentials)


def test_another_spelling_in_settings_is_another_account() -> None:
    Account.objects.create(name="default")
    with override_settings(VZAPS={**IN_SETTINGS, "ACCOUNT_NAME": "Default"}):
        account = Account.objects.from_settings()

        assert account is not None
        assert opened(account) == ("settings-token", "settings-secret")


def test_an_account_of_the_database_uses_its_own() -> None:
    with override_settings(VZAPS=IN_SETTINGS):
        Account.objects.create(name="default", client_token="own-token", client_secret="own-secret")
        account = Account.objects.get()

        assert not account.credentials_in_settings
        assert opened(account) == ("own-token", "own-secret")


def test_a_lost_key_does_not_fall_back_on_settings() -> None:
    with override_settings(VZAPS=IN_SETTINGS):
        Account.objects.create(name="default", client_token="own-token", client_secret="own-secret")
    with override_settings(VZAPS={**IN_SETTINGS, "ENCRYPTION_KEYS": [Fernet.generate_key().decode()]}):
        account = Account.objects.get()

        assert str(account.client_token) == "********"
        with pytest.raises(DecryptionError):
            opened(account)


def test_token_and_secret_are_entered_together() -> None:
    for half in ({"client_token": "t"}, {"client_secret": "s"}, {"client_token": "t", "client_secret": ""}):
        with pytest.raises(ValidationError, match="together"):
            Account(name="half", **half).full_clean()
    Account(name="both", client_token="t", client_secret="s").full_clean()
    Account(name="none").full_clean()


def test_a_form_without_the_credentials_can_say_that_one_is_missing() -> None:
    half = Account.objects.create(name="half", client_token="t")

    form = modelform_factory(Account, fields=["name"])({"name": "renamed"}, instance=half)

    assert form.non_field_errors() == ["Enter the client token and the client secret together."]


def test_an_account_is_shown_by_its_name() -> None:
    assert str(Account(name="shop", client_token="planted")) == "shop"
    assert "planted" not in repr(Account(name="shop", client_token="planted"))
