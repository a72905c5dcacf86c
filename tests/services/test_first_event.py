"""The first event of an instance costs its receiver no more than those that follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_vzaps import broker
from django_vzaps.models import Account, EventQueue
from django_vzaps.services import instances, sync, webhooks
from django_vzaps.testing import FakeVZaps
from django_vzaps.testing import events as payloads

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nobody_works(fake_vzaps: FakeVZaps, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.VZAPS = {**settings.VZAPS, "TASKS": "celery"}
    broker.breaker.note(worked=True)
    monkeypatch.setattr(broker, "_sent", lambda *_args, **_options: True)


def created(fake: FakeVZaps, account: Account) -> None:
    instances.create(account, name="Front desk", actor=None)


def adopted(fake: FakeVZaps, account: Account) -> None:
    fake.add_instance(name="Front desk")
    sync.sync_account(account)
    webhooks.set(account.instances.get(), actor=None)


@pytest.mark.parametrize("begin", [created, adopted])
@pytest.mark.parametrize(
    "event",
    [lambda number: payloads.message(f"{number}"), lambda number: payloads.history_sync(number)],
    ids=["main", "bulk"],
)
def test_the_first_event_costs_as_many_statements_as_the_second(
    fake_vzaps: FakeVZaps,
    account: Account,
    begin: Callable[[FakeVZaps, Account], None],
    event: Callable[[int], payloads.Event],
) -> None:
    begin(fake_vzaps, account)
    (remote,) = fake_vzaps.instances.values()
    costs = []
    for number in range(2):
        EventQueue.objects.update(rung_until=None)  # a worker has looked
        with CaptureQueriesContext(connection) as queries:
            body = {"json_data": event(number)}
            answer = Client().post(remote.webhook, body, content_type="application/json")
        assert answer.status_code == 200
        costs.append(len(queries))

    assert costs == [3, 3]
