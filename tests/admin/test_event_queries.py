"""However many events there are, a list of them reads what it shows and little more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest
from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from django_vzaps.admin.events import reading
from django_vzaps.models import Event, Instance
from django_vzaps.search import events
from tests.models.test_event_queries import asked, flat, rows_of

pytestmark = pytest.mark.django_db

MANY: Final = 5_000
#: Rows that are asked for, and how many times that a list may read: one share for each state, and some.
PAGE: Final = 20
LIMIT: Final = PAGE * 12

NOW = timezone.now()
OLD: Final = Q(received_at__gte=NOW - timedelta(days=25), received_at__lt=NOW - timedelta(days=24))
LISTS: Final[dict[str, Q]] = {
    "done": Q(state="done"),
    "failed long ago": Q(state="failed"),
    "a day long ago": OLD,
    "a rare type": Q(type="HistorySync"),
    "a rare type long ago": Q(type="HistorySync") & OLD,
    "the last day": Q(received_at__gte=NOW - timedelta(days=1)),
    "since ever": Q(received_at__gte=NOW - timedelta(days=90)),
}


def fill(instance: Instance) -> None:
    rows = [
        Event(
            instance=instance,
            type="HistorySync" if number in range(100, 110) else "Message",
            state="failed" if number in range(100, 115) else "done",
            payload="{}",
            received_at=NOW - timedelta(days=30) * (1 - number / MANY),
            message_id=f"3EB0{number}",
            chat=f"55119{number:08d}@s.whatsapp.net",
        )
        for number in range(MANY)
    ]
    Event.objects.bulk_create(rows)


def statements(rows: QuerySet[Event], instance: Instance) -> list[tuple[str, Any]]:
    return list(asked(lambda _: reading.newest(rows, most=PAGE), instance))


@pytest.mark.postgres
@pytest.mark.parametrize("wanted", LISTS.values(), ids=LISTS)
def test_little_is_read_on_postgresql(instance: Instance, wanted: Q) -> None:
    fill(instance)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE django_vzaps_event")
        ((sql, params),) = statements(Event.objects.filter(wanted), instance)
        assert read(cursor, sql, params) < LIMIT


@pytest.mark.postgres
@pytest.mark.parametrize("text", ["3EB0777", "+55 119 0000 0777", "#1"])
def test_a_search_reads_what_it_finds_on_postgresql(instance: Instance, text: str) -> None:
    fill(instance)
    wanted = events.wanted(text)
    assert wanted is not None
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE django_vzaps_event")
        rows = Event.objects.filter(wanted)
        for sql, params in asked(lambda _: reading.searched(rows, most=PAGE, needed=PAGE), instance):
            assert read(cursor, sql, params) < LIMIT


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the plan of another database")
@pytest.mark.parametrize("wanted", [LISTS["done"], LISTS["a day long ago"], LISTS["since ever"]])
def test_nothing_is_scanned_on_sqlite(instance: Instance, wanted: Q) -> None:
    with connection.cursor() as cursor:
        for sql, params in statements(Event.objects.filter(wanted), instance):
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
            steps = [row[3] for row in cursor.fetchall() if "django_vzaps_event" in row[3]]
            assert steps
            assert all(step.startswith("SEARCH") for step in steps), steps


def read(cursor: Any, sql: str, params: Any) -> int:
    """How many rows a statement reads of the table or an index."""
    cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
    ((found,),) = cursor.fetchall()
    nodes = list(flat(found[0]["Plan"]))
    # What contradicts itself is planned as a scan, and never run.
    whole = [node for node in nodes if node["Node Type"] == "Seq Scan" and node["Actual Loops"]]
    assert not whole, sql
    return sum(rows_of(node) for node in nodes if "Scan" in node["Node Type"] and "Subquery" not in node["Node Type"])
