"""Who changed what on VZaps, when, and how it ended. An open end is settled here: by reading, or by a person."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db import connections, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_vzaps.admin import display, outcomes
from django_vzaps.admin.operations.filters import (
    OVERDUE,
    ActorFilter,
    KindFilter,
    OutcomeFilter,
    StartedFilter,
    within,
)
from django_vzaps.admin.operations.settling import OperationSettling
from django_vzaps.admin.paging import counted, limited
from django_vzaps.admin.read_only import ReadOnlyAdmin
from django_vzaps.admin.scoped import ScopedAdmin
from django_vzaps.models import BILLING_KINDS, Instance, Operation, OperationOutcome
from django_vzaps.search.instances import named
from django_vzaps.services.operations import READABLE

#: The counts above the list stop here.
MANY: Final = 100
#: A name that so many instances begin with is looked up in the other order: operations first.
FEW: Final = 500
NEIGHBOURS: Final = 3


@admin.register(Operation)
class OperationAdmin(OperationSettling, ScopedAdmin, ReadOnlyAdmin):
    actor_lookup = "actor"
    list_display = ["operation", "instance_shown", "outcome_shown", "by", "started", "took", "account", "batch_shown"]
    list_display_links = ["operation"]
    list_filter = [OutcomeFilter, KindFilter, StartedFilter, ActorFilter]
    list_select_related = ["instance", "actor", "account", "batch"]
    search_fields = ["instance__name__startswith", "instance__vzaps_id__exact", "request_id__exact"]
    search_help_text = gettext_lazy("Search by the beginning of an instance's name, its VZaps id, or a request id.")
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "operation",
                    "instance",
                    "account",
                    "batch_shown",
                    "by",
                    "outcome_shown",
                    "error_shown",
                    "started_at",
                    "took",
                    "finished_at",
                    "confirmed_at",
                    "settled_by",
                    "request_id",
                ]
            },
        ),
        (
            gettext_lazy("What was sent and answered"),
            {"classes": ["collapse"], "fields": ["parameters_shown", "baseline_shown", "answer_shown", "effect_shown"]},
        ),
    ]

    class Media:
        css = {"all": ["django_vzaps/billing.css", "django_vzaps/operations.css"]}

    def get_readonly_fields(self, request: HttpRequest, obj: Operation | None = None) -> list[str]:
        """Every one."""
        return flatten_fieldsets(self.fieldsets)

    @admin.display(description=gettext_lazy("operation"))
    def operation(self, operation: Operation) -> str:
        """What was attempted."""
        return str(operation)

    @admin.display(description=gettext_lazy("instance"))
    def instance_shown(self, operation: Operation) -> SafeString | str:
        """What it was about; its page is one click further."""
        return display.in_brief(str(operation.instance)) if operation.instance else display.NOTHING

    @admin.display(description=gettext_lazy("outcome"))
    def outcome_shown(self, operation: Operation) -> SafeString:
        """How it ended; beside it, what keeps it open."""
        return outcomes.badge(operation)

    @admin.display(description=gettext_lazy("by"))
    def by(self, operation: Operation) -> SafeString | str:
        """Who wanted it."""
        return display.from_outside(str(operation.actor)) if operation.actor else _("the system")

    @admin.display(description=gettext_lazy("started"))
    def started(self, operation: Operation) -> SafeString:
        """When it began, written out: whoever looks for a culprit compares clocks."""
        return display.moment_and_age(operation.started_at)

    @admin.display(description=gettext_lazy("took"))
    def took(self, operation: Operation) -> str:
        """How long until its outcome was known."""
        if operation.finished_at is None:
            return display.NOTHING
        return display.duration(operation.finished_at - operation.started_at)

    @admin.display(description=gettext_lazy("batch"))
    def batch_shown(self, operation: Operation) -> SafeString | str:
        """The operations that were asked for together with it."""
        if operation.batch is None:
            return display.NOTHING
        together = f"{self.address(Operation, 'changelist')}?batch__id__exact={operation.batch_id}"
        return format_html('<a href="{}">{}</a>', together, operation.batch)

    @admin.display(description=gettext_lazy("error"))
    def error_shown(self, operation: Operation) -> SafeString | str:
        """What VZaps, or this program, said."""
        return display.from_outside(operation.error)

    @admin.display(description=gettext_lazy("parameters"))
    def parameters_shown(self, operation: Operation) -> SafeString | str:
        """What was asked for."""
        return display.pretty(operation.parameters)

    @admin.display(description=gettext_lazy("known before"))
    def baseline_shown(self, operation: Operation) -> SafeString | str:
        """What was known when it was attempted; a hash is nobody's business."""
        return display.pretty({key: value for key, value in operation.baseline.items() if key != "webhook"})

    @admin.display(description=gettext_lazy("answer"))
    def answer_shown(self, operation: Operation) -> SafeString | str:
        """What VZaps said."""
        return display.pretty(operation.answer)

    @admin.display(description=gettext_lazy("read back"))
    def effect_shown(self, operation: Operation) -> SafeString | str:
        """What VZaps showed when it was confirmed."""
        return display.pretty(operation.effect)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Operation], search_term: str
    ) -> tuple[QuerySet[Operation], bool]:
        """The instances first, then what was done to them: each on an index, which a join of both would not be."""
        term = search_term.strip()
        if not term:
            return queryset, False
        vendor = connections[queryset.db].vendor
        meant = Instance.objects.filter(named(term, vendor=vendor) | Q(vzaps_id=term)).order_by()
        found = list(meant.values_list("pk", flat=True)[: FEW + 1])
        instances: Any = found if len(found) <= FEW else meant.values("pk")
        return queryset.filter(Q(instance__in=instances) | Q(request_id=term)), False

    @transaction.non_atomic_requests  # an action reads VZaps
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """With what is wrong above the list, a click each."""
        links = self._links(request) if self.has_view_permission(request) else []
        title = str(self.opts.verbose_name_plural).capitalize()
        return super().changelist_view(request, {"title": title, "links": links, **(extra_context or {})})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With what it means, the buttons that make sense and that the user may press, and what went before."""
        operation: Operation | None = context.get("original")
        if operation is not None:
            readable = operation.is_overdue or (operation.is_open and operation.kind in READABLE)
            context |= {
                "told": outcomes.told(operation),
                "way_out": outcomes.way_out(operation),
                "may_settle": readable and self.has_settle_permission(request),
                "may_decide": operation.is_open and self.has_decide_permission(request),
                "billing_page": self._billing_page(operation) if self.has_decide_permission(request) else "",
                "neighbours": self._neighbours(request, operation),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def _links(self, request: HttpRequest) -> list[dict[str, Any]]:
        rows = self.get_queryset(request).order_by()
        wrong = (
            (OperationOutcome.UNKNOWN.value, _("Unknown outcome")),
            (OVERDUE, _("Running too long")),
            (OperationOutcome.FAILED.value, _("Failed")),
        )
        found = {outcome: [limited(within(rows, outcome), most=MANY - 1)] for outcome, _words in wrong}
        counts = counted(found, using=rows.db)
        return [
            {
                "query": f"?outcome={outcome}",
                "words": words,
                "count": count if (count := counts[outcome]) < MANY else f"{MANY - 1}+",
                "is_chosen": request.GET.get("outcome") == outcome,
            }
            for outcome, words in wrong
        ]

    def _billing_page(self, operation: Operation) -> str:
        if operation.kind not in BILLING_KINDS or operation.instance_id is None:
            return ""
        return reverse(
            "admin:django_vzaps_instance_billing_result",
            args=[operation.instance_id, operation.pk],
            current_app=self.admin_site.name,
        )

    def _neighbours(self, request: HttpRequest, operation: Operation) -> list[dict[str, Any]]:
        if operation.instance_id is None:
            return []
        others = Operation.objects.filter(instance=operation.instance_id).select_related("actor")
        later = list(others.filter(pk__gt=operation.pk).order_by("pk")[:NEIGHBOURS])[::-1]
        earlier = list(others.filter(pk__lt=operation.pk).order_by("-pk")[:NEIGHBOURS])
        return [
            {
                "url": self.address(Operation, "change", other.pk),
                "name": str(other),
                "outcome": outcomes.badge(other),
                "started": display.ago(other.started_at),
                "by": self.by(other),
                "is_this": other.pk == operation.pk,
            }
            for other in (*later, operation, *earlier)
        ]
