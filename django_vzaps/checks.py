"""System checks. None of them talks to VZaps: ``manage.py vzaps_check`` does."""

from __future__ import annotations

import base64
import difflib
import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's name
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from django_vzaps import conf
from django_vzaps.models import Event
from django_vzaps.services.alerts.mails import is_known

#: Shorter than this, a token can be guessed.
_TOKEN_LENGTH: Final = 16

#: Beside the payload a packet holds the rest of the statement, and every quote in the payload twice.
_ESCAPING_FACTOR: Final = 2

_NEW_KEY: Final = 'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
_NEW_TOKEN: Final = 'python -c "import secrets; print(secrets.token_urlsafe())"'  # noqa: S105 - how to make one


@register(Tags.security)
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """``VZAPS`` as a whole: known keys, right types, credentials, encryption keys, the scope, the metrics."""
    given = getattr(settings, conf.SETTING, {})
    found: list[CheckMessage] = []
    if isinstance(given, Mapping):
        found += _unknown_keys(given)
    try:
        current = conf.current()
    except ImproperlyConfigured as error:
        return [*found, Error(str(error), hint="Correct the value in your settings.", id="django_vzaps.E001")]
    return [
        *found,
        *_credentials(current),
        *_encryption_keys(current),
        *_instance_scope(current),
        *_metrics(current.metrics_token),
    ]


