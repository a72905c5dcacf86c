"""Planted secrets: whatever is done and whatever goes wrong, none is seen where it must not be."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.cache import cache
from django.db import connection, models
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from django_vzaps import services, signals
from django_vzaps.client import VZapsError
from django_vzaps.models import Account, Instance, Operation, Webhook
from django_vzaps.services import client_for, instances, messages, operations, sessions, subscriptions, sync, webhooks
from django_vzaps.testing import FakeVZaps
from django_vzaps.testing.wire import Answer, Request
from tests.services.conftest import during

pytestmark = pytest.mark.django_db


class Watch:
    """Collects what became visible, and the secrets that should not be in it."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.caplog = caplog
        self.secrets: dict[str, str] = {}
        self.seen: list[tuple[str, str]] = []
        self.queries: CaptureQueriesContext | None = None

    def plant(self, name: str, value: str) -> None:
        assert len(value) > 8, name
        self.secrets[f"{name} {len(self.secrets)}"] = value

    def show(self, where: str, *values: object) -> None:
        self.seen += [(where, f"{value!r} {value!s} {value:}") for value in values]

    @contextmanager
    def failing(self, *kinds: type[Exception]) -> Iterator[None]:
        """Something goes wrong; all that an error page or a log could show of it is seen."""
        with pytest.raises(kinds or VZapsError) as caught:
            yield
        error: BaseException | None = caught.value
        where = f"{type(error).__name__}: {error}"
        self.seen.append((where, "".join(traceback.format_exception(caught.value))))
        while error is not None:
            self.show(where, error, *vars(error).values(), *error.args)
            for frame, _line in traceback.walk_tb(error.__traceback__):
                if "/django_vzaps/" in frame.f_code.co_filename:
                    self.show(f"{where} (locals of {frame.f_code.co_name})", dict(frame.f_locals))
            error = error.__cause__ or error.__context__

    def leaks(self) -> list[str]:
        places = [*self.seen, *(("log", record.getMessage()) for record in self.caplog.records)]
        places += [("log arguments", repr(record.__dict__)) for record in self.caplog.records]
        places += [("formatted log", self.caplog.text)]
        for model in apps.get_app_config("django_vzaps").get_models():
            places.append((f"repr of {model.__name__}", repr([vars(row) for row in model._default_manager.all()])))
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT * FROM {model._meta.db_table}")  # noqa: S608 - our own table
                places.append((f"table of {model.__name__}", repr(cursor.fetchall())))
        if self.queries is not None:
            places += [("query", query["sql"]) for query in self.queries.captured_queries]
        places.append(("cache", repr(getattr(cache, "_cache", ""))))
        return [f"{name} in {where}" for name, value in self.secrets.items() for where, text in places if value in text]


@pytest.fixture
def watch(db: None, caplog: pytest.LogCaptureFixture) -> Iterator[Watch]:
    caplog.set_level(logging.DEBUG)
    for name in ("django", "django.db.backends", "django_vzaps", "urllib3", "requests"):
        caplog.set_level(logging.DEBUG, logger=name)
    watch = Watch(caplog)
    with CaptureQueriesContext(connection) as watch.queries:
        yield watch


@pytest.fixture
def fake() -> Iterator[FakeVZaps]:
    """Over real HTTP, so that the libraries below say what they say."""
    fake = FakeVZaps(client_token="planted-client-token", client_secret="planted-client-secret")
    fake.deliver = lambda _url, _body, _headers: 200
    with fake.serve() as server, override_settings(VZAPS={**settings.VZAPS, "BASE_URL": server.url}):
        yield fake


@pytest.fixture
def account(watch: Watch, fake: FakeVZaps) -> Account:
    watch.plant("client secret", "planted-client-secret")
    watch.plant("client token", "planted-client-token")
    return Account.objects.create(
        name="planted", client_token="planted-client-token", client_secret="planted-client-secret"
    )


def plant_all(watch: Watch, fake: FakeVZaps) -> None:
    for token in fake.access_tokens:
        watch.plant("access token", token)
    for remote in fake.instances.values():
        watch.plant("instance token", remote.token)
        if remote.webhook:
            watch.plant("webhook secret", remote.webhook.rstrip("/").rsplit("/", 1)[1])


