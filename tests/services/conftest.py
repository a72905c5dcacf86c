from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from django_vzaps.models import Account, Instance
from django_vzaps.services import sync
from django_vzaps.services.clients import forget_clients
from django_vzaps.testing import FakeVZaps


@pytest.fixture(autouse=True)
def _fresh_clients() -> Iterator[None]:
    cache.clear()
    forget_clients()
    yield
    forget_clients()


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_user("operator")


@pytest.fixture
def account(db: None) -> Account:
    account = Account.objects.from_settings()
    assert account is not None
    return account


@pytest.fixture
def instance(fake_vzaps: FakeVZaps, account: Account) -> Instance:
    """One instance, known on both sides."""
    remote = fake_vzaps.add_instance(name="Front desk")
    sync.sync_account(account)
    fake_vzaps.calls.clear()
    return Instance.objects.get(vzaps_id=remote.id)
