"""Pages of long tables without counting every row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from django.core.paginator import Paginator
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
