"""Pages of long tables without counting every row."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast

from django.core.exceptions import EmptyResultSet
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.functional import cached_property

from django_vzaps.admin.themes import ChangeList

if TYPE_CHECKING:
    _Base = Paginator[Any]
else:
    _Base = Paginator

Name = TypeVar("Name", bound=Hashable)

#: What can be counted: a queryset, or a statement that limits itself and its parameters.
Rows: TypeAlias = QuerySet[Any] | tuple[str, list[Any]]


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

    def __init__(self, *args: Any, beside: Mapping[str, Sequence[Rows]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._beside = beside

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many there are of each; its own are called by the empty name."""
        own = cast("QuerySet[Any]", self.object_list)
        return counted({"": [limited(own, most=self.most)], **self._beside}, using=own.db)

    @cached_property
    def _counted(self) -> int:
        return self.counts[""]


class PageChangeList(ChangeList):
    """Django's, but a page's rows are chosen before anything is joined to them.

    Else the database joins also the thousands of rows before them, of which nothing is shown.
    """

    def get_results(self, request: HttpRequest) -> None:
        """The rows of this page."""
        super().get_results(request)
        chosen = self.result_list.select_related(None).values("pk")
        try:
            statement, parameters = compiled(chosen)
        except EmptyResultSet:
            self.result_list = []
            return
        # MariaDB takes no limit right within an IN.
        page = RawSQL(f"SELECT * FROM ({statement}) AS page", parameters)  # noqa: S608, S611 - Django's own
        self.result_list = list(self.shown().filter(pk__in=page).order_by(*chosen.query.order_by))

    def shown(self) -> QuerySet[Any]:
        """Rows with what the cells are made of."""
        return self.apply_select_related(self.root_queryset)


def limited(rows: QuerySet[Any], *, most: int) -> QuerySet[Any]:
    """Of ``rows`` what has to be looked at to count them, or to see that there are more than ``most``."""
    return rows.order_by().values("pk")[: most + 1]


def counted(rows: Mapping[Name, Sequence[Rows]], *, using: str) -> dict[Name, int]:
    """How many of each there are, in one query; Django would take one for each."""
    if not rows:
        return {}
    counts: list[str] = []
    parameters: list[Any] = []
    for parts in rows.values():
        count = ["0"]
        for part in parts:
            try:
                statement, values = part if isinstance(part, tuple) else compiled(part)
            except EmptyResultSet:  # as of none()
                continue
            count.append(f"(SELECT COUNT(*) FROM ({statement}) AS counted)")  # noqa: S608 - Django's, or our own
            parameters += values
        counts.append(" + ".join(count))
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(counts)}", parameters)
        return dict(zip(rows, cursor.fetchone(), strict=True))


def compiled(rows: QuerySet[Any]) -> tuple[str, list[Any]]:
    """The statement behind a queryset. Raises ``EmptyResultSet`` where the database need not be asked."""
    statement, parameters = rows.query.get_compiler(rows.db).as_sql()
    return statement, list(parameters)


def number(count: int, *, most: int, is_cut: bool = False) -> str:
    """A count as people write it: “9,876”, or “10,000+” where it was not counted to the end."""
    text = str(number_format(min(count, most), force_grouping=True))
    return f"{text}+" if is_cut or count > most else text
