"""Each check in both states."""

from __future__ import annotations

import base64
import hashlib
import sys
from types import ModuleType
from typing import Any

import pytest
from celery import Celery, _state
from cryptography.fernet import Fernet
from django.core.checks import CheckMessage, run_checks
from django.core.management import call_command
from django.db import connection
from django.test import override_settings
from django.urls import include, path

from django_vzaps import checks
from django_vzaps.events import handlers

KEY = Fernet.generate_key().decode()

nowhere = ModuleType("nowhere")
nowhere.urlpatterns = []  # type: ignore[attr-defined]
mounted = ModuleType("mounted")
mounted.urlpatterns = [path("hooks/", include("django_vzaps.urls"))]  # type: ignore[attr-defined]


@pytest.fixture
def check(settings: Any) -> Any:
    """The ids that the checks answer with these values of ``VZAPS`` over those of the suite."""

    def check(**changes: Any) -> dict[str | None, CheckMessage]:
        kept = {key: value for key, value in settings.VZAPS.items() if changes.get(key, "") is not None}
        settings.VZAPS = kept | {key: value for key, value in changes.items() if value is not None}
        found = [message for message in run_checks() if str(message.id).startswith("django_vzaps.")]
        assert all(message.hint for message in found)
        return {message.id: message for message in found}

    return check


def test_the_suites_own_settings_are_in_order(check: Any) -> None:
    assert check() == {}


def test_vzaps_must_be_a_dict_with_values_of_the_right_type(check: Any, settings: Any) -> None:
    found = check(WEBHOOK_MAX_BYTES="10 MB")
    assert found.keys() == {"django_vzaps.E001"}
    assert 'VZAPS["WEBHOOK_MAX_BYTES"] must be a whole number above 0.' in str(found["django_vzaps.E001"])
    settings.VZAPS = ["CLIENT_TOKEN"]
    assert [message.id for message in checks.check_settings(None)] == ["django_vzaps.E001"]


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("CLIENT_TOKKEN", 'Did you mean VZAPS["CLIENT_TOKEN"]?'),
        ("read_only", 'Did you mean VZAPS["READ_ONLY"]?'),
        ("COLOUR_OF_SKY", "The settings are CLIENT_TOKEN, CLIENT_SECRET"),
    ],
)
def test_an_unknown_setting_names_the_one_that_was_meant(check: Any, key: str, hint: str) -> None:
    found = check(**{key: "planted"})
    assert found.keys() == {"django_vzaps.E002"}
    assert str(found["django_vzaps.E002"].hint).startswith(hint)
    assert "planted" not in str(found)


def test_credentials_come_in_pairs_or_not_at_all(check: Any) -> None:
    assert check(CLIENT_SECRET=None).keys() == {"django_vzaps.E003"}
    assert check(CLIENT_SECRET="s", CLIENT_TOKEN="").keys() == {"django_vzaps.E003"}
    assert check(CLIENT_SECRET=None, CLIENT_TOKEN=None).keys() == {"django_vzaps.W001"}
    assert check(CLIENT_SECRET="s", CLIENT_TOKEN="t") == {}


def test_an_encryption_key_is_needed(check: Any) -> None:
    assert check(ENCRYPTION_KEYS=None).keys() == {"django_vzaps.E004"}
    assert check(ENCRYPTION_KEYS=[]).keys() == {"django_vzaps.E004"}
    assert check(ENCRYPTION_KEYS=[KEY]) == {}


def test_an_encryption_key_is_a_fernet_key(check: Any) -> None:
    found = check(ENCRYPTION_KEYS=[KEY, "planted"])
    assert found.keys() == {"django_vzaps.E009"}
    assert 'VZAPS["ENCRYPTION_KEYS"][1] is not a key' in str(found)
    assert "planted" not in str(found)


@pytest.mark.parametrize(
    "derive",
    [
        lambda secret: secret,
        lambda secret: base64.urlsafe_b64encode(secret[:32].encode()).decode(),
        lambda secret: base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()).decode(),
    ],
)
def test_an_encryption_key_is_not_made_from_the_secret_key(check: Any, settings: Any, derive: Any) -> None:
    settings.SECRET_KEY = "s" * 50
    assert check(ENCRYPTION_KEYS=[KEY, derive(settings.SECRET_KEY)]).keys() == {"django_vzaps.E005"}


@pytest.mark.parametrize(
    ("url", "debug", "expected"),
    [
        (None, False, {"django_vzaps.W003"}),
        ("hooks.example.test", False, {"django_vzaps.E006"}),
        ("ftp://hooks.example.test", False, {"django_vzaps.E006"}),
        ("http://hooks.example.test", False, {"django_vzaps.E007"}),
        ("http://127.0.0.1:8000", True, set()),
        ("https://hooks.example.test", False, set()),
    ],
)
def test_vzaps_must_be_told_a_safe_url(
    check: Any, settings: Any, url: str | None, debug: bool, expected: set[str]
) -> None:
    settings.DEBUG = debug
    assert check(WEBHOOK_BASE_URL=url).keys() == expected


