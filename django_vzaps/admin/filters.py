"""What the filters on the right of the lists have in common; each list's own are beside it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.contrib import admin
from django.db.models import QuerySet, TextChoices
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy

#: How far back people look most often.
SPANS: Final = {
    "hour": (gettext_lazy("Last hour"), timedelta(hours=1)),
    "day": (gettext_lazy("Last 24 hours"), timedelta(days=1)),
    "week": (gettext_lazy("Last 7 days"), timedelta(days=7)),
}

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
else:
    _Admin = admin.ModelAdmin


class ChoicesFilter(admin.SimpleListFilter):
    """One value out of known ones, for a column without choices of its own."""

    choices_class: ClassVar[type[TextChoices]]
    column: ClassVar[str]

    def lookups(self, request: HttpRequest, model_admin: _Admin) -> Iterable[tuple[str, str]]:
        return [(value, capfirst(str(label))) for value, label in self.choices_class.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if value is None else queryset.filter(**{self.column: value})
