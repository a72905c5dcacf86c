from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from django_vzaps.models import Account, Instance
from django_vzaps.services import sync
from django_vzaps.services.clients import forget_clients
from django_vzaps.testing import FakeVZaps
from django_vzaps.testing.routes import find
from django_vzaps.testing.wire import Refusal, Request


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


def during(fake: FakeVZaps, route: str, act: Callable[[], object], *, after: bool = False) -> None:
    """Do ``act`` while the next request of ``route`` is under way: before VZaps looks at it, or ``after`` it did."""
    pending = [act]
    dispatch = fake.handle

    def handle(method: str, target: str, headers: Any, body: bytes) -> Any:
        is_ours = bool(pending) and Request.read(method, target, headers, body)
        if not is_ours or _route_of(is_ours) != route:
            return dispatch(method, target, headers, body)
        act = pending.pop()
        if not after:
            act()
        answer = dispatch(method, target, headers, body)
        if after:
            act()
        return answer

    fake.handle = handle  # type: ignore[method-assign]


def _route_of(request: Request) -> str:
    try:
        return find(request).name
    except Refusal:
        return ""
