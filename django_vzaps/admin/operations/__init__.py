"""Who changed what on VZaps, when, and how it ended. An open end is settled here: by reading, or by a person."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_vzaps import services
from django_vzaps.admin import display
from django_vzaps.admin.filters import KindFilter, OutcomeFilter
from django_vzaps.admin.paging import CappedPaginator
from django_vzaps.admin.read_only import ReadOnlyAdmin
from django_vzaps.admin.remote import RemoteAdmin, actor_of
from django_vzaps.models import BILLING_KINDS, Operation, OperationKind
from django_vzaps.services import VZapsError


@admin.register(Operation)
class OperationAdmin(ReadOnlyAdmin, RemoteAdmin):
    list_display = ["operation", "instance", "outcome_shown", "actor", "started", "account"]
    list_display_links = ["operation"]
    list_filter = [OutcomeFilter, KindFilter]
    list_select_related = ["instance", "actor", "account"]
    list_per_page = 100
    list_max_show_all = 100
    search_fields = ["instance__name", "instance__vzaps_id__exact", "request_id__exact"]
    search_help_text = gettext_lazy("Search by instance name, VZaps id or VZaps request id.")
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    sortable_by = ()
    readonly_fields = (
        "operation",
        "instance",
        "account",
        "actor",
        "outcome_shown",
        "error",
        "started_at",
        "finished_at",
        "confirmed_at",
        "settled_by",
        "parameters_shown",
        "baseline_shown",
        "answer_shown",
        "request_id",
    )
    fields = readonly_fields

    @admin.display(description=gettext_lazy("operation"))
    def operation(self, operation: Operation) -> str:
        """What was attempted."""
        return str(operation)

    @admin.display(description=gettext_lazy("outcome"))
    def outcome_shown(self, operation: Operation) -> SafeString:
        """How it ended."""
        return display.outcome(operation)

    @admin.display(description=gettext_lazy("started"))
    def started(self, operation: Operation) -> SafeString | str:
        """How long ago it began."""
        return display.ago(operation.started_at)

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

    def get_urls(self) -> list[URLPattern]:
        """With pages to find out, and to decide."""
        return [
            path("<int:object_id>/settle/", self.remote(self.settle_view), name="django_vzaps_operation_settle"),
            path("<int:object_id>/decide/", self.remote(self.decide_view), name="django_vzaps_operation_decide"),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With the buttons that make sense and that the user may press."""
        operation = context.get("original")
        is_open = operation is not None and _is_open(operation)
        context["is_open"] = is_open
        context["may_settle"] = is_open and self._may_settle(request)
        context["may_decide"] = is_open and self._may_decide(request)
        return super().render_change_form(request, context, *args, **kwargs)

    def settle_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Read from VZaps how it ended."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        operation = self._operation(request, object_id, permitted=self._may_settle(request))
        try:
            operation = services.operations.settle(operation)
        except VZapsError as error:
            self.explain(request, error)
            return self._back(operation)
        if _is_open(operation):
            text = _(
                "What VZaps shows now does not say how it ended. Look again later, or find out on VZaps' own pages."
            )
            self.message_user(request, text, messages.WARNING)
        else:
            self.note(request, operation.instance or operation, operation)
            self.message_user(
                request, _("Settled. Outcome: %(outcome)s.") % {"outcome": operation.outcome_label}, messages.SUCCESS
            )
        return self._back(operation)

    def decide_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """A person says how it ended, on a page that says what follows from that."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "POST"])
        operation = self._operation(request, object_id, permitted=self._may_decide(request))
        word = request.POST.get("carried_out")
        if request.method == "POST" and word in ("yes", "no"):
            self._decide(request, operation, carried_out=word == "yes")
            return self._back(operation)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Say how it ended"),
            "subtitle": str(operation),
            "opts": self.opts,
            "original": operation,
            "is_billing": operation.kind in BILLING_KINDS,
            "is_charge": operation.kind == OperationKind.SUBSCRIBE,
            "is_open": _is_open(operation),
            "media": self.media,
            "has_view_permission": True,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_vzaps/operation/decide.html", context)

    def _decide(self, request: HttpRequest, operation: Operation, *, carried_out: bool) -> None:
        try:
            services.operations.decide(operation, carried_out=carried_out, actor=actor_of(request))
        except VZapsError as error:
            self.explain(request, error)
            return
        self.note(request, operation.instance or operation, operation)
        self.message_user(
            request, _("Noted. Outcome: %(outcome)s.") % {"outcome": operation.outcome_label}, messages.SUCCESS
        )

    def _may_settle(self, request: HttpRequest) -> bool:
        return self.may_sync(request) or self._may_decide(request)

    def _may_decide(self, request: HttpRequest) -> bool:
        return request.user.has_perm("django_vzaps.bill_instance")

    def _operation(self, request: HttpRequest, object_id: int, *, permitted: bool) -> Operation:
        if not (permitted and self.has_view_permission(request)):
            raise PermissionDenied
        operation = self.get_object(request, str(object_id))
        if operation is None:
            raise Http404
        return operation  # type: ignore[no-any-return]

    def _back(self, operation: Operation) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.address(Operation, "change", operation.pk))


def _is_open(operation: Operation) -> bool:
    return Operation.objects.unsettled().filter(pk=operation.pk).exists()
