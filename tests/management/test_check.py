from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
from celery import Celery

from django_vzaps.models import Account
from django_vzaps.testing import FakeVZaps
from tests.management.conftest import Run


@pytest.fixture
def celery(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The project's Celery app has this broker; without one there is only Celery's fallback."""

    def celery(broker: str | None) -> None:
        monkeypatch.setattr("celery._state._tls.current_app", None)
        app = Celery("default", set_as_current=False, broker=broker)
        monkeypatch.setattr("celery._state.default_app", app)

    return celery


def test_what_is_right_is_said_too(fake_vzaps: FakeVZaps, run: Run) -> None:
    fake_vzaps.seed_demo(3)

    said = run("vzaps_check")

    assert not said.failure
    assert "right  VZaps is called at https://vzaps.test." in said.out
    assert "right  Encryption keys: 1." in said.out
    assert "right  Webhooks arrive below https://hooks.example.test/vzaps/webhook/." in said.out
    assert "right  Account “default” (credentials in settings): accepted; instances: 3." in said.out
    assert "wrong" not in said.out


def test_wrong_credentials_are_named_and_not_shown(fake_vzaps: FakeVZaps, run: Run) -> None:
    Account.objects.create(name="branch", client_token="mistyped-token", client_secret="mistyped-secret")

    said = run("vzaps_check")

    assert "wrong  Account “branch” (credentials in the database): VZaps did not accept" in said.out
    assert "right  Account “default”" in said.out
    assert said.failure == "1 thing is wrong."
    assert "mistyped" not in said.out


def test_one_account_can_be_chosen(fake_vzaps: FakeVZaps, run: Run) -> None:
    Account.objects.create(name="branch", client_token="mistyped-token", client_secret="mistyped-secret")

    said = run("vzaps_check", "--account", "default")

    assert not said.failure
    assert "branch" not in said.out


def test_a_lost_key_is_told_from_wrong_credentials(fake_vzaps: FakeVZaps, settings: Any, run: Run) -> None:
    Account.objects.create(name="branch", client_token="branch-token", client_secret="branch-secret")
    settings.VZAPS = {**settings.VZAPS, "ENCRYPTION_KEYS": ["YW5vdGhlci1rZXktb2YtMzItYnl0ZXMtbG9uZy1rZXk="]}

    said = run("vzaps_check")

    assert "wrong  Account “branch” (credentials in the database): A stored secret cannot be decrypted" in said.out


def test_wrong_settings_do_not_end_it_at_the_first(settings: Any, run: Run) -> None:
    settings.VZAPS = {"ENCRYPTION_KEYS": ["nonsense"], "WEBHOOK_BASE_URL": "http://example.test", "TOKEN": "x"}

    said = run("vzaps_check")

    assert 'wrong  VZAPS["TOKEN"] is not a setting. (django_vzaps.E002)' in said.out
    assert "django_vzaps.E009" in said.out
    assert "django_vzaps.E007" in said.out
    assert "look   The settings hold no VZaps credentials." in said.out
    assert "wrong  There is no account." in said.out
    assert said.failure == "4 things are wrong."


def test_a_value_of_the_wrong_type_is_said_and_not_raised(settings: Any, run: Run) -> None:
    settings.VZAPS = {"TIMEOUT": "soon"}

    said = run("vzaps_check")

    assert 'wrong  VZAPS["TIMEOUT"] must be a pair of seconds' in said.out
    assert said.failure == "1 thing is wrong."


def test_a_database_without_tables_is_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Account._meta, "db_table", "not_migrated")

    said = run("vzaps_check")

    assert "wrong  The database cannot be used: " in said.out
    assert "Run manage.py migrate" in said.out


def test_trouble_on_the_side_of_vzaps_is_called_so(fake_vzaps: FakeVZaps, run: Run) -> None:
    fake_vzaps.faults.add("list", status=500)

    said = run("vzaps_check")

    assert "wrong  Account “default” (credentials in settings): VZaps has a problem of its own." in said.out


def test_who_handles_events_is_said(fake_vzaps: FakeVZaps, settings: Any, run: Run, celery: Any) -> None:
    assert "right  Events are handled inline: in the process that received them" in run("vzaps_check").out
    settings.VZAPS = {**settings.VZAPS, "TASKS": "celery"}
    celery("amqp://user:planted@broker.example.test:5672/7")

    said = run("vzaps_check")

    assert "right  Events are handled by Celery through amqp://broker.example.test." in said.out
    assert "planted" not in said.out
    assert not said.failure


def test_a_celery_app_that_nobody_configured_is_a_trap(
    fake_vzaps: FakeVZaps, settings: Any, run: Run, celery: Any
) -> None:
    settings.VZAPS = {**settings.VZAPS, "TASKS": "celery"}
    celery(None)

    said = run("vzaps_check")

    assert "look   No Celery app of the project is loaded" in said.out
    assert "Events are handled" not in said.out


@pytest.mark.parametrize("trouble", [KeyError("pigeon"), ImportError("redis"), AttributeError("NoneType")])
def test_a_transport_that_is_not_installed_is_no_traceback(
    fake_vzaps: FakeVZaps, settings: Any, run: Run, celery: Any, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    settings.VZAPS = {**settings.VZAPS, "TASKS": "celery"}
    celery("redis://:planted@broker.example.test:6379/7")
    monkeypatch.setattr("kombu.connection.get_transport_cls", Mock(side_effect=trouble))

    said = run("vzaps_check")

    assert "wrong  Events are handled by Celery, but the transport of its broker cannot be loaded" in said.out
    assert "planted" not in said.out