@register(Tags.urls)
def check_webhook_url(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Whether VZaps can be told where to send events, and would find the way."""
    try:
        base = conf.current().webhook_base_url
    except ImproperlyConfigured:
        return []  # said by check_settings
    found: list[CheckMessage] = []
    parts = urlsplit(base)
    if not base:
        found.append(
            Warning(
                'VZAPS["WEBHOOK_BASE_URL"] is missing: instances cannot be given a webhook, so no events arrive.',
                hint='Add VZAPS["WEBHOOK_BASE_URL"] = "https://example.com", with the host VZaps reaches this site at.',
                id="django_vzaps.W003",
            )
        )
    elif parts.scheme not in ("http", "https") or not parts.netloc:
        found.append(
            Error(
                'VZAPS["WEBHOOK_BASE_URL"] is not a URL.',
                hint='Write it with its scheme: VZAPS["WEBHOOK_BASE_URL"] = "https://example.com".',
                id="django_vzaps.E006",
            )
        )
    elif parts.scheme != "https" and not settings.DEBUG:
        found.append(
            Error(
                'VZAPS["WEBHOOK_BASE_URL"] is not https: the secret in the webhook\'s URL would travel in the open.',
                hint=f'Write VZAPS["WEBHOOK_BASE_URL"] = "https://{parts.netloc}".',
                id="django_vzaps.E007",
            )
        )
    try:
        reverse("django_vzaps:webhook", kwargs={"public_id": uuid.UUID(int=0), "secret": "secret"})
    except NoReverseMatch:
        found.append(
            Error(
                "The webhook's URL is not mounted: no events arrive.",
                hint='Add path("vzaps/", include("django_vzaps.urls")) to the urlpatterns of ROOT_URLCONF.',
                id="django_vzaps.E008",
            )
        )
    return found


@register()
def check_alert_recipients(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Whether those who are mailed about alerts can follow the links, and read them."""
    try:
        current = conf.current()
    except ImproperlyConfigured:
        return []  # said by check_settings
    found: list[CheckMessage] = []
    if current.alert_recipients and not (current.admin_base_url or current.webhook_base_url):
        found.append(
            Warning(
                'VZAPS["ADMIN_BASE_URL"] and VZAPS["WEBHOOK_BASE_URL"] are missing: mails about alerts have no links.',
                hint='Add VZAPS["ADMIN_BASE_URL"] = "https://example.com", with the host people reach the admin at.',
                id="django_vzaps.W012",
            )
        )
    unknown = sorted(
        {language for _address, language in current.alert_recipients if language and not is_known(language)}
    )
    if unknown:
        found.append(
            Warning(
                f'VZAPS["ALERT_RECIPIENTS"] names languages that this site does not speak: {", ".join(unknown)}. '
                f"Mails are in LANGUAGE_CODE ({settings.LANGUAGE_CODE}) instead.",
                hint=f"Choose from LANGUAGES: {', '.join(code for code, _name in settings.LANGUAGES)}.",
                id="django_vzaps.W013",
            )
        )
    return found


@register(Tags.database)
def check_database(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Whether the database takes what the webhook takes. Run by ``migrate``, and by ``check --database default``."""
    alias = router.db_for_write(Event)
    if alias not in (databases or ()):
        return []
    connection = connections[alias]
    if connection.vendor != "mysql":
        return []
    try:
        wanted = conf.current().webhook_max_bytes * _ESCAPING_FACTOR
    except ImproperlyConfigured:
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@max_allowed_packet")
        allowed = int(cursor.fetchone()[0])
    if allowed >= wanted:
        return []
    return [
        Warning(
            f"The database takes statements of up to {allowed} bytes, and a webhook body of "
            f'VZAPS["WEBHOOK_MAX_BYTES"] may need {wanted}: large events would be answered with 503.',
            hint=f"Set max_allowed_packet = {wanted} in the [mysqld] section of the server's configuration, or lower "
            f'VZAPS["WEBHOOK_MAX_BYTES"] to {allowed // _ESCAPING_FACTOR}.',
            id="django_vzaps.W005",
        )
    ]


@register()
def check_sqlite(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """SQLite in its default mode fails a transaction that reads and then writes, whatever its timeout."""
    alias = router.db_for_write(Event)
    connection = connections[alias]
    mode = str(connection.settings_dict.get("OPTIONS", {}).get("transaction_mode") or "")
    if connection.vendor != "sqlite" or mode.upper() in ("IMMEDIATE", "EXCLUSIVE"):
        return []
    return [
        Warning(
            "SQLite begins transactions in DEFERRED mode: events and changes fail with “database is locked” as soon "
            "as two processes write.",
            hint=f'Write DATABASES["{alias}"]["OPTIONS"] = '
            '{"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL", "timeout": 20}.',
            id="django_vzaps.W004",
        )
    ]


def _unknown_keys(given: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for key in given:
        if key not in conf.KEYS:
            close = difflib.get_close_matches(str(key).upper(), conf.KEYS, n=1)
            known = ", ".join(conf.KEYS)
            yield Error(
                f'VZAPS["{key}"] is not a setting.',
                hint=f'Did you mean VZAPS["{close[0]}"]?' if close else f"The settings are {known}.",
                id="django_vzaps.E002",
            )


def _credentials(current: conf.Settings) -> Iterator[CheckMessage]:
    missing = [key for key in ("CLIENT_TOKEN", "CLIENT_SECRET") if not getattr(current, conf.KEYS[key])]
    if len(missing) == 1:
        yield Error(
            f'VZAPS["{missing[0]}"] is missing.',
            hint=f'Add VZAPS["{missing[0]}"]: VZaps shows both credentials in the area "Security" of its web app.',
            id="django_vzaps.E003",
        )
    elif missing:
        # Not an error: accounts may be kept in the database, where a check must not look.
        yield Warning(
            "The settings hold no VZaps credentials.",
            hint='Add VZAPS = {"CLIENT_TOKEN": ..., "CLIENT_SECRET": ...}, or enter an account in the admin and put '
            '"django_vzaps.W001" into SILENCED_SYSTEM_CHECKS.',
            id="django_vzaps.W001",
        )


def _encryption_keys(current: conf.Settings) -> Iterator[CheckMessage]:
    if not current.encryption_keys:
        yield Error(
            'VZAPS["ENCRYPTION_KEYS"] is missing: credentials and instance tokens cannot be stored.',
            hint=f'Make a key with {_NEW_KEY} and add VZAPS["ENCRYPTION_KEYS"] = ["the key"], read from the '
            "environment.",
            id="django_vzaps.E004",
        )
    derived = set(_keys_from(settings.SECRET_KEY))
    for position, key in enumerate(current.encryption_keys):
        name = f'VZAPS["ENCRYPTION_KEYS"][{position}]'
        if key in derived:
            yield Error(
                f"{name} is made from SECRET_KEY: whoever learns one has both, and neither can be changed alone.",
                hint=f"Make a key with {_NEW_KEY} and put it first in the list; "
                "manage.py vzaps_rotate_keys then encrypts everything with it.",
                id="django_vzaps.E005",
            )
        elif not _is_fernet_key(key):
            yield Error(
                f"{name} is not a key: a key is 32 url-safe base64-encoded bytes.",
                hint=f"Make a key with {_NEW_KEY}.",
                id="django_vzaps.E009",
            )


def _instance_scope(current: conf.Settings) -> Iterator[CheckMessage]:
    scope = current.instance_scope
    if not isinstance(scope, str) or not scope:
        return
    try:
        is_scope = callable(import_string(scope))
    except ImportError:
        is_scope = False
    if not is_scope:
        yield Error(
            f'VZAPS["INSTANCE_SCOPE"] = "{scope}" names no callable, so nobody can see any instance.',
            hint="Give the dotted path of a function scope(user, queryset) that returns the queryset limited to the "
            "instances the user may see.",
            id="django_vzaps.E011",
        )


def _metrics(token: str) -> Iterator[CheckMessage]:
    if not token:
        return
    if find_spec("prometheus_client") is None:
        yield Error(
            'VZAPS["METRICS_TOKEN"] is set, and prometheus-client is not installed: scrapers are answered with 501.',
            hint='Run python -m pip install "django-vzaps[metrics]", or remove VZAPS["METRICS_TOKEN"].',
            id="django_vzaps.E012",
        )
    if not (token.isascii() and token.isprintable()) or " " in token:
        yield Error(
            'VZAPS["METRICS_TOKEN"] has characters that no scraper can send: each is answered with 401.',
            hint=f"Take off the end of the line that a file may end with, or make a token with {_NEW_TOKEN}.",
            id="django_vzaps.E013",
        )
    elif len(token) < _TOKEN_LENGTH:
        yield Warning(
            f'VZAPS["METRICS_TOKEN"] is shorter than {_TOKEN_LENGTH} characters: it can be guessed.',
            hint=f"Make one with {_NEW_TOKEN}.",
            id="django_vzaps.W011",
        )


def _is_fernet_key(key: str) -> bool:
    try:
        Fernet(key)
    except ValueError:
        return False
    return True


def _keys_from(secret_key: str | bytes) -> Iterator[str]:
    """The keys that people make from ``SECRET_KEY``."""
    secret = secret_key if isinstance(secret_key, bytes) else secret_key.encode()
    yield secret.decode(errors="replace")
    for digest in (secret[:32], secret[:32].ljust(32), secret[:32].ljust(32, b"0"), hashlib.sha256(secret).digest()):
        yield base64.urlsafe_b64encode(digest).decode()
        yield base64.b64encode(digest).decode()
