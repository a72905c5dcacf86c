"""Sites with something wrong, for the tests of alerts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.dispatch import Signal
from django.utils import timezone

from django_vzaps.models import Account, Alert, Event, EventState, Instance, Subscription, Webhook

_numbers = count(1)


def ago(**span: float) -> datetime:
    return timezone.now() - timedelta(**span)


def an_account(**facts: Any) -> Account:
    return Account.objects.create(**{"name": f"account {next(_numbers)}", **facts})


def an_instance(name: str = "Front desk", *, account: Account | None = None, **facts: Any) -> Instance:
    """One that is connected, and was asked about just now."""
    now = timezone.now()
    connected = facts.get("connected", True)
    usual = {
        "vzaps_id": f"VZ{next(_numbers):04}",
        "connected": connected,
        "connected_at": now - timedelta(days=9),
        "connection_asked_at": now,
        "connection_changed_at": now - timedelta(hours=1),
    }
    return Instance.objects.create(**{"name": name, "account": account or an_account(), **usual, **facts})


def disconnected(name: str = "Front desk", **facts: Any) -> Instance:
    return an_instance(name, **{"connected": False, **facts})


def stale(name: str = "Front desk", **facts: Any) -> Instance:
    return an_instance(name, **{"connection_asked_at": ago(minutes=31), **facts})


def failing(kind: str, **since: float) -> Account:
    return an_account(failing_since=ago(**since), failures=9, failure_kind=kind)


def with_webhook(instance: Instance, **facts: Any) -> Webhook:
    """One that is as this site set it."""
    usual = {
        "desired_host_and_path": "here.example/hook",
        "actual_host_and_path": "here.example/hook",
        "desired_events": ["Message"],
        "actual_events": ["Message"],
        "checked_at": timezone.now(),
    }
    return Webhook.objects.create(instance=instance, **{**usual, **facts})


def ending(*, days: float, name: str = "Front desk", state: str = "active") -> Subscription:
    cancel_at = timezone.now() + timedelta(days=days)
    return Subscription.objects.create(instance=an_instance(name), state=state, cancel_at=cancel_at)


def move_end(subscription: Subscription, *, days: float) -> None:
    Subscription.objects.filter(pk=subscription.pk).update(cancel_at=timezone.now() + timedelta(days=days))


def an_event(instance: Instance, state: str = EventState.PENDING, **facts: Any) -> Event:
    return Event.objects.create(instance=instance, state=state, type="Message", payload="{}", **facts)


def open_kinds() -> list[str]:
    return sorted(Alert.objects.open().values_list("kind", flat=True))


@contextmanager
def heard(signal: Signal) -> Iterator[list[Any]]:
    """What the signal is sent with, as long as the block runs."""
    sent: list[Any] = []

    def receive(**kwargs: Any) -> None:
        sent.append(kwargs)

    signal.connect(receive)
    try:
        yield sent
    finally:
        signal.disconnect(receive)
