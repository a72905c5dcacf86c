"""What VZaps failed to deliver, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_vzaps.admin import display
from django_vzaps.admin.read_only import ReadOnlyAdmin
from django_vzaps.admin.remote import RemoteAdmin
from django_vzaps.admin.scoped import ScopedAdmin
from django_vzaps.models import Event, FailedDelivery, HealingOutcome, HealingRun


class NeedsAttentionFilter(admin.SimpleListFilter):
    """Looks that left something for a person."""

    title = _("needs attention")
    parameter_name = "needs"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [("unrecoverable", str(_("Unrecoverable"))), ("problems", str(_("Not read to the end")))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[HealingRun]) -> QuerySet[HealingRun]:
        match self.value():
            case "unrecoverable":
                return queryset.filter(unrecoverable__gt=0)
            case "problems":
                return queryset.exclude(problems="")
            case _:
                return queryset


class _LogAdmin(ScopedAdmin, ReadOnlyAdmin, RemoteAdmin):
    change_list_template = "admin/django_vzaps/healingrun/change_list.html"

    @admin.display(description=_("instance"))
    def instance_shown(self, row: FailedDelivery | HealingRun) -> SafeString:
        """Whose it is."""
        return display.in_brief(str(row.instance))


@admin.register(FailedDelivery)
class FailedDeliveryAdmin(_LogAdmin):
    list_display = ("log_id", "instance_shown", "outcome_shown", "failed_at", "event_shown", "detail_shown")
    list_select_related = ("instance", "event")
    search_fields = ("log_id__exact",)
    search_help_text = _("Search by the id in VZaps' delivery log.")
    fields = readonly_fields = (
        "log_id",
        "instance",
        "run",
        "outcome_shown",
        "failed_at",
        "event_shown",
        "detail",
        "retry_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[FailedDelivery]:
        """With the type of each event, and without its payload."""
        return super().get_queryset(request).defer("event__payload")

    @admin.display(description=_("outcome"))
    def outcome_shown(self, delivery: FailedDelivery) -> str:
        """What became of it."""
        return display.label(HealingOutcome, delivery.outcome)

    @admin.display(description=_("event"))
    def event_shown(self, delivery: FailedDelivery) -> SafeString | str:
        """The event it is in the inbox."""
        if delivery.event is None:
            return display.NOTHING
        url = self.address(Event, "change", delivery.event_id)
        return format_html('<a href="{}">{}</a>', url, display.from_outside(str(delivery.event)))

    @admin.display(description=_("detail"))
    def detail_shown(self, delivery: FailedDelivery) -> SafeString | str:
        """What is known of it, in brief."""
        return display.in_brief(delivery.detail, display.LONGEST_DETAIL) if delivery.detail else display.NOTHING


@admin.register(HealingRun)
class HealingRunAdmin(_LogAdmin):
    list_display = ("started_at", "seen_at", "instance_shown", "counts_shown", "problems_shown")
    list_filter = (NeedsAttentionFilter,)
    list_select_related = ("instance",)
    fields = readonly_fields = (
        "instance",
        "started_at",
        "finished_at",
        "seen_at",
        "looked_since",
        "missing",
        "recovered",
        "present",
        "unrecoverable",
        "problems",
        "deliveries_shown",
    )

    @admin.display(description=_("deliveries"))
    def counts_shown(self, run: HealingRun) -> str:
        """How many there were of each kind."""
        return _(
            "%(missing)d missing: %(recovered)d recovered, %(present)d arrived, %(unrecoverable)d unrecoverable"
        ) % {name: getattr(run, name) for name in ("missing", "recovered", "present", "unrecoverable")}

    @admin.display(description=_("problems"))
    def problems_shown(self, run: HealingRun) -> SafeString | str:
        """The first thing that could not be read."""
        first = run.problems.partition("\n")[0]
        return display.in_brief(first, display.LONGEST_DETAIL) if first else display.NOTHING

    @admin.display(description=_("deliveries"))
    def deliveries_shown(self, run: HealingRun) -> SafeString:
        """The way to the list of them."""
        url = self.address(FailedDelivery, "changelist")
        return format_html('<a href="{}?run__id__exact={}">{}</a>', url, run.pk, _("Show the deliveries"))
