"""Which queue a task goes to: the project's own, unless it asks for ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from queue import Empty

import pytest
from celery import Celery, Task
from celery.app import app_or_default

from django_vzaps import broker, schedules, tasks
from django_vzaps.events import connection, doorbell
from django_vzaps.schedules import TASK_ROUTES
from django_vzaps.services.batches import running
from tests.test_readme import PAGES, quoted, rows

TASKS = {task.name: task for task in vars(tasks).values() if isinstance(task, Task)}
#: Those that another task sends, or the web.
SENT_BY_NAME = (*doorbell.TASKS.values(), connection.TASK, running.TASK)


@pytest.fixture
def app() -> Iterator[Celery]:
    """The project's Celery application, on a broker in this process."""
    previous = app_or_default()
    app = Celery("project", broker="memory://", set_as_current=True)
    app.conf.task_default_queue = "vzaps-tests-default"
    broker.breaker.note(worked=True)
    yield app
    for queue in queues():
        with app.connection_for_write() as line:
            line.SimpleQueue(queue).clear()
    app.close()
    previous.set_current()
    broker.breaker.note(worked=True)


def queues() -> set[str]:
    return {"vzaps-tests-default", "vzaps-tests-own", *(route["queue"] for route in TASK_ROUTES.values())}


def waiting_in(app: Celery, queue: str) -> list[str]:
    """The names of the tasks that wait in a queue, which is empty afterwards."""
    found: list[str] = []
    with app.connection_for_read() as line, line.SimpleQueue(queue) as waiting:
        while True:
            try:
                message = waiting.get(block=False)
            except Empty:
                return found
            message.ack()
            found.append(message.headers["task"])


def test_every_task_has_a_route() -> None:
    assert TASK_ROUTES.keys() >= TASKS.keys()


def test_what_beat_sends_has_a_route() -> None:
    assert {entry["task"] for entry in schedules.BEAT_SCHEDULE.values()} <= TASK_ROUTES.keys()


def test_without_routes_everything_goes_to_the_projects_default_queue(app: Celery) -> None:
    for task in SENT_BY_NAME:
        assert broker.send(task, 1)
    assert waiting_in(app, "vzaps-tests-default") == list(SENT_BY_NAME)


def test_with_routes_each_goes_to_its_own_queue(app: Celery) -> None:
    app.conf.task_routes = {**TASK_ROUTES}
    for task in SENT_BY_NAME:
        assert broker.send(task, 1)
    assert waiting_in(app, "vzaps_events") == [tasks.drain_instance.name]
    assert waiting_in(app, "vzaps_bulk") == [tasks.drain_bulk.name]
    assert waiting_in(app, "vzaps_probes") == [tasks.confirm_connection.name]
    assert waiting_in(app, "vzaps_batches") == [tasks.run_batch.name]
    assert waiting_in(app, "vzaps-tests-default") == []


def test_a_project_may_route_a_single_task_elsewhere(app: Celery) -> None:
    app.conf.task_routes = {**TASK_ROUTES, tasks.drain_bulk.name: {"queue": "vzaps-tests-own"}}
    assert broker.send(tasks.drain_bulk.name, 1)
    assert waiting_in(app, "vzaps-tests-own") == [tasks.drain_bulk.name]


def test_what_nobody_fetches_for_an_hour_is_dropped(app: Celery) -> None:
    assert broker.send(tasks.drain_instance.name, 1)
    with app.connection_for_read() as line, line.SimpleQueue("vzaps-tests-default") as waiting:
        message = waiting.get(block=False)
        message.ack()
    assert message.headers["expires"] is not None


def test_the_guide_names_each_queue_with_its_tasks_and_their_limits() -> None:
    page = PAGES["docs/deployment.md"]
    told = {quoted(queue)[0]: (set(quoted(names)), limits) for queue, names, _, limits in rows("Queues", page)}
    assert {queue: {f"django_vzaps.{name}" for name in names} for queue, (names, _) in told.items()} == {
        queue: {task for task, route in TASK_ROUTES.items() if route["queue"] == queue}
        for queue in {route["queue"] for route in TASK_ROUTES.values()}
    }
    for task in TASKS.values():
        limits = told[TASK_ROUTES[task.name]["queue"]][1]
        assert f"{minutes(task.soft_time_limit)} / {minutes(task.time_limit)} minutes" in limits, task.name


def minutes(limit: float | None) -> str:
    assert limit is not None
    return f"{limit / 60:g}"


def test_the_guides_workers_listen_on_every_queue() -> None:
    listened = re.findall(r"^celery .* -Q (\S+)", PAGES["docs/deployment.md"], re.MULTILINE)
    assert {queue for queues in listened for queue in queues.split(",")} == {
        "celery",
        *(route["queue"] for route in TASK_ROUTES.values()),
    }
