"""The ``VZAPS`` setting, typed. Read on access, so ``override_settings`` and reloads just work."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables

SETTING: Final = "VZAPS"
TASK_RUNNERS: Final = ("celery", "inline")

FULL: Final = "full"
METADATA: Final = "metadata"
DROP: Final = "drop"
STORAGE_POLICIES: Final = (FULL, METADATA, DROP)
_EVENT_STORAGE: Final[Mapping[str, str]] = {"HistorySync": METADATA, "Presence": DROP, "ChatPresence": DROP}


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The keys of ``VZAPS`` in lower case, with their types and defaults. Times are in seconds, unless named days."""

    client_token: str = field(default="", repr=False)
    """Credentials of the account kept in settings (VZaps web app, area "Security"); empty where there is none."""
    client_secret: str = field(default="", repr=False)
    account_name: str = "default"
    """Name of the account whose credentials are the two above."""
    base_url: str = "https://api.vzaps.com"
    timeout: tuple[float, float] = (5.0, 30.0)
    """(connect, read) of every call to VZaps."""
    encryption_keys: tuple[str, ...] = field(default=(), repr=False)
    """Fernet keys: the first encrypts, every one decrypts."""
    webhook_base_url: str = ""
    """Where VZaps reaches this site, e.g. ``https://example.com``; the path is added by ``reverse``."""
    webhook_max_bytes: int = 10 * 1024 * 1024
    webhook_events: tuple[str, ...] = ("Message", "ReadReceipt", "Connected", "Disconnected")
    """Event types a new instance subscribes to."""
    webhook_allowed_networks: tuple[str, ...] = ()
    """Networks such as ``203.0.113.0/24`` that events are taken from; empty takes them from anywhere."""
    webhook_verifier: str = ""
    """Dotted path of ``verify(request, body, webhook) -> bool``, asked about every event beside the URL's secret."""
    instance_scope: str | Callable[..., Any] = ""
    """``scope(user, queryset) -> queryset`` or its dotted path: the instances that a user may see; empty shows all."""
    metrics_token: str = field(default="", repr=False)
    """What a scraper of the metrics sends as its bearer token; empty answers nobody."""
    read_only: bool = False
    """Refuse every change before it is made; for copies of production."""
    tasks: str = "celery"
    """``celery``, or ``inline`` (tests and development): events are handled in the process that received them."""
    stale_after: int = 15 * 60
    """A "connected" older than this is shown as stale."""
    operation_deadline: int = 5 * 60
    """An operation still running after this is marked unknown: its process died."""
    sync_lease: int = 10 * 60
    """A sync that gave no sign of life for this long no longer keeps others out."""
    handler_attempts: int = 5
    """How often one handler is tried for one event."""
    drain_lease: int = 120
    """A worker that gave no sign of life for this long no longer keeps others from an instance's events."""
    event_storage: Mapping[str, str] = field(default_factory=lambda: _EVENT_STORAGE)
    """By event type: ``full``, ``metadata`` (the payload goes once the event is handled) or ``drop``."""
    event_payload_days: int = 30
    """Payloads of handled events older than this are erased, their rows stay; 0 keeps them as long as the rows."""
    event_retention_days: int = 90
    """Handled events older than this are deleted; 0 keeps them for ever."""
    change_retention_days: int = 365
    """Changes of instances older than this are deleted, but for the newest of each field; 0 keeps them for ever."""
    probes_per_minute: int = 60
    """At most so many instances of an account are asked in a minute whether they are connected; 0 asks none."""
    alert_recipients: tuple[tuple[str, str], ...] = ()
    """Who is mailed about alerts: addresses, or pairs of an address and a language such as ``pt-br``."""
    alert_disconnected_after: int = 2 * 60
    """An instance that is disconnected for this long is worth an alert."""
    admin_base_url: str = ""
    """Where people reach the admin, for links in mails; empty takes ``webhook_base_url``."""


KEYS: Final[Mapping[str, str]] = {item.name.upper(): item.name for item in fields(Settings)}


