"""Pages of long tables without counting every row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from django.core.exceptions import EmptyResultSet
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import QuerySet
from django.utils.formats import number_format
from django.utils.functional import cached_property

if TYPE_CHECKING:
    _Base = Paginator[Any]
else:
    _Base = Paginator


class CappedPaginator(_Base):
    """Counts, and pages through, the first :attr:`most` rows only; who wants to see more filters or searches."""

    most: Final = 10_000

    @cached_property
    def count(self) -> int:
        """How many rows there are, at most :attr:`most`."""
        return min(self._counted, self.most)

    @property
    def is_capped(self) -> bool:
        """Whether there are more rows than can be paged through."""
        return self._counted > self.most

    @cached_property
    def _counted(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by()[: self.most + 1].count()


class CountingPaginator(CappedPaginator):
    """One that counts other rows beside its own, in the same query."""

    def __init__(self, *args: Any, beside: Mapping[str, QuerySet[Any]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._beside = beside

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many there are of each, one more than :attr:`most` where there are more."""
        own = cast("QuerySet[Any]", self.object_list)
        return counted({"": own, **self._beside}, most=self.most)

    @cached_property
    def _counted(self) -> int:
        return self.counts[""]


def counted(rows: Mapping[str, QuerySet[Any]], *, most: int) -> dict[str, int]:
    """How many of each there are, in one query; of none are more than ``most`` and one looked at.

    All are of one database. Django can count one of them at a time.
    """
    using = next(iter(rows.values())).db
    counts = dict.fromkeys(rows, 0)
    statements: dict[str, str] = {}
    parameters: list[Any] = []
    for name, found in rows.items():
        try:
            statement, values = found.order_by().values("pk")[: most + 1].query.get_compiler(using).as_sql()
        except EmptyResultSet:  # as of none()
            continue
        statements[name] = f"(SELECT COUNT(*) FROM ({statement}) AS counted)"  # noqa: S608 - Django's own
        parameters += values
    if statements:
        with connections[using].cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(statements.values())}", parameters)
            counts.update(zip(statements, cursor.fetchone(), strict=True))
    return counts


def number(count: int, *, most: int) -> str:
    """A count as people write it: “9,876”, or “10,000+” where it was not counted to the end."""
    text = str(number_format(min(count, most), force_grouping=True))
    return f"{text}+" if count > most else text
