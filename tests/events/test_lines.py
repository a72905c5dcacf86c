"""A line to Redis is kept: what became of it meanwhile must cost neither a wake-up nor an answer."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from celery import Celery
from celery.app import app_or_default

from django_vzaps import broker
from django_vzaps.broker import lines
from tests.chaos.processes import HOST, Gate, reserved_port

TASK = "django_vzaps.drain_instance"


class Opened:
    """How many lines were opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        opened = lines.opened

        def counted() -> Any:
            self.count += 1
            return opened()

        monkeypatch.setattr(lines, "opened", counted)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    return Opened(monkeypatch)


@pytest.fixture
def app(opened: Opened) -> Iterator[Celery]:
    """A Celery application with a queue of its own."""
    previous = app_or_default()
    app = Celery("project", set_as_current=True)
    app.conf.task_default_queue = f"lines-{uuid.uuid4().hex[:12]}"
    broker.breaker.note(worked=True)
    yield app
    while line := lines.kept():
        lines.close(line)
    app.close()
    previous.set_current()


@pytest.fixture
def gate(app: Celery, redis_url: str) -> Iterator[Gate]:
    """The way to Redis."""
    redis = urlsplit(redis_url)
    with reserved_port() as port:
        gate = Gate(port, (redis.hostname or HOST, redis.port or 6379))
        gate.open()
        app.conf.update(broker_url=f"redis://{HOST}:{port}{redis.path}")
        yield gate
        gate.shut()
    import redis as server  # not there where no service is

    with closing(server.Redis.from_url(redis_url)) as client:
        for key in client.scan_iter(f"*{app.conf.task_default_queue}"):
            client.delete(key)


@pytest.mark.redis
def test_the_next_one_takes_the_line_that_worked(gate: Gate, opened: Opened) -> None:
    assert all(broker.send(TASK, 1) for _ in range(3))
    assert opened.count == 1


@pytest.mark.redis
def test_a_line_that_broke_meanwhile_is_replaced(gate: Gate, opened: Opened) -> None:
    assert broker.send(TASK, 1)
    gate.shut()
    gate.open()
    assert broker.send(TASK, 1)


@pytest.mark.redis
def test_a_broker_that_went_away_is_noticed_on_a_kept_line(gate: Gate, opened: Opened) -> None:
    assert broker.send(TASK, 1)
    gate.shut()
    assert not broker.send(TASK, 1)
    assert broker.breaker.is_open


@pytest.mark.redis
def test_a_broker_that_hangs_on_a_kept_line_is_asked_once(
    gate: Gate, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert broker.send(TASK, 1)
    with monkeypatch.context() as on_the_way:
        on_the_way.setattr(socket.socket, "sendall", lambda *args: None)  # what is said gets lost
        assert not broker.send(TASK, 1)
    assert opened.count == 1


@pytest.mark.redis
def test_an_old_line_is_not_trusted(gate: Gate, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    assert broker.send(TASK, 1)
    monkeypatch.setattr(lines, "_KEPT_SECONDS", 0)
    assert broker.send(TASK, 1)
    assert opened.count == 2


@pytest.mark.redis
def test_another_broker_gets_another_line(gate: Gate, app: Celery, opened: Opened, redis_url: str) -> None:
    assert broker.send(TASK, 1)
    app.conf.update(broker_url=redis_url)
    assert broker.send(TASK, 1)
    assert opened.count == 2


@pytest.mark.rabbitmq
def test_where_nobody_confirms_no_line_is_kept(app: Celery, opened: Opened, rabbitmq_url: str) -> None:
    app.conf.update(broker_url=rabbitmq_url, task_default_queue=app.conf.task_default_queue)
    assert broker.send(TASK, 1)
    assert broker.send(TASK, 1)
    assert opened.count == 2
    with app.connection_for_write(rabbitmq_url) as line:
        channel: Any = line.default_channel
        channel.queue_delete(app.conf.task_default_queue)
