"""A storm of one instance's events, on one worker, in simulated time."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable

import pytest

from django_vzaps import broker
from django_vzaps.events import InboundEvent, dispatch, doorbell, on, storing
from django_vzaps.models import Event, EventState, Instance, Lane
from django_vzaps.testing import events
from tests.events.conftest import new_instance

pytestmark = pytest.mark.django_db

#: Half a minute of a storm that keeps the worker busy all the time, whether 1,250 short events or 125 long ones.
STORM_SECONDS, EVENTS, HANDLER_SECONDS = 30, 125, 0.24
OTHERS_EVERY = 2.0


class Simulation:
    """One worker, the broker's queue, and a clock that only handlers move; events arrive while it moves."""

    def __init__(self, arrivals: list[tuple[float, Instance]], send: Callable[[Instance], tuple[int, str]]) -> None:
        self.now = 0.0
        self.tasks: deque[tuple[int, str]] = deque()
        self.arrivals = deque(sorted(arrivals, key=lambda arrival: arrival[0]))
        self.send = send
        self.waited: dict[int, list[float]] = {}
        self.arrived: dict[int, tuple[int, float]] = {}

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        while self.arrivals and self.arrivals[0][0] <= self.now:
            at, instance = self.arrivals.popleft()
            pk, lane = self.send(instance)
            self.arrived[pk] = instance.pk, at
            doorbell.ring(instance.pk, lane)

    def handled(self, event: InboundEvent) -> None:
        instance_pk, at = self.arrived[event.record.pk]
        self.waited.setdefault(instance_pk, []).append(self.now - at)
        self.pass_time(HANDLER_SECONDS)

    def run(self) -> None:
        self.pass_time(0)
        while self.tasks or self.arrivals:
            if not self.tasks:
                self.pass_time(self.arrivals[0][0] - self.now)
            dispatch.drain(*self.tasks.popleft())


def send(body: dict[str, object], instance: Instance) -> tuple[int, str]:
    received = storing.receive(json.dumps(body).encode(), instance_id=instance.pk, vzaps_id=instance.vzaps_id)
    assert received.pk is not None
    return received.pk, received.lane


@pytest.mark.parametrize("body", [events.message, events.history_sync], ids=["messages", "history"])
def test_a_storm_of_one_instance_keeps_another_waiting_for_less_than_two_seconds(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, body: Callable[[], dict[str, object]], settings: object
) -> None:
    stormy, calm = instance, new_instance("VZ0002")
    storm = [(number * STORM_SECONDS / EVENTS, stormy) for number in range(EVENTS)]
    others = [(number * OTHERS_EVERY, calm) for number in range(int(STORM_SECONDS / OTHERS_EVERY))]
    count = iter(range(EVENTS))

    def stormy_body() -> dict[str, object]:
        return {**body(), "n": next(count)}  # each one another event

    simulation = Simulation([*storm, *others], lambda to: send(events.message() if to == calm else stormy_body(), to))
    tasks = {name: lane for lane, name in doorbell.TASKS.items()}

    def sent(task: str, instance_id: int) -> bool:
        simulation.tasks.append((instance_id, tasks[task]))
        return True

    monkeypatch.setattr(broker, "_sent", sent)
    monkeypatch.setattr(time, "monotonic", lambda: simulation.now)
    on()(simulation.handled)

    simulation.run()

    assert set(Event.objects.values_list("state", flat=True)) == {EventState.DONE}
    assert len(simulation.waited[calm.pk]) == len(others)
    assert max(simulation.waited[calm.pk]) < 2.0


def test_history_keeps_the_same_instances_messages_waiting_for_less_than_two_seconds(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrivals = [(0.0, instance)] * 20 + [(number * 0.5, instance) for number in range(1, 8)]
    bodies = iter([events.history_sync(number) for number in range(20)] + [events.message() for _ in range(7)])
    simulation = Simulation(arrivals, lambda to: send(next(bodies), to))
    tasks = {name: lane for lane, name in doorbell.TASKS.items()}

    def sent(task: str, instance_id: int) -> bool:
        simulation.tasks.append((instance_id, tasks[task]))
        return True

    waited: list[float] = []

    def note(event: InboundEvent) -> None:
        simulation.handled(event)
        if event.record.lane == Lane.MAIN:
            waited.append(simulation.waited[instance.pk][-1])

    monkeypatch.setattr(broker, "_sent", sent)
    monkeypatch.setattr(time, "monotonic", lambda: simulation.now)
    on()(note)

    simulation.run()

    assert len(waited) == 7
    assert max(waited) < 2.0
