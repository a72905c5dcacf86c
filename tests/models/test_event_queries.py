"""What is asked again and again reads what it returns and little more, however much is in the table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Final

import pytest
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_vzaps.models import Event, EventState, Instance, Lane

pytestmark = pytest.mark.django_db

MANY: Final = 2000
#: Index pages are walked in whole steps, and MariaDB counts a row once more where it is sorted.
FEW: Final = 50

HOUR: Final = timedelta(hours=1)


def new_events(instance: Instance, count: int = 1, **columns: Any) -> list[int]:
    rows = Event.objects.bulk_create(
        [Event(**{"instance": instance, "type": "Message", "payload": "{}", **columns}) for _ in range(count)]
    )
    return [row.pk for row in rows]


@pytest.fixture
def other(instance: Instance) -> Instance:
    return Instance.objects.create(account=instance.account, vzaps_id="VZ2")


def test_due_is_what_was_never_set_aside_and_what_waited_long_enough(instance: Instance, other: Instance) -> None:
    now = timezone.now()
    (waited,) = new_events(instance, retry_at=now - HOUR)
    fresh = new_events(instance, 2)
    (waited_longer,) = new_events(instance, retry_at=now - 2 * HOUR)
    new_events(instance, retry_at=now + HOUR)
    new_events(instance, lane=Lane.BULK)
    new_events(other)
    for state in EventState:
        if state != EventState.PENDING:
            new_events(instance, state=state)

    assert Event.objects.next_due(instance.pk, Lane.MAIN, most=100) == [waited, *fresh, waited_longer]


def test_no_more_are_named_than_asked_for(instance: Instance) -> None:
    waited = new_events(instance, 3, retry_at=timezone.now() - HOUR)
    fresh = new_events(instance, 3)

    assert Event.objects.next_due(instance.pk, Lane.MAIN, most=4) == [*waited, fresh[0]]
    assert Event.objects.next_due(instance.pk, Lane.MAIN, most=1) == waited[:1]


def test_a_queue_is_named_once_where_something_in_it_is_due(instance: Instance, other: Instance) -> None:
    third = Instance.objects.create(account=instance.account, vzaps_id="VZ3")
    new_events(instance, 3)
    new_events(instance, lane=Lane.BULK, retry_at=timezone.now() - HOUR)
    new_events(other, retry_at=timezone.now() + HOUR)
    new_events(other, state=EventState.DONE)
    new_events(third, retry_at=timezone.now() - HOUR)

    assert sorted(Event.objects.queues_due()) == [(instance.pk, "bulk"), (instance.pk, "main"), (third.pk, "main")]


def test_erasable_is_what_is_handled_old_and_not_erased(instance: Instance) -> None:
    now = timezone.now()
    (younger,) = new_events(instance, received_at=now - 2 * HOUR, state=EventState.DONE)
    (older,) = new_events(instance, received_at=now - 3 * HOUR, state=EventState.UNPARSED)
    new_events(instance, received_at=now - 3 * HOUR)
    new_events(instance, received_at=now - 3 * HOUR, state=EventState.DONE, payload="")
    new_events(instance, received_at=now, state=EventState.DONE)

    assert [event.pk for event in Event.objects.erasable(now - HOUR)] == [older, younger]


Ask = Callable[[Instance], object]

QUEUE: Final[dict[str, Ask]] = {
    "drain": lambda instance: Event.objects.next_due(instance.pk, Lane.MAIN, most=5),
    "look once more": lambda instance: Event.objects.next_due(instance.pk, Lane.MAIN, most=1),
    "sweep": lambda _: Event.objects.queues_due(),
}
OTHERS: Final[dict[str, Ask]] = {
    "erase": lambda _: list(Event.objects.erasable(timezone.now() - HOUR)[:5]),
    "filter by a rare type": lambda _: list(Event.objects.filter(type="HistorySync").order_by("-pk")[:100]),
    "find a message": lambda _: list(Event.objects.filter(message_id="3EB0")),
    "find a chat": lambda _: list(Event.objects.filter(chat__startswith="5511")),
}


def fill(instance: Instance, **waiting: Any) -> None:
    """A long record of what is done, half of it erased, and many that wait."""
    old = timezone.now() - 2 * HOUR
    new_events(instance, MANY, state=EventState.DONE, payload="", received_at=old, message_id="1", chat="1")
    new_events(instance, MANY, state=EventState.DONE)
    new_events(instance, MANY, **waiting)


WAITING: Final = {"due": {}, "set aside": {"retry_at": timezone.now() + 24 * HOUR}}


@pytest.mark.postgres
@pytest.mark.parametrize("waiting", WAITING.values(), ids=WAITING)
@pytest.mark.parametrize("ask", [*QUEUE.values(), *OTHERS.values()], ids=[*QUEUE, *OTHERS])
def test_little_is_read_on_postgresql(instance: Instance, ask: Ask, waiting: dict[str, Any]) -> None:
    fill(instance, **waiting)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE django_vzaps_event")
        for sql, params in asked(ask, instance):
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
            (found,) = cursor.fetchone()
            nodes = list(flat((json.loads(found) if isinstance(found, str) else found)[0]["Plan"]))
            whole = [node for node in nodes if node["Node Type"] == "Seq Scan" and "event" in node["Relation Name"]]
            assert not whole, sql
            assert sum(rows_of(node) for node in nodes if "Scan" in node["Node Type"]) < FEW, sql


@pytest.mark.mariadb
@pytest.mark.parametrize("waiting", WAITING.values(), ids=WAITING)
@pytest.mark.parametrize("ask", QUEUE.values(), ids=QUEUE)
def test_little_is_read_on_mariadb(instance: Instance, ask: Ask, waiting: dict[str, Any]) -> None:
    fill(instance, **waiting)
    with connection.cursor() as cursor:
        for sql, params in asked(ask, instance):
            before = rows_read(cursor)
            cursor.execute(sql, params)
            cursor.fetchall()
            assert rows_read(cursor) - before < FEW, sql


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the plan of another database")
@pytest.mark.parametrize("ask", [*QUEUE.values(), OTHERS["erase"]], ids=[*QUEUE, "erase"])
def test_the_indexes_fit_on_sqlite(instance: Instance, ask: Ask) -> None:
    with connection.cursor() as cursor:
        for sql, params in asked(ask, instance):
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
            steps = [row[3] for row in cursor.fetchall() if "django_vzaps_event" in row[3]]
            assert steps
            for step in steps:
                assert step.startswith("SEARCH"), sql
                assert "vzaps_event_queue" in step or "vzaps_event_payload" in step, sql


def test_what_a_drain_asks_is_one_statement(instance: Instance) -> None:
    with CaptureQueriesContext(connection) as queries:
        Event.objects.next_due(instance.pk, Lane.MAIN, most=100)

    assert len(queries) == 1


def asked(ask: Ask, instance: Instance) -> Iterable[tuple[str, Any]]:
    """The statements, with their parameters."""
    found: list[tuple[str, Any]] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        found.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        ask(instance)
    assert found
    return found


def flat(node: dict[str, Any]) -> Iterable[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from flat(below)


def rows_read(cursor: CursorWrapper) -> int:
    """What this connection has read so far on MariaDB, beside the rows of the answer to this question."""
    cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
    return sum(int(value) for _, value in cursor.fetchall())


def rows_of(node: dict[str, Any]) -> int:
    """Rows that a step read, also those it threw away."""
    thrown = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return int((node["Actual Rows"] + thrown) * node["Actual Loops"])
