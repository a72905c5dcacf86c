"""How an open operation is settled: by reading, or by a person's word."""

from __future__ import annotations

import time
from typing import Final

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_vzaps import services
from django_vzaps.admin import outcomes
from django_vzaps.admin.remote import RemoteAdmin, actor_of
from django_vzaps.models import BILLING_KINDS, Operation, OperationKind, phase_of
from django_vzaps.services import VZapsError

#: How many are read by one press of a button, and for how long at most, in seconds: somebody waits for the page.
MOST: Final = 100
PATIENCE: Final = 20.0


class OperationSettling(RemoteAdmin):
    actions = ["find_out"]

    def get_urls(self) -> list[URLPattern]:
        """With pages to find out, and to decide."""
        return [
            path("<int:object_id>/settle/", self.remote(self.settle_view), name="django_vzaps_operation_settle"),
            path("<int:object_id>/decide/", self.remote(self.decide_view), name="django_vzaps_operation_decide"),
            *super().get_urls(),
        ]

    def has_settle_permission(self, request: HttpRequest) -> bool:
        """Whether the user may have VZaps read to find out how something ended."""
        return self.may_sync(request) or self.has_decide_permission(request)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whether the user may say how something ended: that can lead to a second charge."""
        return request.user.has_perm("django_vzaps.bill_instance")

    def settle_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Read from VZaps how it ended."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        operation = self.row_for(request, object_id, permitted=self.has_settle_permission(request))
        try:
            services.operations.settle(operation)
        except VZapsError as error:
            self.explain(request, error)
            return self._back(operation)
        if operation.is_open:
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

    @admin.action(description=gettext_lazy("Find out how the selected ended"), permissions=["settle"])
    def find_out(self, request: HttpRequest, queryset: QuerySet[Operation]) -> None:
        """Read VZaps about each that is open. Nothing is sent again."""
        chosen = [operation for operation in queryset[: MOST + 1] if operation.is_open or operation.is_overdue]
        if not chosen:
            self.message_user(request, _("All of them are settled: there is nothing to find out."), messages.INFO)
            return
        settled = looked_at = 0
        until = time.monotonic() + PATIENCE
        for operation in chosen[:MOST]:
            if time.monotonic() > until:
                break
            looked_at += 1
            try:
                services.operations.settle(operation)
            except VZapsError as error:
                self.explain(request, error, about=operation)
                continue
            if not operation.is_open:
                settled += 1
                self.note(request, operation.instance or operation, operation)
        self._tell(request, settled, still_open=looked_at - settled, left=len(chosen) - looked_at)

    def _tell(self, request: HttpRequest, settled: int, *, still_open: int, left: int) -> None:
        parts = [
            ngettext("%(count)d operation is settled.", "%(count)d operations are settled.", settled)
            % {"count": settled},
            still_open
            and ngettext(
                "Reading did not tell of %(count)d: open it to say how it ended.",
                "Reading did not tell of %(count)d: open them to say how they ended.",
                still_open,
            )
            % {"count": still_open},
            left
            and ngettext(
                "%(count)d was not looked at: select it again.",
                "%(count)d were not looked at: select them again.",
                left,
            )
            % {"count": left},
        ]
        level = messages.WARNING if still_open or left else messages.SUCCESS
        self.message_user(request, " ".join(str(part) for part in parts if part), level)

    def decide_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """A person says how it ended, on a page that says what follows from that."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "POST"])
        operation = self.row_for(request, object_id, permitted=self.has_decide_permission(request))
        word = request.POST.get("carried_out")
        phase = phase_of(operation)
        if request.method == "POST" and word in ("yes", "no"):
            if request.POST.get("phase", phase) == phase:
                self._decide(request, operation, carried_out=word == "yes")
            else:
                # Such as by the first of two clicks. Saying it twice releases the lock of a charge.
                self.message_user(request, services.operations.changed_meanwhile(), messages.WARNING)
            return self._back(operation)
        context = {
            **self.admin_site.each_context(request),
            "is_themed": self.is_themed,
            "title": _("Say how it ended"),
            "subtitle": str(operation),
            "opts": self.opts,
            "original": operation,
            "told": outcomes.told(operation),
            "is_billing": operation.kind in BILLING_KINDS,
            "is_charge": operation.kind == OperationKind.SUBSCRIBE,
            "is_open": operation.is_open,
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

    def _back(self, operation: Operation) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.address(Operation, "change", operation.pk))
