"""Reading the newest of a million events, and counting many at once, from the indexes the receiver pays for anyway.

There is no index on the time of arrival alone: it would cost the receiver. But there is one that begins with the state,
so what is filtered is looked for state by state, each from its newest on and no further than wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final
from urllib.parse import urlencode

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import Q, QuerySet
from django.utils.functional import cached_property

from django_vzaps.admin.paging import CappedPaginator, counted
from django_vzaps.models import Event, EventState, Lane

#: The order of the index behind the state, so that no database sorts. Where ids do not tell, so do these.
_NEWEST_FIRST: Final = ("-received_at", "-instance_id", "-pk")
_KNOWN: Final = sorted(EventState.values)


class KeyPaginator(CappedPaginator):
    """Pages through keys that were read already, of ``counted`` that there are."""

    def __init__(self, keys: list[int], per_page: int, *, counted: int) -> None:
        super().__init__(keys, per_page)
        self._all = counted

    @cached_property
    def _counted(self) -> int:
        return self._all


def newest(rows: QuerySet[Event], *, most: int, states: Sequence[str] = ()) -> list[int]:
    """The keys of the newest of ``rows``, newest first.

    ``states`` says what is known of their states; without it all are looked through, also those that only a newer
    version knows.
    """
    return [pk for (pk,) in _sorted(_by_state(rows, states, most=most), most=most)]


def searched(rows: QuerySet[Event], *, most: int, needed: int, states: Sequence[str] = ()) -> tuple[list[int], int]:
    """The same for what most often fits few rows: the newest ``needed``, or all; and how many there are up to ``most``.

    PostgreSQL weighs whether to find all and sort them, or to walk from the newest on. Asked for an order, MariaDB
    would walk even for few: these are read without.
    """
    needed = min(needed, most)
    if connections[rows.db].vendor == "postgresql":
        count = rows.order_by().values("pk")[:most]
        found = _sorted(_by_state(rows, states, most=needed), most=needed, count=count)
        return [pk for pk, _ in found], found[0][1] if found else 0
    keys = [pk for (pk,) in _sorted([rows.order_by()[:most]], most=most)]
    if len(keys) < most:
        return keys, len(keys)
    return newest(rows, most=needed, states=states), most


def newest_of_type(rows: QuerySet[Event], *, most: int, needed: int) -> tuple[list[int], int]:
    """The same for all of one type, whose index is in the order of ids on all databases but PostgreSQL."""
    if connections[rows.db].vendor == "postgresql":
        return searched(rows, most=most, needed=needed)
    keys = list(rows.order_by("-pk").values_list("pk", flat=True)[:most])
    return keys, len(keys)


def _by_state(rows: QuerySet[Event], states: Sequence[str], *, most: int) -> list[QuerySet[Event]]:
    conditions = [Q(state=state) for state in states or _KNOWN]
    if not states:
        conditions.append(_unknown_state())
    return [rows.filter(each).order_by(*_NEWEST_FIRST)[:most] for each in conditions]


def _sorted(parts: Sequence[QuerySet[Event]], *, most: int, count: QuerySet[Any, Any] | None = None) -> list[Any]:
    """The keys of the parts, newest first; each with how many ``count`` finds, where that is given."""
    using = parts[0].db
    columns = ("id", "received_at", "instance_id")
    compiled = list(_compiled([part.values_list(*columns) for part in parts], using))
    if not compiled:
        return []
    counts = list(_compiled([] if count is None else [count], using))
    union = " UNION ALL ".join(f"SELECT * FROM ({sql}) AS part{number}" for number, sql, _ in compiled)  # noqa: S608
    shown = ", ".join(["id", *(f"(SELECT COUNT(*) FROM ({sql}) AS counted)" for _, sql, _ in counts)])  # noqa: S608
    order = "received_at DESC, instance_id DESC, id DESC"
    sql = f"SELECT {shown} FROM ({union}) AS parts ORDER BY {order} LIMIT {most:d}"  # noqa: S608 - compiled by Django
    return _fetched(sql, [value for _, _, params in (*counts, *compiled) for value in params], using)


def neighbour(event: Event, *, later: bool) -> int | None:
    """The key of the event that the same instance received before or after this one."""
    # State by state in each lane, where the index of the queue is in the order of ids: what waits for another attempt
    # is not found so, and there are few of those.
    order, beyond = ("pk", "pk__gt") if later else ("-pk", "pk__lt")
    rows = Event.objects.filter(instance=event.instance_id, **{beyond: event.pk})
    parts = [
        rows.filter(lane=lane, state=state, retry_at__isnull=True).order_by(order).values_list("id")[:1]
        for lane in Lane
        for state in _KNOWN
    ]
    parts += [
        rows.filter(lane=lane, state=EventState.PENDING, retry_at__isnull=False).order_by(order).values_list("id")[:1]
        for lane in Lane
    ]
    compiled = list(_compiled(parts, rows.db))
    union = " UNION ALL ".join(f"SELECT * FROM ({sql}) AS part{number}" for number, sql, _ in compiled)  # noqa: S608
    nearest = "MIN" if later else "MAX"
    sql = f"SELECT {nearest}(id) FROM ({union}) AS parts"  # noqa: S608 - compiled by Django
    ((found,),) = _fetched(sql, [value for _, _, params in compiled for value in params], rows.db)
    return None if found is None else int(found)


def query_string(**query: object) -> str:
    """The part of the list's address behind the question mark."""
    return urlencode(query)


def counts(parts: Sequence[QuerySet[Event]], *, most: int) -> list[int]:
    """How many rows each of ``parts`` has, in one statement; of each no more than ``most`` are counted."""
    if not parts:
        return []
    # A column of the index: nothing else is read.
    rows = {number: [part.order_by().values("state")[:most]] for number, part in enumerate(parts)}
    return list(counted(rows, using=parts[0].db).values())


def of_known_state(rows: QuerySet[Event]) -> QuerySet[Event]:
    """With the states named, so that an index which begins with them serves a range of time."""
    return rows.filter(state__in=_KNOWN)


def _unknown_state() -> Q:
    # Ranges, which an index can serve; NOT IN would read the table.
    condition = Q(state__lt=_KNOWN[0]) | Q(state__gt=_KNOWN[-1])
    for lower, upper in pairwise(_KNOWN):
        condition |= Q(state__gt=lower, state__lt=upper)
    return condition


def _compiled(parts: Iterable[QuerySet[Any, Any]], using: str) -> Iterator[tuple[int, str, tuple[Any, ...]]]:
    for number, part in enumerate(parts):
        try:
            sql, params = part.query.get_compiler(using=using).as_sql()
        except EmptyResultSet:  # a scope that shows nothing
            continue
        yield number, sql, tuple(params)


def _fetched(sql: str, params: list[Any], using: str) -> list[Any]:
    with connections[using].cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())
