from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command

from django_vzaps.models import Account
from django_vzaps.services.clients import forget_clients


@pytest.fixture(autouse=True)
def _fresh_clients() -> Iterator[None]:
    cache.clear()
    forget_clients()
    yield
    forget_clients()


@pytest.fixture
def account(db: None) -> Account:
    account = Account.objects.from_settings()
    assert account is not None
    return account


@dataclass(frozen=True)
class Said:
    """What a command printed, and what it failed with."""

    out: str
    err: str
    failure: str


Run = Callable[..., Said]


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(db: None) -> Run:
    """Run a command as ``manage.py`` does, its errors included."""

    def run(name: str, *arguments: str, terminal: bool = False) -> Said:
        out, err = StringIO(), Terminal() if terminal else StringIO()
        failure = ""
        try:
            call_command(name, *arguments, stdout=out, stderr=err, no_color=True)
        except CommandError as error:
            failure = str(error)
        return Said(out.getvalue(), err.getvalue(), failure)

    return run