@sensitive_variables()
def current() -> Settings:
    """The settings as they are now.

    Raises ``ImproperlyConfigured`` naming the key when ``VZAPS`` is not a dict or a value has the wrong type. Unknown
    keys are ignored here and reported by a system check.
    """
    global _last
    given = getattr(settings, SETTING, {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"{SETTING} must be a dict, not {type(given).__name__}.")
    seen, read = _last
    if given != seen:
        read = Settings(**{name: _checked(key, given[key]) for key, name in KEYS.items() if key in given})
        _last = copy.deepcopy(dict(given)), read
    return read


#: The setting as it was last read, and what it meant: checking it takes longer than comparing it.
_last: tuple[Mapping[str, Any], Settings] = {}, Settings()


def _checked(key: str, value: Any) -> Any:
    match key:
        case "TIMEOUT":
            pair = value if isinstance(value, list | tuple) else (value, value)
            if len(pair) == 2 and all(_is_time(part) for part in pair):
                return (float(pair[0]), float(pair[1]))
            raise _wrong(key, "a pair of seconds (connect, read), each above 0")
        case "WEBHOOK_ALLOWED_NETWORKS":
            if isinstance(value, list | tuple) and all(_is_network(part) for part in value):
                return tuple(value)
            raise _wrong(key, 'a list of networks such as "203.0.113.0/24"')
        case "EVENT_STORAGE":
            if isinstance(value, Mapping) and all(
                isinstance(name, str) and policy in STORAGE_POLICIES for name, policy in value.items()
            ):
                return {**_EVENT_STORAGE, **value}
            raise _wrong(key, f"a dict from event types to {', '.join(map(repr, STORAGE_POLICIES))}")
        case "INSTANCE_SCOPE":
            if callable(value) or isinstance(value, str):
                return value
            raise _wrong(key, "a callable (user, queryset) -> queryset, or its dotted path")
        case "ENCRYPTION_KEYS" | "WEBHOOK_EVENTS":
            if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
                return tuple(value)
            raise _wrong(key, "a list of strings")
        case "READ_ONLY":
            if isinstance(value, bool):
                return value
            raise _wrong(key, "True or False")
        case "TASKS":
            if value in TASK_RUNNERS:
                return value
            raise _wrong(key, " or ".join(repr(runner) for runner in TASK_RUNNERS))
        case "ALERT_RECIPIENTS":
            if isinstance(value, list | tuple) and all(_is_recipient(part) for part in value):
                return tuple((part, "") if isinstance(part, str) else (part[0], *part[1:], "")[:2] for part in value)
            raise _wrong(key, 'a list of addresses, or of pairs such as ("ops@example.com", "pt-br")')
        case "EVENT_RETENTION_DAYS" | "EVENT_PAYLOAD_DAYS" | "CHANGE_RETENTION_DAYS":
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                return value
            raise _wrong(key, "a whole number of days, or 0 to keep them for ever")
        case "PROBES_PER_MINUTE":
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                return value
            raise _wrong(key, "a whole number, or 0 to ask none")
        case (
            "WEBHOOK_MAX_BYTES"
            | "STALE_AFTER"
            | "OPERATION_DEADLINE"
            | "SYNC_LEASE"
            | "HANDLER_ATTEMPTS"
            | "DRAIN_LEASE"
            | "ALERT_DISCONNECTED_AFTER"
        ):
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
            raise _wrong(key, "a whole number above 0")
        case _:
            if isinstance(value, str):
                return value.rstrip("/") if key.endswith("_URL") else value
            raise _wrong(key, "a string")


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _is_recipient(value: object) -> bool:
    parts = (value,) if isinstance(value, str) else value
    if not (isinstance(parts, list | tuple) and 1 <= len(parts) <= 2 and all(isinstance(part, str) for part in parts)):
        return False
    # A line break would end the header of the mail that it is written into.
    return "@" in parts[0] and parts[0].isprintable()


def _is_network(value: object) -> bool:
    try:
        ip_network(value)  # type: ignore[arg-type]
    except ValueError:
        return False
    return isinstance(value, str)


def _wrong(key: str, expected: str) -> ImproperlyConfigured:
    # The value is left out: it may be a credential.
    return ImproperlyConfigured(f'{SETTING}["{key}"] must be {expected}.')
