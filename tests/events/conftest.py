from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol, cast

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from django_vzaps import broker, crypto
from django_vzaps.events import handlers
from django_vzaps.models import Account, Event, Instance, Lane, Webhook
from tests.known import fresh_clients

__all__ = ["fresh_clients"]

SECRET = "the-secret-of-the-url"


@pytest.fixture(autouse=True)
def _only_this_tests_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "_registered", {})


@pytest.fixture(autouse=True)
def _closed_breaker() -> None:
    broker.breaker.note(worked=True)


def new_instance(vzaps_id: str = "VZ0001") -> Instance:
    """An instance whose webhook has ``SECRET`` in its URL."""
    account, _ = Account.objects.get_or_create(name="default")
    instance = Instance.objects.create(account=account, vzaps_id=vzaps_id, name=f"Number {vzaps_id}")
    Webhook.objects.create(instance=instance, secret_hash=crypto.hash_secret(SECRET))
    return instance


@pytest.fixture
def instance(db: None) -> Instance:
    return new_instance()


def url_of(instance: Instance, secret: str = SECRET) -> str:
    return reverse("django_vzaps:webhook", kwargs={"public_id": instance.webhook.public_id, "secret": secret})


class Post(Protocol):
    def __call__(self, body: object, *, to: Instance | None = None, **extra: Any) -> HttpResponse: ...


@pytest.fixture
def post(instance: Instance) -> Post:
    """Post a body to the webhook as VZaps does; what is not bytes is sent as JSON."""
    client = Client()

    def post(body: object, *, to: Instance | None = None, **extra: Any) -> HttpResponse:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = client.post(url_of(to or instance), data=data, content_type="application/json", **extra)
        return cast("HttpResponse", answer)

    return post


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Nobody is woken: events stay pending until the test drains. Holds the instances that would have been woken."""
    from django_vzaps.events import dispatch

    woken: list[int] = []

    def wake(instance_id: int, lane: str = Lane.MAIN) -> bool:
        woken.append(instance_id)
        return True

    monkeypatch.setattr(dispatch, "wake", wake)
    return woken


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The instances for which a task was sent to the broker; nothing runs it."""
    sent: list[int] = []

    def send(task: str, instance_id: int, **options: Any) -> bool:
        sent.append(instance_id)
        return True

    monkeypatch.setattr(broker, "_sent", send)
    return sent


@pytest.fixture
def arrive(instance: Instance) -> Callable[..., Event]:
    """Store a pending event directly."""

    def arrive(event_type: str = "Message", *, at: Instance | None = None, **payload: Any) -> Event:
        stored = Event.objects.store(
            instance_id=(at or instance).pk, type=event_type, payload=json.dumps({"type": event_type, **payload})
        )
        return Event.objects.get(pk=stored.pk)

    return arrive