def test_nothing_is_seen_where_all_goes_well(watch: Watch, fake: FakeVZaps, account: Account) -> None:
    heard: list[dict[str, Any]] = []

    def listen(**kwargs: Any) -> None:
        heard.append(kwargs)

    sent = (signals.instance_created, signals.instance_updated, signals.instance_connected, signals.instance_removed)
    for signal in sent:
        signal.connect(listen)

    created = instances.create(account, name="Front desk", actor=None)
    instance = created.instance
    assert instance is not None
    plant_all(watch, fake)
    code = sessions.qr(instance)
    assert code.qr_code is not None
    watch.plant("QR code", code.qr_code.reveal())
    watch.plant("QR code without its prefix", code.qr_code.reveal().partition(",")[2])
    pair = sessions.pair_code(instance, phone="5511988887777", actor=None)
    watch.plant("pair code", pair.code.reveal())
    fake.scan(instance.vzaps_id)
    status = sessions.status(instance)
    subscribed = subscriptions.subscribe(instance, actor=None)
    subscriptions.cancel(instance, actor=None)
    subscriptions.resume(instance, actor=None)
    webhooks.set(instance, actor=None)
    plant_all(watch, fake)
    instances.update(instance, actor=None, name="Reception", labels={"team": "one"})
    instances.restart(instance, actor=None)
    text = messages.send_text(instance, phone="5511900001111", message="hello")
    sync.sync_account(account)
    sync.sync_instance(instance)
    answer = client_for(instance).instances.get(instance.vzaps_id)
    listed = client_for(account).instances.list(page=1, size=10)
    sessions.disconnect(instance, actor=None)
    instances.delete(instance, actor=None, despite_subscription=True)
    for signal in sent:
        signal.disconnect(listen)

    planned = webhooks.plan(instance.webhook.public_id, None)
    watch.plant("planned secret", planned.url.reveal().rsplit("/", 1)[1])
    watch.show("returned", created, code, pair, status, subscribed, text, answer, listed, planned)
    watch.show("raw", code.raw, pair.raw, answer.raw, listed.raw, answer.token)
    watch.show("models", account, instance, instance.webhook, instance.token, account.credentials, vars(instance))
    watch.show("client", client_for(account), vars(client_for(account)))
    watch.show("signals", *heard)
    assert watch.caplog.records
    assert len(watch.secrets) >= 9
    assert watch.leaks() == []


#: What a service may repeat of what it was sent: in a sentence, under a name of its own, in a text that is no JSON.
ECHOES: dict[str, Callable[[str], bytes]] = {
    "in words": lambda secret: json.dumps({"message": f"The value {secret} is not accepted."}).encode(),
    "in a URL": lambda secret: json.dumps({"error": f"https://hooks.example.test/a/{secret} is down"}).encode(),
    "in a path": lambda secret: json.dumps({"errors": [{"message": f"/vzaps/webhook/1/{secret}"}]}).encode(),
    "in details": lambda secret: json.dumps({"message": "no", "details": {"sent": [secret]}}).encode(),
    "in the code": lambda secret: json.dumps({"code": secret, "message": "no"}).encode(),
    "as text": lambda secret: f"Proxy error for {secret}".encode(),
    "cut short": lambda secret: json.dumps({"token": secret}).encode()[:-2],
}


