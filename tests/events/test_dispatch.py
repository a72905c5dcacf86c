from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from django_vzaps import signals
from django_vzaps.events import (
    ConnectedEvent,
    InboundEvent,
    MessageEvent,
    dispatch,
    doorbell,
    handlers,
    inbound,
    lease,
    on,
    runs,
)
from django_vzaps.events.lease import Lease, LeaseLost
from django_vzaps.models import Event, EventQueue, EventState, HandlerRun, HandlerRunState, Instance, Lane, Operation
from django_vzaps.services import OutcomeUnknown
from django_vzaps.testing import events
from tests.events.conftest import Post, new_instance

pytestmark = pytest.mark.django_db

Arrive = Callable[..., Event]


class Killed(BaseException):
    """The process dies: nothing after it runs."""


def drain(instance: Instance) -> int:
    return dispatch.drain(instance.pk, seconds=None)


def drain_until_killed(instance: Instance) -> None:
    """A drain whose process dies; the lease it leaves behind has expired."""
    with pytest.raises(Killed):
        drain(instance)


def later(event: Event) -> None:
    """The time of the next attempt has come."""
    Event.objects.filter(pk=event.pk, retry_at__isnull=False).update(retry_at=timezone.now() - timedelta(seconds=1))


def state_of(event: Event) -> str:
    return Event.objects.get(pk=event.pk).state


def run_of(event: Event) -> HandlerRun:
    return event.runs.get()


def test_handlers_get_the_events_in_order_of_arrival(instance: Instance, arrive: Arrive) -> None:
    seen: list[int] = []

    @on("Message")
    def keep(event: MessageEvent) -> None:
        seen.append(event.record.pk)

    arrived = [arrive().pk for _ in range(5)]
    assert drain(instance) == 5
    assert seen == arrived
    assert {event.state for event in Event.objects.all()} == {EventState.DONE}
    assert drain(instance) == 0


def test_each_handler_is_recorded_with_its_duration(instance: Instance, arrive: Arrive) -> None:
    @on("Message")
    def keep(event: MessageEvent) -> None: ...

    event = arrive()
    drain(instance)
    run = run_of(event)
    assert (run.state, run.attempts, run.error) == (HandlerRunState.DONE, 1, "")
    assert run.handler.endswith("keep")
    assert run.duration is not None
    assert run.started_at is not None


def test_an_event_that_nobody_wants_is_ignored(instance: Instance, arrive: Arrive) -> None:
    @on("ReadReceipt")
    def keep(event: InboundEvent) -> None: ...

    event = arrive("Message")
    drain(instance)
    assert state_of(event) == EventState.IGNORED
    assert not event.runs.exists()


