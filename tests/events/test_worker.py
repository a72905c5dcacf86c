"""A real worker on a real broker."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event as Flag
from typing import Any

import pytest
from celery import Celery, signals
from celery.app import app_or_default
from celery.contrib.testing.worker import start_worker
from django.db import connection

from django_vzaps import broker
from django_vzaps.events import MessageEvent, on
from django_vzaps.models import Event, EventQueue, EventState, HandlerRun, Instance
from django_vzaps.testing import events
from tests.events.conftest import Post

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="needs PostgreSQL or MariaDB"),
    # Celery's and its brokers' own.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning"),
]

SECONDS = 20


@contextmanager
def worker(broker_url: str) -> Iterator[Flag]:
    """A worker with a queue of its own, in a thread. The flag is raised after each task."""
    previous = app_or_default()
    app = Celery("tests", broker=broker_url, set_as_current=True)
    queue = f"vzaps-tests-{uuid.uuid4().hex}"
    app.autodiscover_tasks(["django_vzaps"], force=True)
    app.conf.update(task_default_queue=queue, broker_connection_retry_on_startup=False, worker_hijack_root_logger=False)
    finished = Flag()

    def finish(**kwargs: Any) -> None:
        finished.set()

    signals.task_postrun.connect(finish)
    # Starting a worker, Celery sets the level of everybody's logs.
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        # Without the event loop, which notices only after ten seconds that it is to end.
        with start_worker(app, perform_ping_check=False, pool="solo", shutdown_timeout=SECONDS, use_eventloop=False):
            yield finished
    finally:
        signals.task_postrun.disconnect(finish)
        with app.connection_for_write() as broker:
            channel: Any = broker.default_channel
            channel.queue_delete(queue)
        app.close()
        previous.set_current()
        root.setLevel(level)
        root.handlers[:] = handlers


def one_event_on_its_way_through(broker_url: str, post: Post, instance: Instance, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "TASKS": "celery"}
    seen: list[str] = []

    @on("Message")
    def keep(event: MessageEvent) -> None:
        seen.append(event.text)

    with worker(broker_url) as finished:
        for text in ("one", "two"):
            finished.clear()
            assert post(events.message(text)).status_code == 200
            assert finished.wait(SECONDS), "the worker was not woken"
    assert seen == ["one", "two"]
    assert set(Event.objects.values_list("state", flat=True)) == {EventState.DONE}
    assert HandlerRun.objects.count() == 2
    assert EventQueue.objects.get().rung_until is None
    assert not broker.breaker.is_open
    assert json.loads(Event.objects.latest("pk").payload)["type"] == "Message"


@pytest.mark.redis
def test_an_event_wakes_a_worker_on_redis(redis_url: str, post: Post, instance: Instance, settings: Any) -> None:
    one_event_on_its_way_through(redis_url, post, instance, settings)


@pytest.mark.rabbitmq
def test_an_event_wakes_a_worker_on_rabbitmq(rabbitmq_url: str, post: Post, instance: Instance, settings: Any) -> None:
    one_event_on_its_way_through(rabbitmq_url, post, instance, settings)
