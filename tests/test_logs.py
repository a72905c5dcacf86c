from __future__ import annotations

import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import django
import pytest
from django.core import mail
from django.core.exceptions import SuspiciousFileOperation
from django.test import Client, RequestFactory
from django.utils.log import AdminEmailHandler

from django_vzaps import logs
from django_vzaps.logs import WebhookSecretFilter, masked

PATH = "/vzaps/webhook/3f0c2d4e-0000-4000-8000-1234567890ab/planted-secret"


@pytest.fixture
def shown() -> Iterator[StringIO]:
    """What Django's loggers write, as text."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    names = (
        *("django.request", "django.server", "django.security.DisallowedHost"),
        *("gunicorn.access", "gunicorn.error", "uvicorn.access", "uvicorn.asgi", "urllib3.connectionpool"),
    )
    for name in names:
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield stream
    for name in names:
        logging.getLogger(name).removeHandler(handler)
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"POST {PATH} HTTP/1.1", "POST /vzaps/webhook/3f0c2d4e-0000-4000-8000-1234567890ab/******** HTTP/1.1"),
        (f"Not Found: {PATH}/", "Not Found: /vzaps/webhook/3f0c2d4e-0000-4000-8000-1234567890ab/********/"),
        (f"{PATH}?x=1", "/vzaps/webhook/3f0c2d4e-0000-4000-8000-1234567890ab/********?x=1"),
        ("/admin/django_vzaps/webhook/17/change/", "/admin/django_vzaps/webhook/17/change/"),
    ],
)
def test_the_secret_of_the_path_is_masked_and_nothing_else(text: str, expected: str) -> None:
    assert masked(text) == expected


def test_a_request_of_our_own_shows_no_secret(shown: StringIO) -> None:
    # As urllib3 says, when debugging, what it has asked.
    logging.getLogger("urllib3.connectionpool").debug(
        '%s://%s:%s "%s %s %s" %s %s', "https", "hooks.example.test", 443, "POST", PATH, "HTTP/1.1", 200, None
    )
    assert "POST /vzaps/webhook/" in shown.getvalue()
    assert "planted" not in shown.getvalue()


def test_a_request_that_django_logs_shows_no_secret(shown: StringIO, db: None) -> None:
    Client().put(PATH)
    Client().post(PATH, data={}, content_type="application/json")
    Client(headers={"host": "evil.example"}).post(PATH, data={}, content_type="application/json")
    assert "Method Not Allowed" in shown.getvalue()
    assert "Not Found" in shown.getvalue()
    assert "planted" not in shown.getvalue()


def test_access_logs_of_servers_show_no_secret(shown: StringIO) -> None:
    logging.getLogger("django.server").info('"%s" %s %s', f"POST {PATH} HTTP/1.1", "200", "15")
    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', "127.0.0.1", "POST", PATH, "1.1", 200)
    atoms = {"r": f"POST {PATH} HTTP/1.1", "U": PATH, "s": "200"}
    logging.getLogger("gunicorn.access").info("%(r)s %(U)s %(s)s", atoms)
    assert shown.getvalue().count("********") == 4
    assert "planted" not in shown.getvalue()
    assert atoms["U"] == PATH, "what the server holds stays as it is"


def test_error_logs_of_servers_show_no_secret(shown: StringIO) -> None:
    logging.getLogger("gunicorn.error").debug("%s %s", "POST", PATH)
    logging.getLogger("gunicorn.error").error("Error handling request %s", PATH)
    scope = {"type": "http", "path": PATH, "raw_path": PATH.encode(), "headers": "<...>"}
    logging.getLogger("uvicorn.asgi").debug("%s [%d] Started scope=%s", "127.0.0.1:9 - ASGI", 1, scope)
    assert shown.getvalue().count("********") == 4
    assert "planted" not in shown.getvalue()
    assert scope["path"] == PATH, "what the server holds stays as it is"


def test_the_mail_to_admins_shows_no_secret(settings: Any) -> None:
    settings.ADMINS = ["ada@example.test"] if django.VERSION >= (6, 0) else [("Ada", "ada@example.test")]
    request = RequestFactory().post(f"{PATH}?q=1", headers={"referer": f"https://testserver{PATH}"})
    record = logging.makeLogRecord(
        {"levelname": "ERROR", "msg": "Internal Server Error: %s", "args": (PATH,), "request": request}
    )
    assert WebhookSecretFilter().filter(record)
    AdminEmailHandler(include_html=True).emit(record)
    (message,) = mail.outbox
    assert "/webhook/3f0c2d4e" in message.body
    assert "planted" not in message.message().as_string()
    assert request.path == PATH, "the request itself stays as it is"


def test_other_records_pass_as_they_are() -> None:
    request = RequestFactory().get("/somewhere/")
    error = ValueError("plain")
    record = logging.makeLogRecord({"msg": "%s %d", "args": (error, 3), "request": request})
    WebhookSecretFilter().filter(record)
    assert vars(record)["request"] is request
    assert record.args == (error, 3)


def test_an_exception_among_the_arguments_shows_no_secret() -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 0, "%s", (ValueError(f"no {PATH}"),), None)
    WebhookSecretFilter().filter(record)
    assert "planted" not in record.getMessage()


def test_the_filter_is_attached_once_to_every_logger_that_shows_paths() -> None:
    logs.attach()
    for name in ("django.request", "django.security.csrf", f"django.security.{SuspiciousFileOperation.__name__}"):
        filters = [one for one in logging.getLogger(name).filters if isinstance(one, WebhookSecretFilter)]
        assert len(filters) == 1
