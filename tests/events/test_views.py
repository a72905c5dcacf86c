from __future__ import annotations

import asyncio
import io
import json
import logging
import uuid
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import DataError, InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from django_vzaps import crypto, views
from django_vzaps.events import doorbell, storing
from django_vzaps.models import Event, EventState, Instance, Lane, Webhook
from django_vzaps.testing import events
from tests.events.conftest import SECRET, Post, url_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def small(settings: Any) -> int:
    """The largest body that is taken."""
    settings.VZAPS = {**settings.VZAPS, "WEBHOOK_MAX_BYTES": 1000}
    return 1000


def test_an_event_is_stored_and_handled(post: Post, instance: Instance) -> None:
    answer = post(events.connected())
    assert (answer.status_code, json.loads(answer.content)) == (200, {"status": "ok"})
    assert Event.objects.get().state == EventState.DONE
    instance.refresh_from_db()
    assert instance.connected


def test_both_forms_of_the_url_are_answered_without_a_redirect(instance: Instance) -> None:
    url = url_of(instance)
    assert not url.endswith("/")
    for form in (url, f"{url}/"):
        assert Client().post(form, data={"type": "Connected"}, content_type="application/json").status_code == 200


def test_a_forged_url_is_not_found_and_leaves_nothing(instance: Instance, django_assert_num_queries: Any) -> None:
    forged = [
        url_of(instance, "wrong"),
        reverse("django_vzaps:webhook", kwargs={"public_id": uuid.uuid4(), "secret": SECRET}),
    ]
    answers = []
    for url in forged:
        with django_assert_num_queries(1):
            answers.append(Client().post(url, data=events.connected(), content_type="application/json"))
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    assert not Event.objects.exists()


def test_a_forged_url_is_refused_before_the_body_is_read(instance: Instance, small: int) -> None:
    extra: dict[str, Any] = {"content_type": "application/json", "headers": {"Content-Encoding": "gzip"}}
    assert Client().post(url_of(instance, "wrong"), data="x" * (small + 1), **extra).status_code == 404


def test_two_secrets_live_while_the_url_is_rotated(instance: Instance, post: Post) -> None:
    webhook = instance.webhook
    webhook.previous_secret_hash, webhook.secret_hash = webhook.secret_hash, crypto.hash_secret("the next")
    webhook.previous_secret_expires_at = timezone.now() + timedelta(minutes=1)
    webhook.save()
    assert post(events.connected()).status_code == 200
    webhook.previous_secret_expires_at = timezone.now()
    webhook.save()
    assert post(events.connected()).status_code == 404


def test_a_webhook_without_a_secret_takes_nothing(instance: Instance, post: Post) -> None:
    Webhook.objects.update(secret_hash="", previous_secret_hash="")
    assert post(events.connected()).status_code == 404


@pytest.mark.parametrize("secret", [SECRET, "wrong"])
@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_other_methods_are_refused_whatever_the_url(instance: Instance, method: str, secret: str) -> None:
    answer = getattr(Client(), method)(url_of(instance, secret))
    assert (answer.status_code, answer["Allow"]) == (405, "POST, GET, HEAD")


def test_a_probe_of_the_url_is_answered_and_leaves_nothing(
    instance: Instance, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        answer = Client().get(url_of(instance))
    assert (answer.status_code, json.loads(answer.content)) == (200, {"status": "ready"})
    assert answer["Cache-Control"] == "no-store"
    head = Client().head(url_of(instance))
    assert (head.status_code, head.content) == (200, b"")
    assert not Event.objects.exists()


def test_forged_urls_are_not_told_apart(instance: Instance) -> None:
    unknown = reverse("django_vzaps:webhook", kwargs={"public_id": uuid.uuid4(), "secret": SECRET})
    instance.webhook.previous_secret_hash = crypto.hash_secret("expired")
    instance.webhook.previous_secret_expires_at = timezone.now() - timedelta(seconds=1)
    instance.webhook.save()
    answers = [
        getattr(Client(), method)(url, content_type="application/json")
        for url in (unknown, url_of(instance, "wrong"), url_of(instance, "expired"), url_of(instance, "x" * 3000))
        for method in ("post", "get")
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({(answer.content, tuple(sorted(answer.items()))) for answer in answers}) == 1


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("203.0.113.9", 200),
        ("::ffff:203.0.113.9", 200),
        ("2001:db8::1", 200),
        ("198.51.100.1", 404),
        ("2001:db9::1", 404),
        ("", 404),
        ("unix:", 404),
    ],
)
def test_events_are_taken_from_allowed_networks_only(
    post: Post, settings: Any, address: str, status: int, django_assert_max_num_queries: Any
) -> None:
    networks = ["203.0.113.0/24", "2001:db8::/32"]
    settings.VZAPS = {**settings.VZAPS, "WEBHOOK_ALLOWED_NETWORKS": networks}
    with django_assert_max_num_queries(0 if status == 404 else 50):
        assert post(events.message(), REMOTE_ADDR=address).status_code == status
    assert Event.objects.exists() == (status == 200)


