"""The list of batches: what is under way, what went wrong, and whose items one sees."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_vzaps import scope
from django_vzaps.admin.filters import ChoicesFilter
from django_vzaps.admin.paging import PageChangeList
from django_vzaps.models import Batch, BatchItem, BatchItemState, BatchKind
from django_vzaps.services.batches import progress_of_each, visible_items

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
else:
    _Admin = admin.ModelAdmin


class BatchKindFilter(ChoicesFilter):
    title = gettext_lazy("kind")
    parameter_name = "kind"
    choices_class = BatchKind
    column = "kind"


class BatchStateFilter(admin.SimpleListFilter):
    """What somebody looks for: what is under way, and what went wrong."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: _Admin) -> Iterable[tuple[str, str]]:
        return [
            ("open", _("Not finished")),
            (BatchItemState.FAILED.value, _("With failures")),
            (BatchItemState.UNKNOWN.value, _("With unknown outcomes")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Batch]) -> QuerySet[Batch]:
        match self.value():
            case "open":
                return queryset.filter(finished_at__isnull=True)
            case BatchItemState.FAILED | BatchItemState.UNKNOWN as state:
                return queryset.filter(Exists(BatchItem.objects.filter(batch=OuterRef("pk"), state=state)))
            case _:
                return queryset


class BatchChangeList(PageChangeList):
    """With the progress of each batch on the page, counted at once."""

    def get_results(self, request: HttpRequest) -> None:
        """The rows of this page."""
        super().get_results(request)
        rows: list[Any] = self.result_list
        known = progress_of_each(rows, visible_items(request.user) if scope.is_set() else None)
        for batch in rows:
            batch.progress = known[batch.pk]
