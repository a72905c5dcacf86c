"""What most of the suite begins with: the account of the settings, and an instance that VZaps and the database know.

A conftest.py imports the fixtures that its tests use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from django_vzaps.models import Account, Instance, Subscription, Webhook
from django_vzaps.services import mirror
from django_vzaps.services.clients import client_for, forget_clients
from django_vzaps.testing import FakeVZaps


@pytest.fixture(autouse=True)
def fresh_clients() -> Iterator[None]:
    """No access token and no connection of another test."""
    cache.clear()
    forget_clients()
    yield
    forget_clients()


@pytest.fixture
def account(db: None) -> Account:
    """The one of the settings."""
    account = Account.objects.from_settings()
    assert account is not None
    return account


@pytest.fixture
def instance(fake_vzaps: FakeVZaps, account: Account) -> Instance:
    """One instance, known on both sides; what the fake was asked for so far is forgotten."""
    return known(fake_vzaps, account)


def known(fake: FakeVZaps, account: Account, **facts: Any) -> Instance:
    """One more instance, stored as a sync stores it at a fraction of the price; the fake's calls are forgotten."""
    remote = fake.add_instance(name="Front desk", **facts)
    answer, asked_at = client_for(account).instances.get(remote.id), timezone.now()
    # What looks for the rows, compares and tells others is left out: nothing is there, and nobody listens yet.
    instance = Instance(vzaps_id=answer.id, account=account)
    mirror.apply_instance(instance, answer, account=account, asked_at=asked_at)
    instance.save(force_insert=True)
    subscription, webhook = Subscription(instance=instance), Webhook(instance=instance)
    mirror.apply_subscription(subscription, answer, asked_at=asked_at)
    mirror.apply_webhook(webhook, answer, asked_at=asked_at)
    for row in (subscription, webhook):
        row.save(force_insert=True)
    fake.calls.clear()
    return Instance.objects.get(pk=instance.pk)  # as it is read: its token still encrypted