def test_a_signals_receiver_is_somebody(
    instance: Instance, arrive: Arrive, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    received: list[tuple[type, Instance, InboundEvent]] = []

    def receiver(sender: type, instance: Instance, event: InboundEvent, **kwargs: object) -> None:
        received.append((sender, instance, event))

    signals.event_received.connect(receiver)
    try:
        event = arrive("Message")
        with django_capture_on_commit_callbacks(execute=True):
            drain(instance)
    finally:
        signals.event_received.disconnect(receiver)
    assert [(sender, where, typed.record) for sender, where, typed in received] == [(Event, instance, event)]
    assert state_of(event) == EventState.DONE


def test_connected_and_disconnected_change_the_instance_before_handlers_run(instance: Instance, arrive: Arrive) -> None:
    seen: list[bool | None] = []

    @on("Connected", "Disconnected")
    def look(event: ConnectedEvent) -> None:
        seen.append(Instance.objects.get(pk=event.instance.pk).connected)

    arrive("Connected")
    arrive("Disconnected")
    last = arrive("Connected")
    drain(instance)
    instance.refresh_from_db()
    assert seen == [True, False, True]
    assert (instance.connected, instance.connection_source) == (True, "webhook")
    assert instance.connection_asked_at == instance.last_event_at == last.received_at


def test_a_failing_handler_is_tried_again_later_and_overtaken(instance: Instance, arrive: Arrive) -> None:
    seen: list[int] = []
    broken = True

    @on("Message")
    def keep(event: MessageEvent) -> None:
        Group.objects.create(name=f"of {event.record.pk} {len(seen)}")
        seen.append(event.record.pk)
        if broken and event.record == first:
            raise ValueError("this is why")

    first, second = arrive(), arrive()
    drain(instance)
    assert seen == [first.pk, second.pk]
    assert [state_of(event) for event in (first, second)] == [EventState.PENDING, EventState.DONE]
    assert "ValueError: this is why" in run_of(first).error
    assert Group.objects.count() == 1, "what the failed attempt wrote is gone"

    drain(instance)
    assert len(seen) == 2, "not before its time"

    broken = False
    later(first)
    drain(instance)
    assert state_of(first) == EventState.DONE
    assert (run_of(first).attempts, run_of(first).error) == (2, "")
    assert Group.objects.count() == 2


def test_attempts_are_limited_and_wait_longer_each_time(instance: Instance, arrive: Arrive, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "HANDLER_ATTEMPTS": 3}

    @on("Message")
    def fail(event: MessageEvent) -> None:
        raise ValueError

    event = arrive()
    waits = []
    for _ in range(2):
        drain(instance)
        retry_at = Event.objects.get(pk=event.pk).retry_at
        assert retry_at is not None
        waits.append(round((retry_at - timezone.now()).total_seconds()))
        later(event)
    drain(instance)
    assert waits == [30, 120]
    assert state_of(event) == EventState.FAILED
    assert (run_of(event).state, run_of(event).attempts) == (HandlerRunState.FAILED, 3)
    later(event)
    assert drain(instance) == 0


def test_a_failing_handler_delays_no_other(instance: Instance, arrive: Arrive) -> None:
    seen: list[str] = []

    @on("Message")
    def fail(event: MessageEvent) -> None:
        raise ValueError

    @on("Message")
    def keep(event: MessageEvent) -> None:
        seen.append("kept")

    event = arrive()
    drain(instance)
    later(event)
    drain(instance)
    assert seen == ["kept"], "done is done"
    assert [run.state for run in event.runs.order_by("pk")] == [HandlerRunState.FAILED, HandlerRunState.DONE]


def test_a_handler_that_breaks_its_transaction_breaks_nothing_else(instance: Instance, arrive: Arrive) -> None:
    @on("Message")
    def clash(event: MessageEvent) -> None:
        Group.objects.create(name="one")
        Group.objects.create(name="one")

    event = arrive()
    drain(instance)
    assert "IntegrityError" in run_of(event).error
    assert not Group.objects.exists()


def test_a_crash_in_a_transactional_handler_is_a_failed_attempt(
    instance: Instance, arrive: Arrive, settings: Any
) -> None:
    settings.VZAPS = {**settings.VZAPS, "HANDLER_ATTEMPTS": 2}
    seen: list[int] = []

    @on("Message")
    def die(event: MessageEvent) -> None:
        seen.append(event.record.pk)
        Group.objects.create(name=f"written before the end of {event.record.pk}")
        if event.record == deadly:
            raise Killed

    deadly, other = arrive(), arrive()
    drain_until_killed(instance)
    assert (run_of(deadly).state, run_of(deadly).attempts) == (HandlerRunState.STARTED, 1)
    assert not Group.objects.exists()

    drain(instance)
    assert seen == [deadly.pk, other.pk], "what may kill again is overtaken"
    assert run_of(deadly).state == HandlerRunState.FAILED
    assert "died" in run_of(deadly).error

    later(deadly)
    drain_until_killed(instance)
    drain(instance)
    assert state_of(deadly) == EventState.FAILED
    assert seen == [deadly.pk, other.pk, deadly.pk]


def test_a_crash_in_a_handler_that_reaches_outside_is_shown_and_not_repeated(
    instance: Instance, arrive: Arrive
) -> None:
    seen: list[int] = []

    @on("Message", atomic=False)
    def die(event: MessageEvent) -> None:
        seen.append(event.record.pk)
        raise Killed

    event = arrive()
    drain_until_killed(instance)
    drain(instance)
    later(event)
    drain(instance)
    assert len(seen) == 1
    assert (state_of(event), run_of(event).state) == (EventState.FAILED, HandlerRunState.INTERRUPTED)


@pytest.mark.django_db(transaction=True)
def test_a_receiver_of_the_signal_kills_one_worker_only(instance: Instance, arrive: Arrive) -> None:
    handled: list[int] = []

    @on("Message")
    def keep(event: MessageEvent) -> None:
        handled.append(event.record.pk)

    def die(event: InboundEvent, **kwargs: object) -> None:
        if event.record == deadly:
            raise Killed

    signals.event_received.connect(die)
    try:
        deadly, other = arrive(), arrive()
        drain_until_killed(instance)
        drain(instance)
    finally:
        signals.event_received.disconnect(die)
    assert handled == [deadly.pk, other.pk]
    assert (state_of(deadly), state_of(other)) == (EventState.FAILED, EventState.DONE)


@pytest.mark.django_db(transaction=True)
def test_what_fails_after_a_handlers_commit_is_shown_and_stops_nobody(instance: Instance, arrive: Arrive) -> None:
    seen: list[int] = []

    @on("Message")
    def keep(event: MessageEvent) -> None:
        seen.append(event.record.pk)
        transaction.on_commit(lambda: 1 // 0)

    messages = [arrive(), arrive()]
    assert drain(instance) == 2
    drain(instance)
    assert seen == [message.pk for message in messages], "what is committed is not repeated"
    for message in messages:
        assert (state_of(message), run_of(message).state) == (EventState.DONE, HandlerRunState.DONE)
        assert "ZeroDivisionError" in run_of(message).error


def test_a_reply_whose_answer_never_came_is_not_repeated(instance: Instance, arrive: Arrive) -> None:
    seen: list[int] = []

    @on("Message", atomic=False)
    def reply(event: MessageEvent) -> None:
        seen.append(event.record.pk)
        raise OutcomeUnknown("The answer never came.", operation=Operation())

    event = arrive()
    drain(instance)
    later(event)
    drain(instance)
    assert len(seen) == 1
    assert (state_of(event), run_of(event).state) == (EventState.FAILED, HandlerRunState.INTERRUPTED)


def test_an_exception_in_a_handler_that_reaches_outside_is_tried_again(instance: Instance, arrive: Arrive) -> None:
    seen: list[int] = []

    @on("Message", atomic=False)
    def reply(event: MessageEvent) -> None:
        seen.append(event.record.pk)
        if len(seen) == 1:
            raise ConnectionError

    event = arrive()
    drain(instance)
    later(event)
    drain(instance)
    assert len(seen) == 2
    assert state_of(event) == EventState.DONE


@pytest.mark.django_db(transaction=True)
def test_only_transactional_handlers_run_in_a_transaction(instance: Instance, arrive: Arrive) -> None:
    seen: list[tuple[bool, bool, int]] = []

    def look(event: MessageEvent) -> None:
        started = HandlerRun.objects.filter(state=HandlerRunState.STARTED).count()
        seen.append((connection.in_atomic_block, event.in_transaction, started))

    def look_too(event: MessageEvent) -> None:
        look(event)

    on("Message")(look)
    on("Message", atomic=False)(look_too)
    arrive()
    drain(instance)
    assert seen == [(True, True, 1), (False, False, 1)]


def test_while_somebody_drains_nobody_else_does(instance: Instance, arrive: Arrive) -> None:
    seen: list[int] = []

    @on("Message")
    def look(event: MessageEvent) -> None:
        seen.append(dispatch.drain(instance.pk, seconds=None))

    arrive()
    assert drain(instance) == 1
    assert seen == [0]


@pytest.fixture
def _leases_are_never_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "FRESH", 0)


def test_another_instance_is_not_held_up(instance: Instance, arrive: Arrive) -> None:
    other = new_instance("VZ0002")
    arrive(at=instance)
    arrive(at=other)
    assert Lease.take(instance.pk, Lane.MAIN)
    assert drain(instance) == 0
    assert drain(other) == 1


@pytest.mark.usefixtures("_leases_are_never_fresh")
def test_a_drain_that_lost_its_lease_stops_and_leaves_the_rest(instance: Instance, arrive: Arrive) -> None:
    seen: list[int] = []

    @on("Message")
    def slow(event: MessageEvent) -> None:
        seen.append(event.record.pk)
        EventQueue.objects.update(lease_holder="somebody else")

    first, second = arrive(), arrive()
    drain(instance)
    assert seen == [first.pk]
    assert state_of(second) == EventState.PENDING
    assert EventQueue.objects.get().lease_holder == "somebody else", "the other's lease is not released"


@pytest.mark.usefixtures("_leases_are_never_fresh")
def test_a_drain_that_lost_its_lease_calls_no_further_handler(instance: Instance, arrive: Arrive) -> None:
    seen: list[str] = []

    @on("Message")
    def slow(event: MessageEvent) -> None:
        EventQueue.objects.update(lease_holder="somebody else")

    @on("Message")
    def keep(event: MessageEvent) -> None:
        seen.append(event.type)

    arrive()
    drain(instance)
    assert seen == []


def test_an_event_that_cannot_be_offered_keeps_no_other_waiting(
    instance: Instance, arrive: Arrive, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = arrive(), arrive()
    read = inbound.from_record

    def from_record(record: Event) -> inbound.InboundEvent:
        if record == broken:
            raise TypeError("odd")
        return read(record)

    monkeypatch.setattr(inbound, "from_record", from_record)
    assert drain(instance) == 2
    assert (state_of(broken), state_of(sound)) == (EventState.FAILED, EventState.IGNORED)
    assert "odd" in caplog.text


@pytest.mark.usefixtures("_leases_are_never_fresh")
def test_a_lease_that_expired_is_taken_over(instance: Instance, arrive: Arrive) -> None:
    arrive()
    dead = Lease.take(instance.pk, Lane.MAIN)
    assert dead is not None
    assert drain(instance) == 0
    EventQueue.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert drain(instance) == 1
    with pytest.raises(LeaseLost):
        dead.renew()


def test_a_handler_that_was_overtaken_leaves_no_trace_in_the_database(
    instance: Instance, arrive: Arrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    begin = runs._begin

    def begin_and_be_taken_for_dead(*args: Any) -> HandlerRun:
        run = begin(*args)
        if not seen:
            HandlerRun.objects.filter(pk=run.pk).update(state=HandlerRunState.FAILED)
        return run

    @on("Message")
    def slow(event: MessageEvent) -> None:
        seen.append(event.record.pk)
        Group.objects.create(name=f"of attempt {len(seen)}")

    monkeypatch.setattr(runs, "_begin", begin_and_be_taken_for_dead)
    event = arrive()
    drain(instance)
    assert not Group.objects.exists()
    assert (state_of(event), run_of(event).state) == (EventState.PENDING, HandlerRunState.FAILED)
    drain(instance)
    assert [group.name for group in Group.objects.all()] == ["of attempt 2"]
    assert (state_of(event), run_of(event).attempts) == (EventState.DONE, 2)


def test_a_slow_handler_that_reached_outside_is_done_when_it_is_done(instance: Instance, arrive: Arrive) -> None:
    @on("Message", atomic=False)
    def slow(event: MessageEvent) -> None:
        runs.attempt(event, handlers.registered()[0], run_of(event.record))
        assert run_of(event.record).state == HandlerRunState.INTERRUPTED
        Event.objects.update(state=EventState.FAILED)

    event = arrive()
    drain(instance)
    assert (state_of(event), run_of(event).state) == (EventState.DONE, HandlerRunState.DONE)


def test_an_event_that_arrives_while_others_are_handled_is_handled_too(instance: Instance, arrive: Arrive) -> None:
    @on("Message")
    def keep(event: MessageEvent) -> None:
        if Event.objects.count() < 3:
            arrive()

    arrive()
    assert drain(instance) == 3


def test_no_wake_up_is_lost_between_the_last_look_and_the_release(
    instance: Instance, arrive: Arrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[int] = []
    release = Lease.release

    def release_late(self: Lease) -> None:
        if not woken:
            arrive()
            woken.append(drain(instance))  # the drain its ring wakes: it finds the lease taken
        release(self)

    monkeypatch.setattr(Lease, "release", release_late)
    arrive()
    assert drain(instance) == 2
    assert woken == [0]


def test_who_rings_while_a_drain_is_at_work_is_seen_by_it(instance: Instance, arrive: Arrive, rung: list[int]) -> None:
    doorbell.ring(instance.pk)
    arrived: list[Event] = []

    @on("Message")
    def one_more(event: MessageEvent) -> None:
        if not arrived:
            arrived.append(arrive())
            doorbell.ring(instance.pk)

    arrive()
    assert drain(instance) == 2
    assert len(rung) == 1, "a task would take another queue's place, and find the lease taken"
    doorbell.ring(instance.pk)
    assert len(rung) == 2, "the bell is silent once the drain is done"


def test_who_stores_before_the_bell_is_silenced_is_seen_after_it(
    instance: Instance, arrive: Arrive, rung: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    silence = doorbell.silence
    arrived: list[Event] = []

    def silence_late(instance_id: int, lane: str) -> None:
        if not arrived:
            arrived.append(arrive())
        silence(instance_id, lane)

    monkeypatch.setattr(doorbell, "silence", silence_late)
    doorbell.ring(instance.pk)
    arrive()
    assert drain(instance) == 2


def test_a_slice_ends_and_rings_for_the_rest(instance: Instance, arrive: Arrive, rung: list[int]) -> None:
    for _ in range(2):
        arrive()
    assert dispatch.drain(instance.pk, seconds=0) == 1
    assert rung == [instance.pk]
    assert dispatch.drain(instance.pk, seconds=0) == 1
    assert rung == [instance.pk], "nothing is left to ring for"


def test_an_instance_that_is_gone_is_nobodys_problem(db: None) -> None:
    assert dispatch.drain(4711) == 0


def test_inline_what_goes_wrong_is_logged_and_not_raised(
    post: Post, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("broken drain")

    monkeypatch.setattr(dispatch, "drain", broken)
    assert post(events.message()).status_code == 200
    assert Event.objects.get().state == EventState.PENDING
    assert "broken drain" in caplog.text


def test_a_handler_that_is_gone_is_waited_for_no_longer(instance: Instance, arrive: Arrive, monkeypatch: Any) -> None:
    @on("Message")
    def fail(event: MessageEvent) -> None:
        raise ValueError

    event = arrive()
    drain(instance)
    monkeypatch.setattr(handlers, "_registered", {})
    later(event)
    drain(instance)
    assert state_of(event) == EventState.FAILED
