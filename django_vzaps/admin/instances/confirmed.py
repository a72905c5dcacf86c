"""Changes with a page that says what will happen, and a button that does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_vzaps import services
from django_vzaps.admin import display
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.admin.instances.forms import ChargeForm, ConfirmForm, DeleteForm
from django_vzaps.admin.remote import actor_of
from django_vzaps.models import BILLING_KINDS, Instance, Operation, OperationKind
from django_vzaps.services import VZapsError

Given = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One verb: who may, what it is called, and the service that does it.

    ``reads_billing``: the confirmation page shows the billing state as VZaps tells it at that moment.
    ``doubt``: what was not seen to be so after VZaps accepted it; empty where it was.
    """

    name: str
    permission: str
    title: str | Promise
    done: str | Promise
    carry_out: Callable[[Instance, AbstractBaseUser, Given], Operation]
    form: type[forms.Form] = ConfirmForm
    reads_billing: bool = False
    doubt: Callable[[Operation], str] = lambda _operation: ""

    @property
    def template(self) -> str:
        """The page that says what will happen."""
        return f"admin/django_vzaps/instance/confirm_{self.name}.html"


CHANGES = (
    Change(
        name="restart",
        permission="restart",
        title=gettext_lazy("Restart instance"),
        done=gettext_lazy("VZaps restarts the instance."),
        carry_out=lambda instance, actor, _given: services.instances.restart(instance, actor=actor),
    ),
    Change(
        name="disconnect",
        permission="pair",
        title=gettext_lazy("Disconnect from WhatsApp"),
        done=gettext_lazy("The instance is disconnected from WhatsApp."),
        carry_out=lambda instance, actor, _given: services.sessions.disconnect(instance, actor=actor),
    ),
    Change(
        name="rotate",
        permission="set_webhook",
        title=gettext_lazy("Rotate the webhook's secret"),
        done=gettext_lazy("VZaps has the new URL. Events to the old one are accepted for a few more minutes."),
        carry_out=lambda instance, actor, _given: services.webhooks.rotate(instance, actor=actor),
        doubt=services.webhooks.doubt,
    ),
    Change(
        name="subscribe",
        permission="bill",
        title=gettext_lazy("Subscribe"),
        done=gettext_lazy("VZaps accepted the subscription."),
        form=ChargeForm,
        reads_billing=True,
        carry_out=lambda instance, actor, given: services.subscriptions.subscribe(
            instance, actor=actor, idempotency_key=str(given["idempotency_key"])
        ),
    ),
    Change(
        name="cancel",
        permission="bill",
        title=gettext_lazy("Cancel subscription"),
        done=gettext_lazy("VZaps accepted the cancellation."),
        reads_billing=True,
        carry_out=lambda instance, actor, _given: services.subscriptions.cancel(instance, actor=actor),
    ),
    Change(
        name="resume",
        permission="bill",
        title=gettext_lazy("Resume subscription"),
        done=gettext_lazy("VZaps resumes the subscription."),
        reads_billing=True,
        carry_out=lambda instance, actor, _given: services.subscriptions.resume(instance, actor=actor),
    ),
)

DELETE = Change(
    name="delete",
    permission="delete",
    title=gettext_lazy("Delete instance on VZaps"),
    done=gettext_lazy("The instance is deleted on VZaps. What was known of it is kept here."),
    form=DeleteForm,
    reads_billing=True,
    carry_out=lambda instance, actor, given: services.instances.delete(
        instance, actor=actor, despite_subscription=given["despite_subscription"]
    ),
)


class InstanceConfirmed(InstanceBase):
    def get_urls(self) -> list[URLPattern]:
        """With one page for each change."""
        return [
            *(
                path(
                    f"<int:object_id>/{change.name}/",
                    self.remote(partial(self.change_on_vzaps, change=change)),
                    name=f"django_vzaps_instance_{change.name}",
                )
                for change in CHANGES
            ),
            *super().get_urls(),
        ]

    @transaction.non_atomic_requests
    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Delete on VZaps instead of here: the row stays."""
        return self.change_on_vzaps(request, object_id, change=DELETE)

    def change_on_vzaps(self, request: HttpRequest, object_id: int | str, *, change: Change) -> HttpResponse:
        """GET says what will happen, POST does it."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "POST"])
        instance = self.instance_for(request, object_id, change.permission)
        if instance.removed_at is not None:
            return self.refuse_removed(request, instance)
        form = change.form(request.POST if request.method == "POST" else None)
        if form.is_valid():
            operation = self.carry_out(
                request,
                lambda: change.carry_out(instance, actor_of(request), form.cleaned_data),
                about=instance,
            )
            if operation is not None:
                self._tell_outcome(request, change, operation)
            return self.to_detail(instance)
        read_error = self._read_billing(instance) if change.reads_billing and request.method != "POST" else None
        unsettled = self._unsettled(request, instance) if change.reads_billing else ""
        subscription = display.subscription_of(instance)
        context = {
            **self.page_context(request, instance, change.title),
            "change": change,
            "form": form,
            "subscription": subscription,
            "billing_read": display.ago(subscription.refreshed_at if subscription else None),
            "billing": display.billing(instance),
            "read_error": read_error,
            "unsettled": unsettled,
            "is_blocked": bool(unsettled) and change.permission == "bill",
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, change.template, context)

    def _read_billing(self, instance: Instance) -> VZapsError | None:
        # What a person is about to pay for must not be decided on an old reading.
        try:
            services.subscriptions.refresh(instance)
        except VZapsError as error:
            return error
        instance.refresh_from_db()
        return None

    def _unsettled(self, request: HttpRequest, instance: Instance) -> str:
        waiting = Operation.objects.unsettled().filter(instance=instance, kind__in=BILLING_KINDS).first()
        return self.operation_link(request, waiting) or (str(waiting) if waiting else "")

    def _tell_outcome(self, request: HttpRequest, change: Change, operation: Operation) -> None:
        answer = operation.answer or {}
        if operation.kind == OperationKind.SUBSCRIBE and answer.get("url") and answer.get("mode") != "direct":
            checkout = display.outside_link(str(answer["url"]), _("Open the checkout page"))
            text = _("VZaps asks for the payment on a page of its own. Nothing is paid until that is done there. {}")
            self.message_user(request, format_html(text, checkout), messages.WARNING)
        elif operation.kind in BILLING_KINDS and operation.confirmed_at is None:
            text = _("{} What it shows afterwards does not confirm that yet: it is read again with the next sync. {}")
            link = self.operation_link(request, operation)
            self.message_user(request, format_html(text, change.done, link), messages.WARNING)
        elif doubt := change.doubt(operation):
            self.message_user(request, doubt, messages.WARNING)
        else:
            self.message_user(request, str(change.done), messages.SUCCESS)
