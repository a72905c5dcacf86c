"""Pages of long tables without counting every row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from django.core.exceptions import EmptyResultSet
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import QuerySet
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


def capped_counts(querysets: Sequence[QuerySet[Any]], *, most: int) -> list[int]:
    """How many rows each has, counted up to one more than ``most``; one query for all of them."""
    if not querysets:
        return []
    connection = connections[querysets[0].db]
    parts, parameters = [], []
    for number, queryset in enumerate(querysets):
        compiler = queryset.order_by().values("pk")[: most + 1].query.get_compiler(connection=connection)
        try:
            sql, given = compiler.as_sql()
        except EmptyResultSet:
            parts.append("0")
            continue
        parts.append(f"(SELECT COUNT(*) FROM ({sql}) c{number})")  # noqa: S608 - Django's own statement
        parameters += given
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(parts)}", parameters)
        return list(cursor.fetchone())