asked: list[tuple[bytes, str]] = []


def verify(request: HttpRequest, body: bytes, webhook: Webhook) -> bool:
    """A project's verifier."""
    asked.append((body, webhook.instance.vzaps_id))
    if request.headers.get("X-Signature") == "broken":
        raise ValueError("planted")
    return request.headers.get("X-Signature") == "right"


@pytest.mark.parametrize(("signature", "status"), [("right", 200), ("wrong", 404), ("broken", 503)])
def test_a_verifier_of_the_project_is_asked(
    post: Post, instance: Instance, settings: Any, signature: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    settings.VZAPS = {**settings.VZAPS, "WEBHOOK_VERIFIER": f"{__name__}.verify"}
    asked.clear()
    assert post(b'{"type": "Connected"}', HTTP_X_SIGNATURE=signature).status_code == status
    assert asked == [(b'{"type": "Connected"}', instance.vzaps_id)]
    assert Event.objects.exists() == (status == 200)
    assert ("WEBHOOK_VERIFIER" in caplog.text) == (status != 200)


def test_a_verifier_that_is_not_there_refuses_nothing_for_good(post: Post, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "WEBHOOK_VERIFIER": "nowhere.verify"}
    assert post(events.connected()).status_code == 503


def test_a_webhook_that_was_deleted_meanwhile_is_not_found(
    instance: Instance, post: Post, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VZAPS = {**settings.VZAPS, "WEBHOOK_VERIFIER": "nowhere.verify"}
    found = Webhook.objects.receiver(instance.webhook.public_id)
    monkeypatch.setattr(type(Webhook.objects), "receiver", lambda *_: found)
    Webhook.objects.all().delete()
    assert post(events.connected()).status_code == 404


def test_an_event_costs_two_queries(
    post: Post, silent: list[int], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    message = events.message()
    for _ in range(2):
        with django_assert_num_queries(2):  # the webhook, the event
            assert post(message).status_code == 200
    assert len(silent) == 1, "a duplicate wakes nobody"


def test_a_silent_doorbell_is_one_more_query_and_a_ringing_one_none(
    instance: Instance, post: Post, rung: list[int], settings: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.VZAPS = {**settings.VZAPS, "TASKS": "celery"}
    post(events.message())  # the first one ever makes the queue's row
    doorbell.silence(instance.pk, Lane.MAIN)
    for queries in (3, 2, 2):
        with django_assert_num_queries(queries):
            post(events.message())
    assert len(rung) == 2


def test_a_body_may_be_larger_than_a_form(post: Post, silent: list[int], settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    assert post(events.message("x" * 300_000)).status_code == 200
    assert len(Event.objects.get().payload) > 300_000


def test_a_body_above_the_limit_is_refused(post: Post, silent: list[int], small: int) -> None:
    body = b'{"type": "Connected"}'
    assert post(body.ljust(small)).status_code == 200
    assert post(body.ljust(small + 1)).status_code == 413
    assert Event.objects.count() == 1


def _call(instance: Instance, body: bytes, **environ: Any) -> HttpResponse:
    request = RequestFactory().post(url_of(instance), content_type="application/json")
    request.environ.update({"wsgi.input": io.BytesIO(body), **environ})
    request.META = request.environ
    for name, value in environ.items():
        if value is None:
            del request.environ[name]
    return views.webhook(request, public_id=instance.webhook.public_id, secret=SECRET)


def test_a_chunked_body_is_read_where_the_server_ends_it(instance: Instance, silent: list[int], small: int) -> None:
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    body = json.dumps(events.connected()).encode()
    assert _call(instance, body, **chunked).status_code == 411
    assert _call(instance, body, **chunked, **{"wsgi.input_terminated": True}).status_code == 200
    assert Event.objects.get().type == "Connected"
    assert _call(instance, b"x" * (small + 1), **chunked, **{"wsgi.input_terminated": True}).status_code == 413


@pytest.mark.parametrize("length", ["9" * 5000, "1001"])
def test_a_body_announced_too_large_is_not_read(instance: Instance, small: int, length: str) -> None:
    assert _call(instance, b"", CONTENT_LENGTH=length).status_code == 413


def test_a_body_that_breaks_off_is_left_to_a_redelivery(instance: Instance, silent: list[int]) -> None:
    request = RequestFactory().post(url_of(instance), data=b'{"type": "Conn', content_type="application/json")
    request.META["CONTENT_LENGTH"] = "100"
    answer = views.webhook(request, public_id=instance.webhook.public_id, secret=SECRET)
    assert answer.status_code == 400
    assert not Event.objects.exists()


def test_a_body_that_is_not_chunked_as_it_should_be_is_refused(instance: Instance) -> None:
    class Garbled:
        def read(self, size: int) -> bytes:
            raise RuntimeError("invalid chunk size")  # each server has its own

    request = RequestFactory().post(url_of(instance), content_type="application/json")
    request.environ.update({"CONTENT_LENGTH": "", "wsgi.input_terminated": True, "wsgi.input": Garbled()})
    answer = views.webhook(request, public_id=instance.webhook.public_id, secret=SECRET)
    assert answer.status_code == 400
    assert not Event.objects.exists()


def test_an_empty_body_is_kept_like_any_other(post: Post) -> None:
    assert post(b"").status_code == 200
    assert Event.objects.get().state == EventState.UNPARSED


def test_a_packed_body_is_refused(post: Post, silent: list[int]) -> None:
    assert post(events.connected(), headers={"Content-Encoding": "gzip"}).status_code == 415
    assert post(events.connected(), headers={"Content-Encoding": "identity"}).status_code == 200


def test_what_cannot_be_parsed_is_kept_and_answered_with_200(post: Post) -> None:
    assert post(b"not json").status_code == 200
    assert Event.objects.get().state == EventState.UNPARSED


def test_the_header_may_name_the_instance(post: Post, instance: Instance) -> None:
    post(events.connected(), headers={"X-Instance-ID": "VZ9999"})
    assert Event.objects.get().state == EventState.MISDIRECTED
    instance.refresh_from_db()
    assert instance.connected is None


def test_events_of_a_removed_instance_are_kept(post: Post, silent: list[int]) -> None:
    Instance.objects.update(removed_at=timezone.now())
    assert post(events.message()).status_code == 200
    assert Event.objects.exists()


@pytest.mark.parametrize("error", [OperationalError, InterfaceError, DataError])
def test_a_database_that_refuses_is_not_the_senders_fault(
    post: Post, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: type[Exception]
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise error("Failing row contains (planted)")

    monkeypatch.setattr(storing, "receive", refuse)
    assert post(events.message()).status_code == 503
    assert error.__name__ in caplog.text
    assert "planted" not in caplog.text


def test_the_view_needs_no_login_no_csrf_token_and_no_transaction(
    instance: Instance, silent: list[int], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    savepoints: list[bool] = []
    receive = storing.receive

    def look(*args: Any, **kwargs: Any) -> Any:
        savepoints.append(bool(connection.savepoint_ids))
        return receive(*args, **kwargs)

    monkeypatch.setattr(storing, "receive", look)
    client = Client(enforce_csrf_checks=True)
    assert client.post(url_of(instance), data=events.connected(), content_type="application/json").status_code == 200
    assert savepoints == [bool(connection.savepoint_ids)]


def test_nothing_secret_is_logged(instance: Instance, post: Post, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    post({"type": "Message", "event": {"token": "planted"}})
    post(b"not json but planted")
    Client().post(url_of(instance, "planted"), data=events.connected(), content_type="application/json")
    Client().get(url_of(instance))
    assert "planted" not in caplog.text
    assert SECRET not in caplog.text
    assert "webhook" in caplog.text, "Django does log the path"


@pytest.mark.django_db(transaction=True)
def test_it_works_behind_asgi(instance: Instance, silent: list[int], small: int) -> None:
    url = url_of(instance)

    async def post_both() -> list[int]:
        client = AsyncClient()
        bodies = [json.dumps(events.connected()), "x" * (small + 1)]
        answers = [await client.post(url, data=body, content_type="application/json") for body in bodies]
        await sync_to_async(lambda: connection.close())()  # that of the thread in which the view ran
        return [answer.status_code for answer in answers]

    assert asyncio.run(post_both()) == [200, 413]
    assert Event.objects.get().type == "Connected"