@pytest.mark.parametrize(("echo", "status"), [*((echo, 400) for echo in ECHOES), ("in words", 500), ("in words", 200)])
def test_nothing_is_seen_where_vzaps_repeats_what_it_was_sent(
    watch: Watch, fake: FakeVZaps, account: Account, echo: str, status: int
) -> None:
    first = instances.create(account, name="Front desk", actor=None).instance
    assert first is not None
    plant_all(watch, fake)
    (access_token, *_) = fake.access_tokens
    token = fake.instances[first.vzaps_id].token

    def spoiled(route: str, secret: Callable[[Request], str]) -> None:
        """The next answer of ``route`` repeats ``secret``, which may be one of the request itself."""

        def echoed(request: Request, answer: Answer) -> Answer:
            found = secret(request)
            watch.plant(f"{route} secret", found)
            return replace(answer, status=status, body=ECHOES[echo](found))

        during(fake, route, echoed)

    def of_url(key: str) -> Callable[[Request], str]:
        return lambda request: str(request.data[key]).rstrip("/").rsplit("/", 1)[1]

    spoiled("create", of_url("webhook"))
    with watch.failing():
        instances.create(account, name="Second", actor=None)
    spoiled("webhook_set", of_url("webhookURL"))
    if status == 200:
        webhooks.set(first, actor=None)
    else:
        with watch.failing():
            webhooks.set(first, actor=None)
    spoiled("list", lambda _request: access_token)
    with watch.failing():
        sync.sync_account(account)
    spoiled("update", lambda _request: token)
    with watch.failing():
        instances.update(first, actor=None, name="Third")
    spoiled("session_status", lambda _request: token)
    with watch.failing():
        sessions.status(first)
    spoiled("get", lambda _request: "planted-client-token")
    with watch.failing():
        subscriptions.subscribe(first, actor=None)
    spoiled("pair_code", lambda _request: "planted-client-secret")
    with watch.failing():
        sessions.pair_code(first, phone="5511988887777", actor=None)
    plant_all(watch, fake)

    assert Operation.objects.exclude(error="").exists()
    assert watch.leaks() == []


def test_nothing_is_seen_where_signing_in_fails(watch: Watch, fake: FakeVZaps, account: Account) -> None:
    fake.faults.add("token", status=401, body=b'{"message": "planted-client-secret is wrong"}')
    with watch.failing(services.ReadFailed):
        services.accounts.check_credentials(account)
    fake.faults.add("token", body=b'{"access_token": "planted-access-token", "expires_in": "soon"}')
    watch.plant("access token", "planted-access-token")
    with watch.failing(services.ReadFailed):
        sync.sync_account(account)

    assert watch.leaks() == []


def test_nothing_is_seen_where_the_answer_never_comes(watch: Watch, fake: FakeVZaps, account: Account) -> None:
    fake.faults.add("create", drop=True)
    with watch.failing(services.OutcomeUnknown):
        instances.create(account, name="Front desk", actor=None)
    plant_all(watch, fake)
    operation = operations.settle(Operation.objects.get())
    instance = operation.instance
    assert instance is not None
    attempts = {"webhook_set": webhooks.set, "subscribe": subscriptions.subscribe, "restart": instances.restart}
    for route, attempt in attempts.items():
        fake.faults.add(route, drop=True)
        with watch.failing(services.OutcomeUnknown):
            attempt(instance, actor=None)
    plant_all(watch, fake)
    operations.settle_all()

    assert watch.leaks() == []


def test_nothing_is_seen_where_our_own_code_or_the_database_fails(
    watch: Watch, fake: FakeVZaps, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = instances.create(account, name="Front desk", actor=None)
    assert created.instance is not None
    plant_all(watch, fake)

    def broken(self: models.Model, **_kwargs: Any) -> None:
        raise RuntimeError(f"cannot save {self!r}: {vars(self)!r}")

    monkeypatch.setattr(Instance, "save", broken)
    with watch.failing(RuntimeError):
        instances.create(account, name="Second", actor=None)
    with watch.failing(RuntimeError):
        sync.sync_instance(created.instance)
    plant_all(watch, fake)
    monkeypatch.setattr(Webhook, "save", broken)
    with watch.failing(RuntimeError):
        webhooks.set(created.instance, actor=None)
    plant_all(watch, fake)

    assert watch.leaks() == []


def test_a_leak_would_be_found(watch: Watch, fake: FakeVZaps, account: Account) -> None:
    watch.plant("thing", "a-planted-thing")
    logging.getLogger("django_vzaps.anything").debug("here is %s", "a-planted-thing")
    Account.objects.filter(pk=account.pk).update(sync_error="a-planted-thing")
    with watch.failing(ValueError):
        raise ValueError("a-planted-thing")

    found = " ".join(watch.leaks())

    for place in ("in log", "table of Account", "repr of Account", "query", "ValueError"):
        assert place in found
