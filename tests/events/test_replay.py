"""Events are handled again: what failed by default, and what is done only when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_vzaps import services
from django_vzaps.events import InboundEvent, MessageEvent, dispatch, handlers, on
from django_vzaps.events.replay import Skipped, UnknownHandler, replay
from django_vzaps.models import Account, Event, EventState, HandlerRun, HandlerRunState, Instance
from django_vzaps.services.clients import forget_clients
from django_vzaps.testing import FakeVZaps

pytestmark = pytest.mark.django_db(transaction=True)

Arrive = Callable[..., Event]


class Handlers:
    """Two handlers that note their calls; one of them fails for as long as it is told to. A third comes later."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.is_broken = True
        on("Message")(self.sound)
        on("Message")(self.broken)

    def sound(self, event: InboundEvent) -> None:
        self.calls.append(f"sound {event.record.pk}")

    def broken(self, event: InboundEvent) -> None:
        self.calls.append(f"broken {event.record.pk}")
        if self.is_broken:
            raise ValueError

    def third(self, event: InboundEvent) -> None:
        self.calls.append(f"third {event.record.pk}")


@pytest.fixture
def two(settings: Any) -> Handlers:
    settings.VZAPS = {**settings.VZAPS, "HANDLER_ATTEMPTS": 2}
    return Handlers()


@pytest.fixture
def failed(instance: Instance, arrive: Arrive, two: Handlers) -> Event:
    """An event that one handler did and the other could not do, with no attempt left."""
    event = arrive()
    for _ in range(2):
        Event.objects.update(retry_at=None)
        dispatch.drain(instance.pk, seconds=None)
    event.refresh_from_db()
    assert event.state == EventState.FAILED
    two.calls.clear()
    return event


def state_of(event: Event) -> str:
    return Event.objects.get(pk=event.pk).state


def name_of(handler: str) -> str:
    return next(each.name for each in handlers.registered() if each.name.endswith(f".{handler}"))


def test_what_failed_is_run_again_and_what_is_done_is_not(failed: Event, two: Handlers) -> None:
    two.is_broken = False
    report = replay(Event.objects.all())
    assert (report.events, dict(report.runs)) == (1, {name_of("broken"): 1})
    assert two.calls == [f"broken {failed.pk}"]
    assert state_of(failed) == EventState.DONE


def test_what_fails_again_is_tried_as_often_as_the_first_time(instance: Instance, failed: Event, two: Handlers) -> None:
    replay(Event.objects.all())
    assert state_of(failed) == EventState.PENDING
    retry_at = Event.objects.get(pk=failed.pk).retry_at
    assert retry_at is not None
    assert retry_at < timezone.now() + timedelta(minutes=1), "as soon as the first time"
    Event.objects.update(retry_at=None)
    dispatch.drain(instance.pk, seconds=None)
    assert state_of(failed) == EventState.FAILED
    assert two.calls == [f"broken {failed.pk}"] * 2


def test_a_handler_that_came_later_is_run(instance: Instance, arrive: Arrive) -> None:
    event = arrive()
    dispatch.drain(instance.pk, seconds=None)
    assert state_of(event) == EventState.IGNORED
    two = Handlers()
    two.is_broken = False
    replay(Event.objects.all())
    assert two.calls == [f"sound {event.pk}", f"broken {event.pk}"]
    assert state_of(event) == EventState.DONE


def test_asked_to_it_does_everything_again_in_the_order_of_arrival(
    instance: Instance, arrive: Arrive, two: Handlers
) -> None:
    two.is_broken = False
    first, second = arrive(), arrive()
    dispatch.drain(instance.pk, seconds=None)
    two.calls.clear()
    assert replay(Event.objects.order_by("-pk")).skipped == {Skipped.NOTHING: 2}
    report = replay(Event.objects.order_by("-pk"), again=True)
    assert report.events == 2
    assert two.calls == [f"{name} {event.pk}" for event in (first, second) for name in ("sound", "broken")]
    assert set(HandlerRun.objects.values_list("replays", "attempts")) == {(1, 2)}


