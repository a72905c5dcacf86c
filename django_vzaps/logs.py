"""Keeps the secret of the webhook's URL out of logs that show paths."""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.core.exceptions import SuspiciousOperation
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest

from django_vzaps.secret import MASK

_SECRET: Final = re.compile(r"(webhook/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/)[^/?#\s\"']+", re.IGNORECASE)

#: Loggers that are given the path of a request: Django's, and those of servers that log in Python.
_LOGGERS: Final = (
    *("django.request", "django.server", "django.security.csrf"),
    # The error logs name requests that failed; at their most talkative level, every request.
    *("gunicorn.access", "gunicorn.error", "uvicorn.access", "uvicorn.asgi", "uvicorn.error"),
    # Says, when debugging, where the site's test of its own URL goes.
    "urllib3.connectionpool",
)


def masked(text: str) -> str:
    """The text with the secret of each webhook URL masked."""
    return _SECRET.sub(rf"\g<1>{MASK}", text)


class WebhookSecretFilter(logging.Filter):
    """Masks the secret of webhook URLs in a record's message, its arguments and the request attached to it.

    It is attached to Django's own loggers, and to those of gunicorn, uvicorn and urllib3. Give it to any other logger
    that shows paths: ``"filters": {"vzaps": {"()": "django_vzaps.logs.WebhookSecretFilter"}}``.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: nothing is dropped."""
        record.msg = _without_secret(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(_without_secret(item) for item in record.args)
        elif isinstance(record.args, Mapping):
            record.args = _WithoutSecrets(record.args)
        request = getattr(record, "request", None)
        if isinstance(request, HttpRequest) and _SECRET.search(request.path):
            record.request = _without_secret_path(request)
        return True


class _WithoutSecrets(dict[str, Any]):
    """Named arguments. gunicorn's answer for names they do not have, so they are asked and not copied from."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(given)
        self._given = given

    def __getitem__(self, name: str) -> Any:
        return _without_secret(self._given[name])


def attach() -> None:
    """Put the filter on every logger that is known to show paths; once, however often it is called."""
    for name in (*_LOGGERS, *(f"django.security.{kind.__name__}" for kind in _kinds(SuspiciousOperation))):
        logger = logging.getLogger(name)
        if not any(isinstance(present, WebhookSecretFilter) for present in logger.filters):
            logger.addFilter(WebhookSecretFilter())


def _kinds(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)


def _without_secret(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    # An exception, a request or an ASGI scope among the arguments: shown as text in any case.
    if isinstance(value, Exception | HttpRequest | dict) and masked(str(value)) != str(value):
        return masked(str(value))
    return value


def _without_secret_path(request: HttpRequest) -> HttpRequest:
    """A copy for the record: the mail to the site's admins shows the request's path and environment."""
    shown = copy.copy(request)
    shown.path, shown.path_info = masked(request.path), masked(request.path_info)
    shown.META = {name: _without_secret(value) for name, value in request.META.items()}
    if isinstance(shown, WSGIRequest):
        shown.environ = shown.META
    return shown
