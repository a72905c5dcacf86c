"""System checks about events: what is subscribed to, what is kept of it, and who handles it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from celery import _state
from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004 - Django's name
from django.core.exceptions import ImproperlyConfigured
from django.urls import get_resolver
from django.utils import translation
from django.utils.module_loading import import_string

from django_vzaps import conf
from django_vzaps.events import handlers, volumes
from django_vzaps.events.parsing import normalised
from django_vzaps.services.webhooks import EVENT_TYPES

#: Nearer than this is a slip of the pen; farther may be a type that VZaps does not document.
_NEAR: Final = 0.85


@register()
def check_events(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """What is subscribed to, stored and handled."""
    try:
        current = conf.current()
    except ImproperlyConfigured:
        return []  # said by check_settings
    return [
        *_masses(current),
        *_storage(current),
        *_handlers_never_called(current),
        *_retention(current),
        *_verifier(current),
    ]


def _verifier(current: conf.Settings) -> Iterator[CheckMessage]:
    if not current.webhook_verifier:
        return
    try:
        if callable(import_string(current.webhook_verifier)):
            return
        reason = "it is not callable"
    except Exception as error:  # noqa: BLE001 - the module is the project's
        reason = f"{type(error).__name__}: {error}"
    yield Error(
        f'VZAPS["WEBHOOK_VERIFIER"] cannot be used: {reason}. Every event is answered with 503.',
        hint="Name a function verify(request, body, webhook) -> bool by its dotted path, or remove the key.",
        id="django_vzaps.E010",
    )


@register()
def check_celery(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Whether this process knows the project's Celery app; without one the doorbell rings where nobody lives."""
    try:
        if conf.current().tasks != "celery":
            return []
    except ImproperlyConfigured:
        return []
    with suppress(Exception):  # said by Django's own checks
        _ = get_resolver().url_patterns  # Imports what the site imports: the Celery app may be among it.
    # Asking celery.current_app would make the fallback, and keep it from the project's app if that is imported later.
    app = _state.default_app or _state._tls.current_app  # type: ignore[attr-defined]
    if app is not None and (app.set_as_current or app.conf.broker_write_url):
        return []
    return [
        Warning(
            "No Celery app of the project is loaded: events are stored, but the workers are not told of them, because "
            "messages go to the default broker (amqp://localhost) instead of the project's.",
            hint="Import the Celery app in the __init__.py of the project's package, as Celery's “First steps with "
            'Django” show: from .celery import app as celery_app. Without Celery, write VZAPS["TASKS"] = "inline".',
            id="django_vzaps.W010",
        )
    ]


def _masses(current: conf.Settings) -> Iterator[CheckMessage]:
    with translation.override(None):  # the rest of the sentence is not translated either
        masses = volumes.in_words(current.webhook_events)
    if masses:
        named = [name for name in current.webhook_events if name == "All" or name in masses]
        yield Warning(
            f'VZAPS["WEBHOOK_EVENTS"] subscribes new instances to {", ".join(named)}, which brings masses of events. '
            + " ".join(f"{name}: {what}" for name, what in masses.items()),
            hint='Name only the types that your handlers need. What is kept of them is said by VZAPS["EVENT_STORAGE"]. '
            'If you do want them, put "django_vzaps.W006" into SILENCED_SYSTEM_CHECKS.',
            id="django_vzaps.W006",
        )


def _storage(current: conf.Settings) -> Iterator[CheckMessage]:
    types = {normalised(name): name for name in EVENT_TYPES if name != "All"}
    for name in current.event_storage:
        if name in types.values():
            continue
        wanted = normalised(name)
        near = difflib.get_close_matches(wanted, types, n=1, cutoff=_NEAR)
        if near or wanted == "all":
            yield Warning(
                f'VZAPS["EVENT_STORAGE"]["{name}"] has no effect: no event has this type.',
                hint=f'Did you mean VZAPS["EVENT_STORAGE"]["{types[near[0]]}"]?'
                if near
                else f"Name each type: {', '.join(types.values())}.",
                id="django_vzaps.W008",
            )


def _handlers_never_called(current: conf.Settings) -> Iterator[CheckMessage]:
    dropped = {normalised(name): name for name, policy in current.event_storage.items() if policy == conf.DROP}
    for handler in handlers.registered():
        for name in sorted(dropped[wanted] for wanted in handler.types & dropped.keys()):
            yield Warning(
                f"The handler {handler.name} is never called for {name}: events of this type are dropped when they "
                "arrive.",
                hint=f'Write VZAPS["EVENT_STORAGE"] = {{"{name}": "metadata"}}: the payload is erased once they are '
                'handled; or "full" to keep it.',
                id="django_vzaps.W007",
            )


def _retention(current: conf.Settings) -> Iterator[CheckMessage]:
    if current.event_payload_days > current.event_retention_days > 0:
        yield Warning(
            f'VZAPS["EVENT_PAYLOAD_DAYS"] is {current.event_payload_days}, but after the '
            f'{current.event_retention_days} days of VZAPS["EVENT_RETENTION_DAYS"] the rows are deleted, and the '
            "payloads with them.",
            hint='Lower VZAPS["EVENT_PAYLOAD_DAYS"], or raise VZAPS["EVENT_RETENTION_DAYS"].',
            id="django_vzaps.W009",
        )