def test_a_replay_for_one_handler_leaves_the_others(instance: Instance, arrive: Arrive, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "HANDLER_ATTEMPTS": 2}
    event = arrive()
    dispatch.drain(instance.pk, seconds=None)
    two = Handlers()
    replay(Event.objects.all(), names=[name_of("broken")])
    Event.objects.update(retry_at=None)
    dispatch.drain(instance.pk, seconds=None)
    assert set(two.calls) == {f"broken {event.pk}"}, "also after it failed and was tried again"
    two.calls.clear()
    two.is_broken = False
    replay(Event.objects.all())
    assert set(two.calls) == {f"sound {event.pk}", f"broken {event.pk}"}


@pytest.mark.parametrize("state", [HandlerRunState.FAILED, HandlerRunState.WAITING])
def test_a_replay_for_one_handler_leaves_others_that_have_attempts_left(
    instance: Instance, failed: Event, two: Handlers, settings: Any, state: HandlerRunState
) -> None:
    on("Message")(two.third)
    settings.VZAPS = {**settings.VZAPS, "HANDLER_ATTEMPTS": 5}
    HandlerRun.objects.filter(handler=name_of("broken")).update(state=state)
    replay(Event.objects.all(), names=[name_of("third")])
    Event.objects.update(retry_at=None)
    dispatch.drain(instance.pk, seconds=None)
    assert two.calls == [f"third {failed.pk}"]
    two.is_broken = False
    replay(Event.objects.all())
    assert two.calls == [f"third {failed.pk}", f"broken {failed.pk}"], "it is still known as not done"


def test_what_failed_stays_failed_when_another_handler_is_replayed(failed: Event, two: Handlers, settings: Any) -> None:
    on("Message")(two.third)
    settings.VZAPS = {**settings.VZAPS, "HANDLER_ATTEMPTS": 5}
    replay(Event.objects.all(), names=[name_of("third")])
    assert state_of(failed) == EventState.FAILED
    assert HandlerRun.objects.get(handler=name_of("broken")).state == HandlerRunState.FAILED


def test_what_was_interrupted_is_run_again_only_when_that_is_asked_for(failed: Event, two: Handlers) -> None:
    two.is_broken = False
    runs = HandlerRun.objects.filter(handler=name_of("sound"))
    runs.update(state=HandlerRunState.INTERRUPTED)
    replay(Event.objects.all())
    assert two.calls == [f"broken {failed.pk}"]
    assert runs.get().state == HandlerRunState.INTERRUPTED
    replay(Event.objects.all(), interrupted=True)
    assert two.calls == [f"broken {failed.pk}", f"sound {failed.pk}"]
    assert runs.get().state == HandlerRunState.DONE


def test_a_handler_that_nobody_knows_is_said(failed: Event) -> None:
    with pytest.raises(UnknownHandler, match=r"Is it .*Handlers\.broken"):
        replay(Event.objects.all(), names=["tests.events.test_replay.Handlers.brokn"])


def test_a_dry_run_changes_nothing_and_wakes_nobody(failed: Event, two: Handlers, silent: list[int]) -> None:
    assert replay(Event.objects.all(), dry_run=True).events == 1
    assert silent == []
    assert two.calls == []
    assert state_of(failed) == EventState.FAILED


def test_what_cannot_be_replayed_is_left_out_and_said(instance: Instance, arrive: Arrive, two: Handlers) -> None:
    for state in (EventState.PENDING, EventState.UNPARSED, EventState.MISDIRECTED):
        Event.objects.filter(pk=arrive().pk).update(state=state)
    Event.objects.filter(pk=arrive().pk).update(state=EventState.FAILED, payload="")
    report = replay(Event.objects.all(), again=True, dry_run=True)
    assert report.events == 0
    assert report.skipped == {
        Skipped.PENDING: 1,
        Skipped.UNPARSED: 1,
        Skipped.MISDIRECTED: 1,
        Skipped.ERASED: 1,
    }
    assert all(reason.label for reason in Skipped)


