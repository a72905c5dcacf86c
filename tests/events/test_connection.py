"""Connected and Disconnected are evidence: VZaps is asked whether they are true."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from django_vzaps import broker, services
from django_vzaps.events import connection, dispatch, storing
from django_vzaps.events.sweep import sweep
from django_vzaps.models import Account, ConnectionSource, EventSource, Instance
from django_vzaps.testing import FakeVZaps, events

pytestmark = pytest.mark.django_db(transaction=True)

Arrives = Callable[..., None]
Sent = list[tuple[str, int, float]]


@pytest.fixture
def instance(fake_vzaps: FakeVZaps) -> Instance:
    """One that VZaps calls connected, and that we know nothing of yet."""
    Account.objects.from_settings()
    fake_vzaps.add_instance(name="Front desk", connected=True)
    services.sync.sync_account(Account.objects.get())
    Instance.objects.update(connected=None, connection_asked_at=None, connection_source="")
    return Instance.objects.get()


@pytest.fixture
def sent(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The tasks that were sent to the broker; nothing runs them."""
    settings.VZAPS = {**settings.VZAPS, "TASKS": "celery"}
    found: Sent = []

    def send(task: str, instance_id: int, *, countdown: float = 0) -> bool:
        found.append((task, instance_id, countdown))
        return True

    monkeypatch.setattr(broker, "_sent", send)
    return found


@pytest.fixture
def arrives(instance: Instance) -> Arrives:
    def arrives(body: dict[str, Any], source: str = EventSource.WEBHOOK) -> None:
        storing.receive(json.dumps(body).encode(), instance_id=instance.pk, vzaps_id=instance.vzaps_id, source=source)
        dispatch.drain(instance.pk)

    return arrives


def a_moment_passes() -> None:
    Instance.objects.update(confirm_connection_at=timezone.now() - timedelta(seconds=1))


def known(instance: Instance) -> tuple[bool | None, str]:
    instance.refresh_from_db()
    return instance.connected, instance.connection_source


def status_calls(fake_vzaps: FakeVZaps) -> int:
    return len(fake_vzaps.calls_to("session_status"))


def test_an_event_is_believed_until_vzaps_is_asked(
    instance: Instance, arrives: Arrives, sent: Sent, fake_vzaps: FakeVZaps
) -> None:
    arrives(events.disconnected())
    assert known(instance) == (False, ConnectionSource.WEBHOOK)
    assert sent == [(connection.TASK, instance.pk, 3.0)]

    assert connection.confirm(instance.pk)
    assert known(instance) == (True, ConnectionSource.API), "VZaps says otherwise"
    assert instance.confirm_connection_at is None


def test_a_burst_is_one_question(instance: Instance, arrives: Arrives, sent: Sent, fake_vzaps: FakeVZaps) -> None:
    for _ in range(5):
        arrives(events.connected())
        arrives(events.disconnected())
    assert len(sent) == 1
    before = status_calls(fake_vzaps)
    assert connection.confirm(instance.pk)
    assert not connection.confirm(instance.pk)
    assert status_calls(fake_vzaps) == before + 1


def test_two_who_are_to_ask_at_once_ask_once(
    instance: Instance, arrives: Arrives, sent: Sent, fake_vzaps: FakeVZaps
) -> None:
    arrives(events.disconnected())
    before = status_calls(fake_vzaps)
    others: list[bool] = []

    def another_is_quicker(execute: Callable[..., Any], *query: Any) -> Any:
        found = execute(*query)
        if not others:
            others.append(False)
            others.append(connection.confirm(instance.pk))
        return found

    with database.execute_wrapper(another_is_quicker):  # who has just read that there is something to ask
        assert not connection.confirm(instance.pk)
    assert others[-1]
    assert status_calls(fake_vzaps) == before + 1


def test_nobody_is_sent_to_ask_before_the_doubt_is_committed(instance: Instance, sent: Sent) -> None:
    with suppress(LookupError), transaction.atomic():
        connection.doubt(instance.pk)
        raise LookupError
    assert sent == [], "it never was"
    with transaction.atomic():
        connection.doubt(instance.pk)
        assert sent == []
    assert len(sent) == 1


