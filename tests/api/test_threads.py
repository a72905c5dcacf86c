"""Twenty programs ask at once on a real database: one thing is done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from django_vzaps.models import Batch, Instance, Operation, OperationOutcome
from django_vzaps.testing import FakeVZaps
from django_vzaps.testing.wire import Answer, Request
from tests.api.conftest import problem, program_of
from tests.api.test_idempotency import APPLY, CREATE, DELETE, RESTART, SEND, SUBSCRIBE, Verb, start
from tests.services.conftest import during


def at_once(fake: FakeVZaps, route: str, job: Callable[[], Any]) -> list[Any]:
    """What twenty threads that start together are answered; VZaps carries out the first when the others have ended."""
    barrier, ended = threading.Barrier(20), threading.Semaphore(0)
    answers: list[Any] = []

    def wait_for_the_others(_request: Request, _answer: Answer) -> None:
        assert all(ended.acquire(timeout=20) for _number in range(19))

    def run() -> None:
        try:
            barrier.wait(20)
            answers.append(job())
        finally:
            connection.close()
            ended.release()

    during(fake, route, wait_for_the_others, before=True)
    threads = [threading.Thread(target=run, daemon=True) for _number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == 20
    return answers


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_twenty_at_once_under_one_key_are_one_charge(fake_vzaps: FakeVZaps, instance: Instance, operator: User) -> None:
    answers = at_once(fake_vzaps, "subscribe", lambda: SUBSCRIBE.ask(program_of(operator), instance))
    assert len(fake_vzaps.calls_to("subscribe")) == len(fake_vzaps.charges) == 1
    assert sorted(answer.status_code for answer in answers) == [200] + [202] * 19
    assert {answer.json()["id"] for answer in answers} == {Operation.objects.get().pk}
    assert Operation.objects.get().outcome == OperationOutcome.SUCCEEDED


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_twenty_at_once_without_a_key_are_one_charge(fake_vzaps: FakeVZaps, instance: Instance, operator: User) -> None:
    answers = at_once(fake_vzaps, "subscribe", lambda: SUBSCRIBE.ask(program_of(operator), instance, key=None))
    assert len(fake_vzaps.calls_to("subscribe")) == len(fake_vzaps.charges) == 1
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    for answer in answers[:-1]:
        assert problem(answer, "operation-in-progress")["operation"]["url"] == answers[-1].json()["url"]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", [CREATE, RESTART, SEND, APPLY, DELETE], ids=repr)
def test_twenty_at_once_under_one_key_are_one_call(
    verb: Verb, fake_vzaps: FakeVZaps, instance: Instance, operator: User
) -> None:
    fake_vzaps.instances[instance.vzaps_id].connected = True
    answers = at_once(fake_vzaps, verb.route, lambda: verb.ask(program_of(operator), instance))
    assert len(fake_vzaps.calls_to(verb.route)) == Operation.objects.count() == 1
    assert sorted(answer.status_code for answer in answers) == sorted([verb.status] + [202] * 19)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_twenty_at_once_under_one_key_are_one_batch(fake_vzaps: FakeVZaps, instance: Instance, operator: User) -> None:
    answers = at_once(fake_vzaps, "restart", lambda: start(program_of(operator), instance.vzaps_id))
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json()["id"] for answer in answers} == {str(Batch.objects.get().public_id)}
    assert [answer.json()["is_finished"] for answer in answers] == [False] * 19 + [True]
    assert len(fake_vzaps.calls_to("restart")) == 1