def test_the_urls_must_be_mounted(check: Any, settings: Any) -> None:
    settings.ROOT_URLCONF = nowhere
    assert "django_vzaps.E008" in {message.id for message in checks.check_webhook_url(None)}
    settings.ROOT_URLCONF = mounted
    assert checks.check_webhook_url(None) == []


@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite")
def test_sqlite_must_begin_its_transactions_as_writers(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {})
    assert check().keys() == {"django_vzaps.W004"}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {"transaction_mode": "IMMEDIATE"})
    assert check() == {}


@pytest.mark.mariadb
@pytest.mark.django_db
def test_mariadb_must_take_what_the_webhook_takes(settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "WEBHOOK_MAX_BYTES": 2**34}
    (found,) = checks.check_database(None, databases=["default"])
    assert found.id == "django_vzaps.W005"
    assert "max_allowed_packet = 34359738368" in str(found.hint)
    settings.VZAPS = {**settings.VZAPS, "WEBHOOK_MAX_BYTES": 1024}
    assert checks.check_database(None, databases=["default"]) == []


def test_the_database_is_asked_only_when_it_was_named(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "vendor", "mysql")
    assert checks.check_database(None) == []
    assert checks.check_database(None, databases=["other"]) == []


def test_other_databases_have_no_such_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "vendor", "sqlite")
    assert checks.check_database(None, databases=["default"]) == []


def test_the_checks_are_registered() -> None:
    call_command("check", fail_level="WARNING")


