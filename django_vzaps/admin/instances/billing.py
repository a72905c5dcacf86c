"""Money: subscribe, cancel, resume. A page before that says what will happen, and a page after of what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_vzaps import services
from django_vzaps.admin import display, outcomes
from django_vzaps.admin.instances import forecasts
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.admin.instances.forms import BillingForm, ChargeForm
from django_vzaps.admin.remote import actor_of
from django_vzaps.models import (
    BILLING_KINDS,
    Instance,
    Operation,
    OperationKind,
    OperationPhase,
    Subscription,
    SubscriptionState,
    phase_of,
)
from django_vzaps.services import VZapsError

logger = logging.getLogger("django_vzaps.admin")

#: An open page asks this often, in seconds, and VZaps is read no more often than that, however many pages are open.
READ_EVERY: Final = 5
#: How long an open page goes on asking, in seconds.
WATCHED_FOR: Final = 600
HISTORY: Final = 5


@dataclass(frozen=True, kw_only=True)
class BillingChange:
    """One verb: what it is called, what it will do, and the service that does it."""

    name: str
    title: str | Promise
    button: str | Promise
    forecast: Callable[..., forecasts.Forecast]
    carry_out: Callable[..., Operation]
    form: type[forms.Form] = BillingForm
    is_dangerous: bool = False


CHANGES: Final = {
    OperationKind.SUBSCRIBE.value: BillingChange(
        name="subscribe",
        title=gettext_lazy("Subscribe"),
        button=gettext_lazy("Yes, charge the card"),
        forecast=forecasts.subscribe,
        carry_out=services.subscriptions.subscribe,
        form=ChargeForm,
    ),
    OperationKind.CANCEL.value: BillingChange(
        name="cancel",
        title=gettext_lazy("Cancel subscription"),
        button=gettext_lazy("Yes, cancel the subscription"),
        forecast=forecasts.cancel,
        carry_out=services.subscriptions.cancel,
        is_dangerous=True,
    ),
    OperationKind.RESUME.value: BillingChange(
        name="resume",
        title=gettext_lazy("Resume subscription"),
        button=gettext_lazy("Yes, resume the subscription"),
        forecast=forecasts.resume,
        carry_out=services.subscriptions.resume,
    ),
}


def read_billing(instance: Instance) -> VZapsError | None:
    """Ask VZaps: what a person is about to pay for must not be decided on an old reading."""
    try:
        services.subscriptions.refresh(instance)
    except VZapsError as error:
        return error
    instance.refresh_from_db()
    return None


class InstanceBilling(InstanceBase):
    def get_urls(self) -> list[URLPattern]:
        """With the page before each change, and that of what came of it."""
        name, place = "django_vzaps_instance", "<int:object_id>/billing/<int:operation_id>/"
        return [
            *(
                path(
                    f"<int:object_id>/{change.name}/",
                    self.remote(partial(self.billing_view, change=change)),
                    name=f"{name}_{change.name}",
                )
                for change in CHANGES.values()
            ),
            path(place, self.remote(self.billing_result_view), name=f"{name}_billing_result"),
            path(f"{place}check/", self.remote(self.billing_check_view), name=f"{name}_billing_check"),
            path(f"{place}poll/", self.remote(self.billing_poll_view), name=f"{name}_billing_poll"),
            *super().get_urls(),
        ]

    def billing_view(self, request: HttpRequest, object_id: int, *, change: BillingChange) -> HttpResponse:
        """GET reads the state and says what will happen, POST does it."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "POST"])
        instance = self.instance_for(request, object_id, "bill")
        if instance.removed_at is not None:
            return self.refuse_removed(request, instance)
        form = change.form(request.POST if request.method == "POST" else None)
        if form.is_valid():
            return self._bill(request, instance, change, str(form.cleaned_data["idempotency_key"]))
        read_error = read_billing(instance)
        pending = services.subscriptions.pending(instance)
        if pending is not None and pending.checkout_url and change.name == "subscribe":
            return self._to_result(instance, pending)
        subscription = display.subscription_of(instance) or Subscription(instance=instance)
        forecast = change.forecast(instance, subscription, was_read=read_error is None)
        if not (form.is_bound and forecast.doubt):
            form = change.form(initial={"in_doubt": bool(forecast.doubt)})
        context = {
            **self.page_context(request, instance, change.title),
            "change": change,
            "form": form,
            "forecast": forecast,
            "instead": forecast.instead and self.address(Instance, forecast.instead, instance.pk),
            "billing": display.billing(instance),
            "read": display.ago(subscription.refreshed_at),
            "read_error": read_error,
            "pending": pending,
            "pending_told": outcomes.told(pending) if pending else None,
            "history": self._history(instance),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_vzaps/instance/confirm_billing.html", context)

    def billing_result_view(self, request: HttpRequest, object_id: int, operation_id: int) -> HttpResponse:
        """What was asked, what VZaps answered, what reading showed. Looking at it sends nothing."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        instance, operation = self._billed(request, object_id, operation_id)
        context = {
            **self.page_context(request, instance, str(operation.kind_label).capitalize()),
            **self._result(request, instance, operation),
            "history": self._history(instance),
            "poll_every": READ_EVERY,
            "watched_for": WATCHED_FOR,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_vzaps/instance/billing_result.html", context)

    def billing_check_view(self, request: HttpRequest, object_id: int, operation_id: int) -> HttpResponse:
        """A person asks VZaps again."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        instance, operation = self._billed(request, object_id, operation_id)
        before = phase_of(operation)
        try:
            services.operations.settle(operation)
        except VZapsError as error:
            self.explain(request, error)
            return self._to_result(instance, operation)
        if phase_of(operation) == before:
            self.message_user(request, _("VZaps was read just now: nothing new."), messages.INFO)
        else:
            self.note(request, instance, operation)
        return self._to_result(instance, operation)

    def billing_poll_view(self, request: HttpRequest, object_id: int, operation_id: int) -> HttpResponse:
        """For the open page, as JSON: the ``phase`` and its words; ``now`` is the billing state as last read."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        instance, operation = self._billed(request, object_id, operation_id)
        error = None
        if operation.is_open and _is_due(instance):
            try:
                services.operations.settle(operation)
            except VZapsError as caught:
                error = caught
        instance.refresh_from_db()
        context = self._result(request, instance, operation) | {"opts": self.opts, "read_error": error}
        told: outcomes.Told = context["told"]
        html = render_to_string("admin/django_vzaps/instance/billing_state.html", context, request)
        return JsonResponse(
            {
                "phase": told.phase,
                "over": not told.is_moving,
                "headline": told.headline,
                "tone": told.tone,
                "error": "" if error is None else str(error),
                "now": context["now"],
                "html": html,
            }
        )

    def _bill(self, request: HttpRequest, instance: Instance, change: BillingChange, key: str) -> HttpResponse:
        began = timezone.now()
        try:
            operation = change.carry_out(instance, actor=actor_of(request), idempotency_key=key)
        except VZapsError as error:
            attempted: Operation | None = getattr(error, "operation", None)
            if attempted is None or not _is_about(attempted, instance):
                self.explain(request, error)
                return self.to_detail(instance)
            if isinstance(error, services.OperationInProgress):
                # The page that follows is that of the other one.
                self.explain(request, error)
                return self._to_result(instance, attempted)
            operation = attempted
        if operation.started_at >= began:
            self.note(request, instance, operation)
        elif operation.checkout_url:
            self.message_user(request, _("VZaps' checkout page is open already: no other one was made."), messages.INFO)
        else:
            self.message_user(request, _("This was asked for before: nothing was sent a second time."), messages.INFO)
        return self._to_result(instance, operation)

    def _billed(self, request: HttpRequest, object_id: int, operation_id: int) -> tuple[Instance, Operation]:
        instance = self.instance_for(request, object_id, "bill")
        operation = (
            Operation.objects.select_related("actor", "settled_by")
            .filter(pk=operation_id, instance=instance, kind__in=BILLING_KINDS)
            .first()
        )
        if operation is None:
            raise Http404
        return instance, operation

    def _to_result(self, instance: Instance, operation: Operation) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.address(Instance, "billing_result", instance.pk, operation.pk))

    def _result(self, request: HttpRequest, instance: Instance, operation: Operation) -> dict[str, Any]:
        told = outcomes.told(operation)
        subscription = display.subscription_of(instance)
        settles = told.phase in (OperationPhase.UNKNOWN, OperationPhase.OVERDUE)
        checks = told.phase in (OperationPhase.CHECKOUT, OperationPhase.UNVERIFIED)
        return {
            "instance": instance,
            "operation": operation,
            "told": told,
            "way_out": outcomes.way_out(operation) if settles else "",
            "asked": display.moment(operation.started_at),
            "answered": _answered(operation),
            "checkout": display.outside_link(operation.checkout_url, _("Open VZaps' checkout page (new tab)"))
            if told.phase == OperationPhase.CHECKOUT
            else "",
            "before": _state(operation.baseline),
            "before_read": display.ago(display.read_moment(operation.baseline, "read_at")),
            "after": _state(operation.effect),
            "after_read": display.ago(display.read_moment(operation.effect, "read_at")),
            "now": format_html(
                '{} <span class="vzaps-quiet">{}</span>',
                display.billing(instance),
                display.ago(subscription.refreshed_at if subscription else None),
            ),
            "check_label": _("Find out") if settles else _("Check again") if checks else "",
            "again": self.address(Instance, CHANGES[operation.kind].name, instance.pk)
            if told.phase in (OperationPhase.FAILED, OperationPhase.SAID_NOT_DONE) and instance.removed_at is None
            else "",
            "decide": self._decide_address(request, operation),
            "link": self.operation_link(request, operation),
        }

    def _decide_address(self, request: HttpRequest, operation: Operation) -> str:
        if not operation.is_open or not request.user.has_perm("django_vzaps.view_operation"):
            return ""
        return reverse("admin:django_vzaps_operation_decide", args=[operation.pk], current_app=self.admin_site.name)

    def _history(self, instance: Instance) -> list[dict[str, Any]]:
        changes = instance.operations.filter(kind__in=BILLING_KINDS).select_related("actor")[:HISTORY]
        return [
            {
                "url": self.address(Instance, "billing_result", instance.pk, change.pk),
                "name": str(change),
                "outcome": outcomes.badge(change),
                "started": display.ago(change.started_at),
                "actor": change.actor,
            }
            for change in changes
        ]


def _is_due(instance: Instance) -> bool:
    try:
        return bool(cache.add(f"django_vzaps:billing_read:{instance.pk}", 1, timeout=READ_EVERY))
    except Exception:  # whatever the cache raises: each open page keeps the pace for itself
        logger.warning("The cache failed: each open page of a billing change reads VZaps", exc_info=True)
        return True


def _is_about(operation: Operation, instance: Instance) -> bool:
    return operation.instance_id == instance.pk and operation.kind in BILLING_KINDS


def _answered(operation: Operation) -> list[tuple[str, SafeString | str]]:
    answer = operation.answer if isinstance(operation.answer, dict) else {}
    known = [
        (_("How it is paid"), outcomes.mode_in_words(str(answer.get("mode") or "")) if answer.get("mode") else ""),
        (_("Subscription id"), answer.get("subscription_id")),
        (_("VZaps' words"), answer.get("message")),
        (_("Status"), answer.get("status")),
    ]
    return [(label, display.from_outside(str(value))) for label, value in known if value]


def _state(record: Any) -> SafeString | str:
    """The billing state that an operation keeps, as the instance's own is shown."""
    if not isinstance(record, dict) or "billing_status" not in record:
        return ""
    status = str(record["billing_status"])
    return display.billing_state(
        SubscriptionState.from_billing_status(status), status, display.read_moment(record, "cancel_at")
    )
