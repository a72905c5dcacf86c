"""What became another one of each instance, when, and who said so."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy

from django_vzaps.admin import display
from django_vzaps.admin.filters import ChoicesFilter
from django_vzaps.admin.history import words
from django_vzaps.admin.read_only import ReadOnlyAdmin
from django_vzaps.admin.scoped import ScopedAdmin
from django_vzaps.models import ChangedField, ConnectionSource, InstanceChange


class ChangedFieldFilter(ChoicesFilter):
    title = gettext_lazy("what changed")
    parameter_name = "field"
    choices_class = ChangedField
    column = "field"


class ChangeSourceFilter(ChoicesFilter):
    title = gettext_lazy("source")
    parameter_name = "source"
    choices_class = ConnectionSource
    column = "source"


@admin.register(InstanceChange)
class InstanceChangeAdmin(ScopedAdmin, ReadOnlyAdmin):
    change_list_template = "admin/django_vzaps/healingrun/change_list.html"
    list_display = ("when", "instance_shown", "what", "before", "after", "source_shown")
    list_filter = (ChangedFieldFilter, ChangeSourceFilter)
    list_select_related = ("instance",)
    fields = readonly_fields = ("instance", "what", "whole_before", "whole_after", "source_shown", "at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[InstanceChange]:
        """With the name of each instance, and without what VZaps last said of it."""
        return super().get_queryset(request).defer("instance__data", "instance__labels", "instance__token")

    @admin.display(description=gettext_lazy("when"))
    def when(self, change: InstanceChange) -> SafeString:
        """When it was heard of, written out: whoever looks for a cause compares clocks."""
        return display.moment_and_age(change.at)

    @admin.display(description=gettext_lazy("instance"))
    def instance_shown(self, change: InstanceChange) -> SafeString:
        """Whose it is."""
        return display.in_brief(str(change.instance))

    @admin.display(description=gettext_lazy("what"))
    def what(self, change: InstanceChange) -> str:
        """Which fact."""
        return capfirst(change.field_label)

    @admin.display(description=gettext_lazy("before"))
    def before(self, change: InstanceChange) -> SafeString | str:
        """What it was."""
        return words.value(change.field, change.old)

    @admin.display(description=gettext_lazy("after"))
    def after(self, change: InstanceChange) -> SafeString | str:
        """What it became."""
        return words.value(change.field, change.new)

    @admin.display(description=gettext_lazy("before"))
    def whole_before(self, change: InstanceChange) -> SafeString | str:
        """What it was, whole."""
        return words.value(change.field, change.old, most=words.LONGEST_VALUE)

    @admin.display(description=gettext_lazy("after"))
    def whole_after(self, change: InstanceChange) -> SafeString | str:
        """What it became, whole."""
        return words.value(change.field, change.new, most=words.LONGEST_VALUE)

    @admin.display(description=gettext_lazy("source"))
    def source_shown(self, change: InstanceChange) -> SafeString | str:
        """Who said so."""
        return words.source(change)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Under the name of what changed, and of whose it is."""
        change: InstanceChange | None = context.get("original")
        if change is not None:
            context |= {"title": self.what(change), "subtitle": str(change.instance)}
        return super().render_change_form(request, context, *args, **kwargs)
