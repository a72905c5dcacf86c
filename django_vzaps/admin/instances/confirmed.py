"""Changes with a page that says what will happen, and a button that does it. Those of billing are apart."""

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
from django.utils.translation import gettext_lazy

from django_vzaps import services
from django_vzaps.admin import display
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.admin.instances.billing import read_billing
from django_vzaps.admin.instances.forms import ConfirmForm, DeleteForm
from django_vzaps.admin.remote import actor_of
from django_vzaps.models import Instance, Operation

Given = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One verb: who may, what it is called, and the service that does it.

    ``doubt``: what was not seen to be so after VZaps accepted it; empty where it was.
    """

    name: str
    permission: str
    title: str | Promise
    done: str | Promise
    carry_out: Callable[[Instance, AbstractBaseUser, Given], Operation]
    form: type[forms.Form] = ConfirmForm
    doubt: Callable[[Operation], str] = lambda _operation: ""

    @property
    def template(self) -> str:
        """The page that says what will happen."""
        return f"admin/django_vzaps/instance/confirm_{self.name}.html"


def _key(given: Given) -> str | None:
    key = given["idempotency_key"]
    return None if key is None else str(key)


CHANGES = (
    Change(
        name="restart",
        permission="restart",
        title=gettext_lazy("Restart instance"),
        done=gettext_lazy("VZaps restarts the instance."),
        carry_out=lambda instance, actor, given: services.instances.restart(
            instance, actor=actor, idempotency_key=_key(given)
        ),
    ),
    Change(
        name="disconnect",
        permission="pair",
        title=gettext_lazy("Disconnect from WhatsApp"),
        done=gettext_lazy("The instance is disconnected from WhatsApp."),
        carry_out=lambda instance, actor, given: services.sessions.disconnect(
            instance, actor=actor, idempotency_key=_key(given)
        ),
    ),
    Change(
        name="rotate",
        permission="set_webhook",
        title=gettext_lazy("Rotate the webhook's secret"),
        done=gettext_lazy("VZaps has the new URL. Events to the old one are accepted for a few more minutes."),
        carry_out=lambda instance, actor, given: services.webhooks.rotate(
            instance, actor=actor, idempotency_key=_key(given)
        ),
        doubt=services.webhooks.doubt,
    ),
)

DELETE = Change(
    name="delete",
    permission="delete",
    title=gettext_lazy("Delete instance on VZaps"),
    done=gettext_lazy("The instance is deleted on VZaps. What was known of it is kept here."),
    form=DeleteForm,
    carry_out=lambda instance, actor, given: services.instances.delete(
        instance, actor=actor, despite_subscription=given["despite_subscription"], idempotency_key=_key(given)
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
                doubt = change.doubt(operation)
                self.message_user(request, doubt or str(change.done), messages.WARNING if doubt else messages.SUCCESS)
            return self.to_detail(instance)
        context = {
            **self.page_context(request, instance, change.title),
            "change": change,
            "form": form,
            **(self._billing_now(request, instance) if change is DELETE else {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, change.template, context)

    def _billing_now(self, request: HttpRequest, instance: Instance) -> dict[str, Any]:
        # What is paid for must not be deleted on an old reading either.
        read_error = read_billing(instance)
        pending = services.subscriptions.pending(instance)
        subscription = display.subscription_of(instance)
        return {
            "subscription": subscription,
            "billing": display.billing(instance),
            "billing_read": display.ago(subscription.refreshed_at if subscription else None),
            "read_error": read_error,
            "unsettled": self.operation_link(request, pending) or (str(pending) if pending else ""),
        }
