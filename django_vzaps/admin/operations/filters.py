"""Filters on the right of the operations; each finds its rows on an index."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_vzaps.admin.filters import SPANS, ChoicesFilter
from django_vzaps.models import Operation, OperationKind, OperationOutcome

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
else:
    _Admin = admin.ModelAdmin

#: Beside the outcomes: what still runs although its time is over.
OVERDUE: Final = "overdue"


class OutcomeFilter(ChoicesFilter):
    title = _("outcome")
    parameter_name = "outcome"
    choices_class = OperationOutcome
    column = "outcome"

    def lookups(self, request: HttpRequest, model_admin: _Admin) -> Iterable[tuple[str, str]]:
        return [*super().lookups(request, model_admin), (OVERDUE, str(_("Running too long")))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Operation]) -> QuerySet[Operation]:
        return within(queryset, self.value())


class KindFilter(ChoicesFilter):
    title = _("kind")
    parameter_name = "kind"
    choices_class = OperationKind
    column = "kind"


class ActorFilter(admin.SimpleListFilter):
    """By me, or by nobody: a schedule, a command, a task."""

    title = _("person")
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: _Admin) -> Iterable[tuple[str, str]]:
        return [("me", str(pgettext_lazy("person", "Me"))), ("system", str(_("The system")))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Operation]) -> QuerySet[Operation]:
        match self.value():
            case "me":
                return queryset.filter(actor=request.user.pk)
            case "system":
                return queryset.filter(actor__isnull=True)
            case _:
                return queryset


class StartedFilter(admin.SimpleListFilter):
    title = _("started")
    parameter_name = "started"

    def lookups(self, request: HttpRequest, model_admin: _Admin) -> Iterable[tuple[str, str]]:
        return [(value, str(words)) for value, (words, _span) in SPANS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Operation]) -> QuerySet[Operation]:
        words_and_span = SPANS.get(self.value() or "")
        if words_and_span is None:
            return queryset
        return queryset.filter(started_at__gte=timezone.now() - words_and_span[1])


def within(operations: QuerySet[Operation], outcome: str | None) -> QuerySet[Operation]:
    """Those of an outcome, or those that run too long; all of them for None."""
    if outcome is None:
        return operations
    if outcome == OVERDUE:
        return operations.filter(outcome=OperationOutcome.RUNNING, deadline__lt=timezone.now())
    return operations.filter(outcome=outcome)
