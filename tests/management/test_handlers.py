from __future__ import annotations

import pytest

from django_vzaps.events import InboundEvent, handlers, on
from django_vzaps.models import Account, Event, EventState, HandlerRun, HandlerRunState, Instance
from tests.management.conftest import Run

pytestmark = pytest.mark.django_db


@pytest.fixture
def event(account: Account, monkeypatch: pytest.MonkeyPatch) -> Event:
    """An event that the only handler wants."""
    monkeypatch.setattr(handlers, "_registered", {})

    @on("Message")
    def keep(event: InboundEvent) -> None: ...

    instance = Instance.objects.create(account=account, vzaps_id="VZ0001")
    return Event.objects.create(instance=instance, type="Message", payload='{"type":"Message"}')


def explained(event: Event, run: Run) -> str:
    return " ".join(run("vzaps_handlers", "--event", str(event.pk)).out.split())


@pytest.mark.parametrize("begun", [False, True])
def test_what_waits_is_run_and_what_is_closed_only_on_a_replay(event: Event, run: Run, begun: bool) -> None:
    if begun:
        (handler,) = handlers.registered()
        HandlerRun.objects.create(event=event, handler=handler.name, state=HandlerRunState.WAITING)
    assert "keep would run" in explained(event, run)
    for state in (EventState.IGNORED, EventState.DONE, EventState.FAILED):
        Event.objects.update(state=state)
        assert "keep runs only if the event is replayed" in explained(event, run)


def test_what_failed_is_tried_again_only_while_the_event_waits(event: Event, run: Run) -> None:
    (handler,) = handlers.registered()
    HandlerRun.objects.create(event=event, handler=handler.name, state=HandlerRunState.FAILED, attempts=1)
    assert "keep failed (attempts: 1): it will be tried again" in explained(event, run)
    Event.objects.update(state=EventState.FAILED)
    assert "keep failed (attempts: 1): it is not run again by itself" in explained(event, run)


def test_what_cannot_be_replayed_is_said(event: Event, run: Run) -> None:
    Event.objects.update(state=EventState.DONE)
    assert "cannot be replayed" not in explained(event, run)
    Event.objects.update(payload="")
    assert "It cannot be replayed: its payload was erased." in explained(event, run)


@pytest.mark.parametrize("state", [EventState.UNPARSED, EventState.MISDIRECTED])
def test_what_is_never_handled_is_said(event: Event, run: Run, state: EventState) -> None:
    Event.objects.update(state=state)
    said = explained(event, run)
    assert "No handler is called for it" in said
    assert "keep" not in said
