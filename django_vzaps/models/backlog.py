"""How much waits in the queues of instances, without counting queues to their end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Col

from django_vzaps.models.event import Event, EventState
from django_vzaps.models.event_queue import Lane
from django_vzaps.models.instance import Instance


@dataclass(frozen=True, kw_only=True, slots=True)
class Backlog:
    """What an instance's queues hold: ``waiting`` events, or at least so many where it ``is_capped``."""

    waiting: int
    is_capped: bool
    oldest: datetime | None


def backlogs(instance_ids: Iterable[int], *, most: int, using: str | None = None) -> dict[int, Backlog]:
    """The backlog of each of these instances that has one: one query, which looks at no more than ``most`` of each."""
    pks = sorted(set(instance_ids))
    if not pks:
        return {}
    connection = connections[using or router.db_for_read(Event)]
    # Lane by lane: only so is every column of the queue's index made use of.
    capped: list[Any] = [part for lane in Lane.values for part in (lane, EventState.PENDING, most + 1)]
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute(_one_by_one(pks), capped * len(pks))
        else:
            cursor.execute(_correlated(len(pks)), [*capped, *capped, *pks])
        return {
            pk: Backlog(waiting=min(waiting, most), is_capped=waiting > most, oldest=_moment(connection, oldest))
            for pk, waiting, oldest in cursor.fetchall()
            if waiting
        }


def _pending(instance: str) -> str:
    """The ids of the first pending events of either queue, whose index ends with the id."""
    lanes = (
        f"SELECT id FROM (SELECT id FROM {Event._meta.db_table} WHERE instance_id = {instance} AND lane = %s"  # noqa: S608 - our own names
        f" AND state = %s LIMIT %s) AS lane_{lane}"
        for lane in Lane.values
    )
    return " UNION ALL ".join(lanes)


def _correlated(count: int) -> str:
    pending, events = _pending("instance.id"), Event._meta.db_table
    return (
        f"SELECT instance.id, (SELECT COUNT(*) FROM ({pending}) AS waiting),"  # noqa: S608 - our own names
        f" (SELECT received_at FROM {events} WHERE id = (SELECT MIN(id) FROM ({pending}) AS oldest))"
        f" FROM {Instance._meta.db_table} instance WHERE instance.id IN ({', '.join(['%s'] * count)})"
    )


def _one_by_one(pks: list[int]) -> str:
    """For MariaDB, where a table made up in a query knows nothing of the row outside."""
    return " UNION ALL ".join(
        f"SELECT {pk}, waiting, (SELECT received_at FROM {Event._meta.db_table} WHERE id = oldest)"  # noqa: S608 - our own names
        f" FROM (SELECT COUNT(*) AS waiting, MIN(id) AS oldest FROM ({_pending(str(int(pk)))}) AS pending) AS counted"
        for pk in pks
    )


def _moment(connection: BaseDatabaseWrapper, value: Any) -> datetime | None:
    """A time from a statement of our own, as a model would have it."""
    column = Col(Event._meta.db_table, Event._meta.get_field("received_at"))
    for convert in connection.ops.get_db_converters(column):
        value = convert(value, column, connection)
    return value  # type: ignore[no-any-return]
