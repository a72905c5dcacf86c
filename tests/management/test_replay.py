from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from django_vzaps.events import InboundEvent, handlers, on
from django_vzaps.models import Account, Event, EventState, Instance
from tests.management.conftest import Run

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 9, 20, 12, tzinfo=UTC)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """The events that the only handler was called with."""
    monkeypatch.setattr(handlers, "_registered", {})
    found: list[Event] = []

    @on("Message")
    def keep(event: InboundEvent) -> None:
        found.append(event.record)

    return found


@pytest.fixture
def instance(account: Account) -> Instance:
    return Instance.objects.create(account=account, vzaps_id="VZ0001")


def make(instance: Instance, state: EventState = EventState.FAILED, *, at: datetime = NOON) -> Event:
    return Event.objects.create(
        instance=instance, type="Message", payload='{"type":"Message"}', state=state, received_at=at
    )


def test_a_time_span_begins_with_its_first_moment_and_ends_before_its_last(
    instance: Instance, seen: list[Event], run: Run
) -> None:
    second = timedelta(seconds=1)
    _before, first, last, _after = (make(instance, at=NOON + number * second) for number in range(-1, 3))
    span = ("--since", NOON.isoformat(), "--until", (NOON + 2 * second).isoformat())
    assert run("vzaps_replay", *span, "--no-input").out.startswith("Events replayed: 2.\n")
    assert seen == [first, last]


def test_unless_an_event_or_a_state_is_named_failed_ones_are_meant(
    instance: Instance, seen: list[Event], run: Run
) -> None:
    other = Instance.objects.create(account=instance.account, vzaps_id="VZ0002")
    failed, ignored = make(instance), make(instance, EventState.IGNORED)
    make(other)
    run("vzaps_replay", "--instance", instance.vzaps_id, "--no-input")
    assert seen == [failed]
    run("vzaps_replay", "--event", str(ignored.pk), "--no-input")
    assert seen == [failed, ignored]