def test_an_event_that_a_worker_took_meanwhile_is_left_to_it(
    failed: Event, two: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    wants = handlers.Handler.wants

    def late(self: handlers.Handler, event: InboundEvent) -> bool:
        Event.objects.filter(pk=failed.pk).update(state=EventState.PENDING)
        return wants(self, event)

    monkeypatch.setattr(handlers.Handler, "wants", late)
    report = replay(Event.objects.all())
    assert report.skipped == {Skipped.PENDING: 1}
    assert not HandlerRun.objects.filter(state=HandlerRunState.WAITING).exists()


@pytest.fixture
def paired(fake_vzaps: FakeVZaps) -> Iterator[Instance]:
    cache.clear()
    forget_clients()
    account = Account.objects.from_settings()
    assert account is not None
    instance = services.instances.create(account, name="Front desk", actor=None).instance
    assert instance is not None
    services.sessions.qr(instance)
    fake_vzaps.scan(instance.vzaps_id)
    yield instance
    forget_clients()


def test_a_reply_is_sent_again_only_when_that_is_asked_for(paired: Instance, fake_vzaps: FakeVZaps) -> None:
    broken = [True]

    @on("Message", atomic=False, from_me=False)
    def answer(event: MessageEvent) -> None:
        event.reply("pong")
        if broken[0]:
            raise ValueError("after the reply")

    fake_vzaps.receive(paired.vzaps_id, "ping")
    Event.objects.filter(type="Message", state=EventState.PENDING).update(state=EventState.FAILED)
    replay(Event.objects.filter(state=EventState.FAILED))
    assert len(fake_vzaps.sent_messages(paired.vzaps_id)) == 1
    broken[0] = False
    Event.objects.filter(type="Message", state=EventState.PENDING).update(state=EventState.FAILED)
    replay(Event.objects.filter(state=EventState.FAILED))
    assert len(fake_vzaps.sent_messages(paired.vzaps_id)) == 1
    replay(Event.objects.filter(type="Message", runs__handler__endswith="answer"), again=True)
    assert len(fake_vzaps.sent_messages(paired.vzaps_id)) == 2


def say(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_the_command_says_what_it_would_do_and_does_it(
    failed: Event, two: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.is_broken = False
    said = say("vzaps_replay", "--type", "Message", "--dry-run")
    assert "Events that would be replayed: 1." in said
    assert f"{name_of('broken')}: 1" in said
    with pytest.raises(CommandError, match="Say which events"):
        say("vzaps_replay")
    with pytest.raises(CommandError, match="is no time"):
        say("vzaps_replay", "--since", "yesterday")
    monkeypatch.setattr("builtins.input", lambda prompt: "no")
    with pytest.raises(CommandError, match="Nothing was replayed"):
        say("vzaps_replay", "--event", str(failed.pk))
    assert two.calls == []
    assert "Events replayed: 1." in say("vzaps_replay", "--since", "2020-01-01", "--no-input")
    assert two.calls == [f"broken {failed.pk}"]


def test_handlers_are_listed_with_what_they_want_and_what_they_would_do(failed: Event) -> None:
    @on("ReadReceipt", atomic=False, account="north", group=True)
    def receipts(event: InboundEvent) -> None: ...

    said = say("vzaps_handlers")
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert f"{name_of('receipts')} ReadReceipt atomic=False account=north group=True" in lines
    assert lines[0].startswith("django_vzaps.events.connection.note_connection Connected, Disconnected")
    assert "receipts" not in say("vzaps_handlers", "--type", "Message")

    explained = say("vzaps_handlers", "--event", str(failed.pk)).splitlines()[1:]
    verdicts = {line.split()[0]: line.split(maxsplit=1)[1] for line in explained}
    assert verdicts[name_of("sound")] == "is done (attempts: 1)"
    assert verdicts[name_of("broken")] == "failed (attempts: 2): it is not run again by itself"
    assert verdicts[name_of("receipts")] == "is not called: type"
    with pytest.raises(CommandError, match="There is no event 4711"):
        say("vzaps_handlers", "--event", "4711")


def test_without_handlers_it_says_where_they_are_looked_for(db: None) -> None:
    assert "vzaps_handlers" in say("vzaps_handlers").splitlines()[-1]
