"""Filters on the right of the lists of events and operations; those of instances are beside their list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet, TextChoices
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_vzaps.models import EventState, OperationKind, OperationOutcome
from django_vzaps.services import webhooks

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
else:
    _Admin = admin.ModelAdmin


class ChoicesFilter(admin.SimpleListFilter):
    """One value out of known ones, for a column without choices of its own."""

    choices_class: ClassVar[type[TextChoices]]
    column: ClassVar[str]

    def lookups(self, request: HttpRequest, model_admin: _Admin) -> Iterable[tuple[str, str]]:
        return [(value, str(label).capitalize()) for value, label in self.choices_class.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if value is None else queryset.filter(**{self.column: value})


class EventStateFilter(ChoicesFilter):
    title = _("state")
    parameter_name = "state"
    choices_class = EventState
    column = "state"


class EventTypeFilter(admin.SimpleListFilter):
    """The documented types; looking up those in use would read the whole table."""

    title = _("type")
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: _Admin) -> Iterable[tuple[str, str]]:
        return [(name, name) for name in webhooks.EVENT_TYPES if name != "All"]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if value is None else queryset.filter(type=value)


class OutcomeFilter(ChoicesFilter):
    title = _("outcome")
    parameter_name = "outcome"
    choices_class = OperationOutcome
    column = "outcome"


class KindFilter(ChoicesFilter):
    title = _("kind")
    parameter_name = "kind"
    choices_class = OperationKind
    column = "kind"
