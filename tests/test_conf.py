from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from django_vzaps import conf

PLANTED = "planted-secret-value"


def read(**given: Any) -> conf.Settings:
    with override_settings(VZAPS=given):
        return conf.current()


def test_without_the_setting_everything_has_its_default() -> None:
    with override_settings():
        del settings.VZAPS
        assert conf.current() == conf.Settings()
    assert read().base_url == "https://api.vzaps.com"
    assert read().webhook_max_bytes == 10 * 1024 * 1024
    assert read().read_only is False
    assert read().tasks == "celery"


def test_settings_are_read_on_access() -> None:
    before = conf.current().stale_after
    with override_settings(VZAPS={"STALE_AFTER": 7}):
        assert conf.current().stale_after == 7
    assert conf.current().stale_after == before != 7


def test_every_key_is_the_field_in_capitals() -> None:
    assert conf.KEYS["CLIENT_TOKEN"] == "client_token"
    assert read(CLIENT_TOKEN="t", ACCOUNT_NAME="main").account_name == "main"


@pytest.mark.parametrize("key", sorted(conf.KEYS))
def test_a_default_may_be_written_out(key: str) -> None:
    default = getattr(conf.Settings(), conf.KEYS[key])

    assert getattr(read(**{key: default}), conf.KEYS[key]) == default


@pytest.mark.parametrize("setting", [None, [], "text", 5])
def test_the_setting_must_be_a_dict(setting: Any) -> None:
    with override_settings(VZAPS=setting), pytest.raises(ImproperlyConfigured, match="VZAPS must be a dict"):
        conf.current()


def test_unknown_keys_are_left_to_the_system_check() -> None:
    assert read(CLIENT_TOKN="typo") == conf.Settings()


WRONG: dict[str, list[Any]] = {
    "CLIENT_TOKEN": [None, 5, b"bytes", ["text"]],
    "CLIENT_SECRET": [None, 5],
    "ACCOUNT_NAME": [None, 1],
    "BASE_URL": [None, 1, ["https://api.vzaps.com"]],
    "WEBHOOK_BASE_URL": [None, 1],
    "TIMEOUT": [
        None, "5", 0, -1, True, False, (True, True), (5, 0), (5, None), (1, 2, 3), (), [5], {},
        float("inf"), (5, float("inf")), float("nan"), (float("nan"), 5),
    ],
    "ENCRYPTION_KEYS": [None, "one-key", b"one-key", [b"bytes"], [None], {"a": 1}],
    "WEBHOOK_EVENTS": [None, "Message", [1]],
    "WEBHOOK_MAX_BYTES": [None, "10", 0, -1, 1.5, True],
    "STALE_AFTER": [None, "10", 0, -1, 1.5, True],
    "OPERATION_DEADLINE": [None, "10", 0, -1, 1.5, True],
    "SYNC_LEASE": [None, "10", 0, -1, 1.5, True],
    "HANDLER_ATTEMPTS": [None, "10", 0, -1, 1.5, True],
    "DRAIN_LEASE": [None, "10", 0, -1, 1.5, True],
    "WEBHOOK_ALLOWED_NETWORKS": [None, "203.0.113.0/24", ["nowhere"], [4], ["203.0.113.1/24"]],
    "WEBHOOK_VERIFIER": [None, 1],
    "EVENT_STORAGE": [None, "full", ["Message"], {"Message": "some"}, {1: "full"}, {"Message": None}],
    "EVENT_PAYLOAD_DAYS": [None, "10", -1, 1.5, True, False],
    "EVENT_RETENTION_DAYS": [None, "10", -1, 1.5, True, False],
    "CHANGE_RETENTION_DAYS": [None, "10", -1, 1.5, True, False],
    "PROBES_PER_MINUTE": [None, "10", -1, 1.5, True, False],
    "ALERT_RECIPIENTS": [
        None, "ops@example.com", ["nobody"], [5], [["ops@example.com", "pt-br", "es"]],
        [("ops@example.com", None)], [()],
        ["ops@example.com\nBcc: all@example.com"],
    ],
    "ALERT_DISCONNECTED_AFTER": [None, "10", 0, -1, 1.5, True],
    "ADMIN_BASE_URL": [None, 1],
    "INSTANCE_SCOPE": [None, 0, True, ["scope"], {}],
    "METRICS_TOKEN": [None, 1, b"bytes", ["text"]],
    "READ_ONLY": [None, 0, 1, "False"],
    "TASKS": [None, "", "Celery", "thread", ["celery"], {}],
}  # fmt: skip


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG.items() for value in values])
def test_a_value_of_the_wrong_type_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match=re.escape(f'VZAPS["{key}"] must be ')):
        read(**{key: value})


def test_every_key_is_tested_with_wrong_values() -> None:
    assert set(WRONG) == set(conf.KEYS)


@pytest.mark.parametrize(
    ("given", "meant"), [(5, (5, 5)), (2.5, (2.5, 2.5)), ([1, 60], (1, 60)), ((0.1, 1e3), (0.1, 1000))]
)
def test_a_timeout_is_a_pair_or_one_number_for_both(given: Any, meant: tuple[float, float]) -> None:
    assert read(TIMEOUT=given).timeout == meant


def test_lists_are_taken_as_tuples() -> None:
    assert read(ENCRYPTION_KEYS=["a", "b"]).encryption_keys == ("a", "b")
    assert read(WEBHOOK_EVENTS=("Message",)).webhook_events == ("Message",)


def test_who_is_mailed_may_have_a_language() -> None:
    given = read(ALERT_RECIPIENTS=["ops@example.com", ("chefe@example.com", "pt-br"), ["all@example.com"]])

    assert given.alert_recipients == (
        ("ops@example.com", ""),
        ("chefe@example.com", "pt-br"),
        ("all@example.com", ""),
    )


def test_urls_lose_their_last_slash() -> None:
    given = read(BASE_URL="https://api.example.test/", WEBHOOK_BASE_URL="https://example.test/sub/")

    assert given.base_url == "https://api.example.test"
    assert given.webhook_base_url == "https://example.test/sub"


def test_events_can_be_kept_for_ever() -> None:
    assert read(EVENT_RETENTION_DAYS=0).event_retention_days == 0


def test_the_repr_shows_no_secret() -> None:
    secrets = {
        "CLIENT_TOKEN": PLANTED,
        "CLIENT_SECRET": PLANTED,
        "ENCRYPTION_KEYS": [PLANTED],
        "METRICS_TOKEN": PLANTED,
    }
    given = read(**secrets, BASE_URL="https://shown.test")

    assert PLANTED not in repr(given)
    assert "https://shown.test" in repr(given)


@pytest.mark.parametrize("key", ["CLIENT_TOKEN", "CLIENT_SECRET", "ENCRYPTION_KEYS", "METRICS_TOKEN", "TIMEOUT"])
def test_a_refusal_does_not_show_the_value(key: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        read(**{key: {PLANTED: PLANTED}})

    assert PLANTED not in str(caught.value)


def test_the_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(AttributeError):
        conf.current().base_url = "https://elsewhere.test"  # type: ignore[misc]