@pytest.fixture
def subscribed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Register a handler for these types, and no other."""

    def subscribed(*types: str) -> None:
        monkeypatch.setattr(handlers, "_registered", {})
        handlers.on(*types)(a_handler)

    return subscribed


def a_handler(event: object) -> None: ...


@pytest.mark.parametrize(
    ("events", "said", "unsaid"),
    [
        (["All"], ["HistorySync: After each pairing", "Presence: One event", "ChatPresence: One event"], []),
        (["Message", "HistorySync"], ["HistorySync: After each pairing", "The payload is erased"], ["Presence"]),
        (["Presence"], ["whenever any contact comes online or goes", "nothing is stored"], ["HistorySync", "types or"]),
    ],
)
def test_what_comes_in_masses_is_said_before_it_comes(
    check: Any, events: list[str], said: list[str], unsaid: list[str]
) -> None:
    found = check(WEBHOOK_EVENTS=events)
    assert found.keys() == {"django_vzaps.W006"}
    message = found["django_vzaps.W006"].msg
    assert [part for part in said if part not in message] == []
    assert [part for part in unsaid if part in message] == []


def test_what_is_kept_of_the_masses_is_said_as_it_is_set(check: Any) -> None:
    found = check(WEBHOOK_EVENTS=["Presence"], EVENT_STORAGE={"Presence": "full"})
    assert "Stored in full." in found["django_vzaps.W006"].msg
    assert check(WEBHOOK_EVENTS=["Message", "Connected", "GroupParticipantsAdd"]) == {}


def test_a_handler_of_what_is_dropped_is_never_called(check: Any, subscribed: Any) -> None:
    subscribed("Message", "chat_presence")
    found = check()
    assert found.keys() == {"django_vzaps.W007"}
    assert f"The handler {__name__}.a_handler is never called for ChatPresence" in found["django_vzaps.W007"].msg
    assert '{"ChatPresence": "metadata"}' in str(found["django_vzaps.W007"].hint)
    assert check(EVENT_STORAGE={"ChatPresence": "metadata"}) == {}
    assert check(EVENT_STORAGE={"Message": "drop", "ChatPresence": "full"}).keys() == {"django_vzaps.W007"}


@pytest.mark.parametrize("types", [(), ("Message", "HistorySync")])
def test_a_handler_of_what_is_kept_is_no_trouble(check: Any, subscribed: Any, types: tuple[str, ...]) -> None:
    subscribed(*types)
    assert check() == {}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Mesage", 'Did you mean VZAPS["EVENT_STORAGE"]["Message"]?'),
        ("history_sync", 'Did you mean VZAPS["EVENT_STORAGE"]["HistorySync"]?'),
        ("Presense", 'Did you mean VZAPS["EVENT_STORAGE"]["Presence"]?'),
        ("All", "Name each type: Message, ReadReceipt,"),
    ],
)
def test_a_slip_in_the_name_of_a_type_has_no_effect(check: Any, name: str, meant: str) -> None:
    found = check(EVENT_STORAGE={name: "metadata"})
    assert found.keys() == {"django_vzaps.W008"}
    assert f'VZAPS["EVENT_STORAGE"]["{name}"] has no effect' in found["django_vzaps.W008"].msg
    assert str(found["django_vzaps.W008"].hint).startswith(meant)


@pytest.mark.parametrize("name", ["Message", "Call", "MessageEdit", "GroupParticipantsUpdate", "Newsletter"])
def test_a_type_that_vzaps_does_not_document_may_be_one(check: Any, name: str) -> None:
    assert check(EVENT_STORAGE={name: "metadata"}) == {}


@pytest.mark.parametrize(
    ("payloads", "rows", "expected"),
    [(31, 30, {"django_vzaps.W009"}), (30, 30, set()), (0, 30, set()), (30, 0, set())],
)
def test_payloads_are_not_kept_longer_than_their_rows(check: Any, payloads: int, rows: int, expected: set[str]) -> None:
    assert check(EVENT_PAYLOAD_DAYS=payloads, EVENT_RETENTION_DAYS=rows).keys() == expected


def test_celery_must_be_that_of_the_project(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fallback = Celery("default", set_as_current=False)
    monkeypatch.setattr("celery._state._tls.current_app", None)
    for known in (None, fallback):
        monkeypatch.setattr("celery._state.default_app", known)
        assert check(TASKS="celery").keys() == {"django_vzaps.W010"}
        assert check(TASKS="inline") == {}
        assert vars(_state)["default_app"] is known  # looking makes none
    monkeypatch.setattr("celery._state.default_app", Celery("default", set_as_current=False, broker="memory://"))
    assert check(TASKS="celery") == {}
    monkeypatch.setattr("celery._state.default_app", Celery("project"))
    assert check(TASKS="celery") == {}


@pytest.mark.parametrize(
    ("verifier", "reason"),
    [("nowhere.verify", "ModuleNotFoundError"), ("json.__name__", "not callable"), ("verify", "ImportError")],
)
def test_a_verifier_that_cannot_be_used_is_an_error(verifier: str, reason: str) -> None:
    from django_vzaps.events.checks import check_events

    with override_settings(VZAPS={"WEBHOOK_VERIFIER": verifier}):
        (found,) = (said for said in check_events(None) if said.id == "django_vzaps.E010")
    assert reason in found.msg
    with override_settings(VZAPS={"WEBHOOK_VERIFIER": "json.dumps"}):
        assert not any(said.id == "django_vzaps.E010" for said in check_events(None))


def test_a_scope_must_be_found(check: Any) -> None:
    for missing in ("nowhere.scope", "tests.test_checks.nothing", "tests.test_checks.KEY", "scope"):
        assert check(INSTANCE_SCOPE=missing).keys() == {"django_vzaps.E011"}
    assert check(INSTANCE_SCOPE="tests.test_scope.only_mine") == {}
    assert check(INSTANCE_SCOPE=lambda user, instances: instances) == {}


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("", set()),
        ("s" * 16, set()),
        ("s" * 15, {"django_vzaps.W011"}),
        ("planted-token-of-a-file\n", {"django_vzaps.E013"}),
        ("planted token of a person", {"django_vzaps.E013"}),
        ("plantéd-token-of-a-person", {"django_vzaps.E013"}),
    ],
)
def test_a_token_of_the_metrics_is_long_and_can_be_sent(check: Any, token: str, expected: set[str]) -> None:
    found = check(METRICS_TOKEN=token)
    assert found.keys() == expected
    assert "plant" not in str(found)


def test_a_token_of_the_metrics_is_of_use_with_the_library_only(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    found = check(METRICS_TOKEN="s" * 16)
    assert found.keys() == {"django_vzaps.E012"}
    assert 'pip install "django-vzaps[metrics]"' in str(found["django_vzaps.E012"].hint)
    assert check(METRICS_TOKEN=None) == {}


def test_who_is_mailed_must_be_able_to_follow_the_links(check: Any) -> None:
    assert check(ALERT_RECIPIENTS=["ops@example.com"]) == {}
    assert check(ALERT_RECIPIENTS=["ops@example.com"], WEBHOOK_BASE_URL="").keys() == {
        "django_vzaps.W003",
        "django_vzaps.W012",
    }
    found = check(ALERT_RECIPIENTS=["ops@example.com"], WEBHOOK_BASE_URL="", ADMIN_BASE_URL="https://admin.example.com")
    assert found.keys() == {"django_vzaps.W003"}
    assert check(ALERT_RECIPIENTS=[], ADMIN_BASE_URL="").keys() == {"django_vzaps.W003"}


def test_who_is_mailed_must_be_able_to_read_it(check: Any) -> None:
    assert check(ALERT_RECIPIENTS=["a@example.com", ("b@example.com", "pt-br"), ("c@example.com", "es-mx")]) == {}
    found = check(ALERT_RECIPIENTS=[("a@example.com", "portuguese"), ("b@example.com", "tlh")])
    assert found.keys() == {"django_vzaps.W013"}
    assert "portuguese, tlh" in found["django_vzaps.W013"].msg
    assert "pt-br" in str(found["django_vzaps.W013"].hint)
