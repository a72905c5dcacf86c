from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.app import app_or_default
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from django_vzaps import broker
from django_vzaps.events import doorbell
from django_vzaps.models import Event, EventQueue, Instance, Lane
from django_vzaps.testing import events
from tests.events.conftest import Post

pytestmark = pytest.mark.django_db


@pytest.fixture
def _celery(settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "TASKS": "celery"}


@pytest.fixture
def app(_celery: None) -> Iterator[Celery]:
    """The project's Celery application."""
    previous = app_or_default()
    app = Celery("project", set_as_current=True)
    yield app
    app.close()
    previous.set_current()


@pytest.fixture
def hanging_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.mark.usefixtures("_celery")
def test_many_events_ring_once(instance: Instance, post: Post, rung: list[int]) -> None:
    for _ in range(3):
        assert post(events.message()).status_code == 200
    assert rung == [instance.pk]


@pytest.mark.usefixtures("_celery")
def test_a_redelivery_wakes_nobody(post: Post, instance: Instance, rung: list[int]) -> None:
    message = events.message()
    post(message)
    doorbell.silence(instance.pk, Lane.MAIN)
    post(message)
    assert len(rung) == 1


def test_a_ring_that_nobody_answered_expires(instance: Instance, rung: list[int]) -> None:
    doorbell.ring(instance.pk)
    EventQueue.objects.update(rung_until=timezone.now() - timedelta(seconds=1))
    doorbell.ring(instance.pk)
    assert len(rung) == 2


def test_a_ring_counts_for_half_a_lease(
    instance: Instance, rung: list[int], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VZAPS = {**settings.VZAPS, "DRAIN_LEASE": 100}
    began = now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    rings = []
    for seconds in (0, 49, 51):
        now = began + timedelta(seconds=seconds)
        doorbell.ring(instance.pk)
        rings.append(len(rung))
    assert rings == [1, 1, 2]


@pytest.mark.parametrize("scheme", [pytest.param("redis", marks=pytest.mark.redis), "amqp"])
def test_a_dead_broker_costs_little_once_and_then_nothing(
    app: Celery,
    instance: Instance,
    post: Post,
    scheme: str,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    app.conf.update(broker_url=f"{scheme}://127.0.0.1:{closed_port()}//")
    began = time.monotonic()
    assert post(events.message()).status_code == 200
    assert time.monotonic() - began < 2
    assert Event.objects.count() == 1
    assert EventQueue.objects.get().rung_until is None, "so that the sweep rings"

    asked: list[object] = []
    monkeypatch.setattr(broker, "_sent", lambda *args: asked.append(args))
    with django_assert_num_queries(2):
        assert post(events.message()).status_code == 200
    assert asked == []


@pytest.mark.parametrize("scheme", [pytest.param("redis", marks=pytest.mark.redis), "amqp"])
def test_a_hanging_broker_is_given_up_soon(
    app: Celery, instance: Instance, hanging_port: int, scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    app.conf.update(broker_url=f"{scheme}://user:planted@127.0.0.1:{hanging_port}//")
    began = time.monotonic()
    assert not doorbell.ring(instance.pk)
    assert time.monotonic() - began < 2
    assert "the sweep will find it" in caplog.text
    assert "planted" not in caplog.text


def test_the_breaker_closes_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    breaker = broker.Breaker(seconds=10)
    breaker.note(worked=False)
    assert breaker.is_open
    now = 110.0
    assert not breaker.is_open
    breaker.note(worked=False)
    breaker.note(worked=True)
    assert not breaker.is_open


@pytest.fixture
def sent(app: Celery, tmp_path: Path) -> Path:
    """The folder that is the broker's: a file for each message, with its queue in the name."""
    folder = tmp_path / "messages"
    folder.mkdir()
    folders = {
        "data_folder_in": str(folder),
        "data_folder_out": str(folder),
        "control_folder": str(tmp_path / "control"),
    }
    app.conf.update(broker_url="filesystem://", broker_transport_options=folders)
    return folder


def test_brokers_without_a_server_work(instance: Instance, sent: Path) -> None:
    assert doorbell.ring(instance.pk)
    (message,) = sent.iterdir()
    assert doorbell.TASKS[Lane.MAIN] in message.read_text()


def test_the_project_says_which_worker_gets_which_lane(app: Celery, instance: Instance, sent: Path) -> None:
    app.conf.task_routes = {doorbell.TASKS[Lane.BULK]: {"queue": "patient"}}
    assert doorbell.ring(instance.pk)
    assert doorbell.ring(instance.pk, Lane.BULK)
    assert sorted(message.name.split(".")[-2] for message in sent.iterdir()) == ["celery", "patient"]


def test_an_eager_project_needs_no_broker(app: Celery, post: Post) -> None:
    app.conf.update(task_always_eager=True, broker_url="redis://127.0.0.1:1//")
    post(events.connected())
    assert Event.objects.get().state == "done"
