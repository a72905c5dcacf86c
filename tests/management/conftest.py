from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.known import account, fresh_clients

__all__ = ["account", "fresh_clients"]


@dataclass(frozen=True)
class Said:
    """What a command printed, and what it failed with."""

    out: str
    err: str
    failure: str
    code: int


Run = Callable[..., Said]


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(db: None) -> Run:
    """Run a command as ``manage.py`` does, its errors included."""

    def run(name: str, *arguments: str, terminal: bool = False) -> Said:
        out, err = StringIO(), Terminal() if terminal else StringIO()
        failure, code = "", 0
        try:
            call_command(name, *arguments, stdout=out, stderr=err, no_color=True)
        except CommandError as error:
            failure, code = str(error), error.returncode
        return Said(out.getvalue(), err.getvalue(), failure, code)

    return run
