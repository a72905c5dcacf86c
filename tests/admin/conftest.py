from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_vzaps.models import Account, Instance, Subscription
from tests.admin.rows import event, hook, make
from tests.known import account, fresh_clients, instance

__all__ = ["account", "fresh_clients", "instance"]

StaffWith = Callable[..., Client]


@pytest.fixture
def one_of_each(account: Account) -> dict[str, Instance]:
    now = timezone.now()
    old = now - timedelta(days=1)
    return {
        "connected": make(account, "connected", connected=True, connection_asked_at=now, connection_source="api"),
        "stale": make(account, "stale", connected=True, connection_asked_at=old, connection_source="webhook"),
        "disconnected": make(account, "disconnected", connected=False, phone="5511999990000", connection_asked_at=now),
        "never_paired": make(account, "never_paired", connected=False, connection_asked_at=now),
        "unknown": make(account, "unknown", connected=None),
    }


@pytest.fixture
def one_of_everything(one_of_each: dict[str, Instance]) -> dict[str, Instance]:
    """With something in every count of the strip, also of what is gone, which no count has."""
    now = timezone.now()
    gone = make(one_of_each["stale"].account, "gone", connected=False, removed_at=now)
    Subscription.objects.create(instance=one_of_each["connected"], state="trialing", cancel_at=now + timedelta(days=2))
    Subscription.objects.create(instance=one_of_each["unknown"], state="trialing", cancel_at=now + timedelta(days=20))
    Subscription.objects.create(instance=one_of_each["stale"], state="past_due")
    Subscription.objects.create(instance=one_of_each["disconnected"], state="unpaid")
    Subscription.objects.create(instance=gone, state="unpaid")
    hook(one_of_each["connected"], actual_host_and_path="other.example/in")
    hook(one_of_each["stale"])
    hook(gone, actual_events=["Message"])
    for failing in (gone, one_of_each["never_paired"], one_of_each["never_paired"], one_of_each["unknown"]):
        event(failing, "failed")
    event(one_of_each["connected"], "done")
    return one_of_each


@pytest.fixture
def staff_with(db: None) -> StaffWith:
    """A browser in which a staff user with just these permissions is logged in."""

    def log_in(*codenames: str) -> Client:
        user = User.objects.create_user(f"staff{User.objects.count()}", is_staff=True)
        user.user_permissions.set(
            Permission.objects.filter(content_type__app_label="django_vzaps", codename__in=codenames)
        )
        assert user.user_permissions.count() == len(codenames)
        return browser_of(user)

    return log_in


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_superuser("operator")


@pytest.fixture
def browser(operator: User) -> Client:
    """A browser in which a person who may do everything is logged in."""
    return browser_of(operator)


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(name: str, *args: object) -> str:
    """The path of one of this package's admin pages."""
    return reverse(f"admin:django_vzaps_{name}", args=args)


def text_of(response: Any) -> str:
    """What a person reads, roughly: the page with its entities resolved."""
    return unescape(response.content.decode())


def said(response: Any) -> str:
    """The messages that the answer leaves for the page, whether or not they were shown yet."""
    return unescape(" | ".join(str(message) for message in get_messages(response.wsgi_request)))