def test_an_event_while_vzaps_is_asked_is_asked_about_again(
    instance: Instance, arrives: Arrives, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = services.sessions.status

    def slow(asked: Instance, **how: Any) -> object:
        arrives(events.disconnected())
        return status(asked, **how)

    arrives(events.connected())
    monkeypatch.setattr(services.sessions, "status", slow)
    assert connection.confirm(instance.pk)
    instance.refresh_from_db()
    assert instance.confirm_connection_at is not None
    assert len(sent) == 2


def test_while_vzaps_cannot_be_asked_the_doubt_stays(
    instance: Instance, arrives: Arrives, sent: Sent, fake_vzaps: FakeVZaps
) -> None:
    arrives(events.disconnected())
    fake_vzaps.faults.add("session_status", status=500, times=None)
    assert not connection.confirm(instance.pk)
    assert known(instance) == (False, ConnectionSource.WEBHOOK)
    assert instance.confirm_connection_at is not None
    assert instance.confirm_connection_at > timezone.now() + timedelta(minutes=4)

    fake_vzaps.faults.clear()
    a_moment_passes()
    sent.clear()
    assert sweep().doubted == 1
    assert sent == [(connection.TASK, instance.pk, 0)]
    assert connection.confirm(instance.pk)
    assert known(instance) == (True, ConnectionSource.API)


def test_inline_the_sweep_asks(instance: Instance, arrives: Arrives) -> None:
    arrives(events.disconnected())
    assert sweep().doubted == 0, "not yet"
    a_moment_passes()
    assert sweep().doubted == 1
    assert known(instance) == (True, ConnectionSource.API)


def test_what_the_delivery_log_tells_is_only_a_reason_to_ask(instance: Instance, arrives: Arrives, sent: Sent) -> None:
    arrives(events.disconnected(), source=EventSource.DELIVERY_LOG)
    assert known(instance) == (None, "")
    assert connection.confirm(instance.pk)
    assert known(instance) == (True, ConnectionSource.API)


def test_nobody_asks_about_an_instance_that_is_gone(instance: Instance, arrives: Arrives, sent: Sent) -> None:
    Instance.objects.update(removed_at=timezone.now())
    arrives(events.disconnected())
    assert sent == []
    assert not connection.confirm(instance.pk)
    assert not connection.confirm(4711)


def doubts(account: Account, count: int) -> None:
    """So many are to be asked about, of which VZaps knows nothing."""
    Instance.objects.bulk_create(
        Instance(account=account, vzaps_id=f"VZ-{account.pk}-{number}", confirm_connection_at=timezone.now())
        for number in range(count)
    )


def test_while_vzaps_is_left_alone_a_doubt_waits_for_that_to_end(
    instance: Instance, arrives: Arrives, sent: Sent, fake_vzaps: FakeVZaps
) -> None:
    until = timezone.now() + timedelta(minutes=10)
    Account.objects.update(failures=3, paused_until=until)
    arrives(events.disconnected())
    before = status_calls(fake_vzaps)

    assert not connection.confirm(instance.pk)

    instance.refresh_from_db()
    assert instance.confirm_connection_at == until
    assert status_calls(fake_vzaps) == before

    a_moment_passes()
    assert connection.settle_doubts() == 0, "nobody is sent either"


def test_a_question_tells_the_account_how_it_went(
    instance: Instance, arrives: Arrives, sent: Sent, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.faults.add("session_status", status=500)
    arrives(events.disconnected())
    connection.confirm(instance.pk)
    assert Account.objects.get().failures == 1

    a_moment_passes()
    assert connection.confirm(instance.pk)
    assert Account.objects.get().failing_since is None


def test_many_doubts_are_no_storm_while_vzaps_is_down(instance: Instance, fake_vzaps: FakeVZaps) -> None:
    doubts(instance.account, 250)
    fake_vzaps.faults.add("session_status", drop=True, times=None)
    before = status_calls(fake_vzaps)

    for _minute in range(3):
        connection.settle_doubts()
    assert status_calls(fake_vzaps) == before + 3

    Account.objects.update(paused_until=timezone.now() - timedelta(seconds=1))
    a_moment_passes()
    for _minute in range(3):
        connection.settle_doubts()
    assert status_calls(fake_vzaps) == before + 4, "one finds out that it is still down"
    assert Instance.objects.filter(confirm_connection_at__isnull=False).count() == 251


def test_an_account_that_fails_keeps_no_other_waiting(instance: Instance, sent: Sent) -> None:
    broken = Account.objects.create(name="broken", failures=3, paused_until=timezone.now() - timedelta(seconds=1))
    doubts(broken, 200)
    connection.doubt(instance.pk)
    Instance.objects.filter(pk=instance.pk).update(confirm_connection_at=timezone.now())
    sent.clear()

    assert connection.settle_doubts() == 2
    assert instance.pk in {pk for _task, pk, _countdown in sent}


def test_what_vzaps_does_not_know_is_asked_about_more_and_more_rarely(
    instance: Instance, sent: Sent, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.instances.clear()
    for _number in range(6):
        connection.doubt(instance.pk)
        assert not connection.confirm(instance.pk)
        Instance.objects.filter(pk=instance.pk).update(probe_after=timezone.now())
    instance.refresh_from_db()
    assert instance.confirm_connection_at is not None
    assert instance.confirm_connection_at > timezone.now() + timedelta(minutes=45)
    assert Account.objects.get().failures == 0


def test_an_account_that_is_not_active_is_asked_about_nothing(
    instance: Instance, arrives: Arrives, sent: Sent, fake_vzaps: FakeVZaps
) -> None:
    arrives(events.disconnected())
    Account.objects.update(is_active=False)
    before = status_calls(fake_vzaps)

    assert not connection.confirm(instance.pk)
    a_moment_passes()
    assert connection.settle_doubts() == 0

    assert status_calls(fake_vzaps) == before
