"""What most of the suite begins with: the account of the settings, and an instance that VZaps and the database know.

A conftest.py imports the fixtures that its tests use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from django_vzaps.models import Account, Instance
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
    answer = client_for(account).instances.get(remote.id)
    stored = mirror.store(account, answer, asked_at=timezone.now())
    fake.calls.clear()
    return Instance.objects.get(pk=stored.pk)  # as it is read: its token still encrypted
