from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from django_vzaps import client
from django_vzaps.models import Instance, Operation, OperationOutcome
from django_vzaps.services import operations
from django_vzaps.services.clients import client_for
from django_vzaps.testing import FakeVZaps
from django_vzaps.testing.routes import find
from django_vzaps.testing.wire import Answer, Request
from tests.known import account, fresh_clients, instance

__all__ = ["account", "fresh_clients", "instance"]


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_user("operator")


def during(
    fake: FakeVZaps, route: str, act: Callable[[Request, Answer], Answer | None], *, before: bool = False
) -> None:
    """Do ``act`` once, while the next request of ``route`` is under way; it may replace the answer.

    VZaps has carried out what was asked by then, unless ``before``.
    """
    handle, waiting = fake.handle, [act]

    def handle_and_act(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        request = Request.read(method, target, headers, body)
        if not waiting or find(request).name != route:
            return handle(method, target, headers, body)
        act = waiting.pop()
        if before:
            act(request, Answer(status=0))
        answer = handle(method, target, headers, body)
        return answer if before else act(request, answer) or answer

    fake.handle = handle_and_act  # type: ignore[method-assign]


def let_the_deadline_pass() -> None:
    """Every operation that runs is given up."""
    Operation.objects.filter(outcome=OperationOutcome.RUNNING).update(deadline=timezone.now() - timedelta(seconds=1))
    assert operations.mark_overdue()


def answer_about(instance: Instance) -> client.Instance:
    """What VZaps says of an instance now, not stored."""
    return client_for(instance).instances.get(instance.vzaps_id)


@pytest.fixture
def commits() -> Iterator[None]:
    """What is to be done on commit is done at once: the transaction of a test is never committed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.db.transaction.on_commit", lambda act, *_args, **_options: act())
        yield
