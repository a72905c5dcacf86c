"""What comes in masses waits in a queue of its own, and whoever wakes workers wakes them for that one too."""

from __future__ import annotations

import json
from typing import Any

import pytest

from django_vzaps import tasks
from django_vzaps.events import HistorySyncEvent, on, storing, sweep
from django_vzaps.events.replay import replay
from django_vzaps.models import Event, EventState, Instance
from django_vzaps.testing import events
from tests.events.conftest import Post

pytestmark = pytest.mark.django_db


@pytest.fixture
def history(instance: Instance) -> Event:
    """A part of a history that nobody was told of."""
    body = json.dumps(events.history_sync()).encode()
    received = storing.receive(body, instance_id=instance.pk, vzaps_id=instance.vzaps_id)
    assert received.pk is not None
    return Event.objects.get(pk=received.pk)


@pytest.fixture
def seen() -> list[int]:
    """The events that a handler of histories was called with."""
    found: list[int] = []

    @on("HistorySync")
    def keep(event: HistorySyncEvent) -> None:
        found.append(event.record.pk)

    return found


def test_a_sweep_finds_what_waits_there(history: Event, seen: list[int]) -> None:
    sweep.sweep()
    assert seen == [history.pk]


def test_a_replay_wakes_who_drains_it(history: Event, seen: list[int]) -> None:
    Event.objects.update(state=EventState.FAILED)
    replay(Event.objects.all())
    assert seen == [history.pk]


def test_each_task_drains_its_own(instance: Instance, history: Event, seen: list[int]) -> None:
    tasks.drain_instance(instance.pk)
    assert seen == []
    tasks.drain_bulk(instance.pk)
    assert seen == [history.pk]


def test_what_the_settings_say_of_one_type_leaves_the_defaults_of_others(post: Post, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "EVENT_STORAGE": {"Message": "metadata"}}
    for body in (events.presence(), events.chat_presence(), events.history_sync(), events.message()):
        assert post(body).status_code == 200
    assert list(Event.objects.order_by("pk").values_list("type", "payload")) == [("HistorySync", ""), ("Message", "")]
