"""What can be done to several instances at once. Billing cannot."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_vzaps import services
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.admin.remote import actor_of
from django_vzaps.models import Instance, Operation
from django_vzaps.models.subscription import PAID_FOR
from django_vzaps.services import VZapsError


class InstanceActions(InstanceBase):
    actions = ["sync_selected", "restart_selected", "delete_on_vzaps"]

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """Without Django's own delete: it would remove our row and leave the instance on VZaps."""
        # Only Django 6.1 and later say, and ask, on which page the actions are offered.
        place = {} if action_location is None else {"action_location": action_location}
        actions = super().get_actions(request, **place)
        actions.pop("delete_selected", None)
        return actions

    @admin.action(description=gettext_lazy("Read the selected instances from VZaps"), permissions=["change"])
    def sync_selected(self, request: HttpRequest, queryset: QuerySet[Instance]) -> None:
        """Read each from VZaps; one that cannot be read does not keep the others back."""
        if (chosen := self._chosen(request, queryset)) is None:
            return
        done = []
        for instance in chosen:
            try:
                done.append(services.sync.sync_instance(instance))
            except VZapsError as error:
                self.explain(request, error, about=instance)
        self._tell_names(
            request,
            done,
            ngettext(
                "%(count)d instance read from VZaps: %(names)s.",
                "%(count)d instances read from VZaps: %(names)s.",
                len(done),
            ),
        )

    @admin.action(description=gettext_lazy("Restart the selected instances"), permissions=["restart"])
    def restart_selected(self, request: HttpRequest, queryset: QuerySet[Instance]) -> HttpResponse | None:
        """Restart each, after a page that names them."""
        if (chosen := self._chosen(request, queryset)) is None:
            return None
        if "confirmed" not in request.POST:
            return self._ask(request, chosen, "restart_selected", _("Restart instances"))
        done = self._each(
            request, chosen, lambda instance: services.instances.restart(instance, actor=actor_of(request))
        )
        self._tell_names(
            request,
            done,
            ngettext(
                "%(count)d instance restarted: %(names)s.", "%(count)d instances restarted: %(names)s.", len(done)
            ),
        )
        return None

    @admin.action(description=gettext_lazy("Delete the selected instances on VZaps"), permissions=["delete"])
    def delete_on_vzaps(self, request: HttpRequest, queryset: QuerySet[Instance]) -> HttpResponse | None:
        """Delete each on VZaps, after a page that names them and those that are paid for."""
        if (chosen := self._chosen(request, queryset)) is None:
            return None
        if "confirmed" not in request.POST:
            return self._ask(request, chosen, "delete_on_vzaps", _("Delete instances on VZaps"))
        despite = "despite_subscription" in request.POST
        done = self._each(
            request,
            chosen,
            lambda instance: services.instances.delete(instance, actor=actor_of(request), despite_subscription=despite),
        )
        self._tell_names(
            request,
            done,
            ngettext(
                "%(count)d instance deleted on VZaps: %(names)s.",
                "%(count)d instances deleted on VZaps: %(names)s.",
                len(done),
            ),
        )
        return None

    def _chosen(self, request: HttpRequest, queryset: QuerySet[Instance]) -> list[Instance] | None:
        # One request does the work, so it must be an amount that a request can do.
        chosen = list(queryset.select_related("account", "subscription")[: self.list_per_page + 1])
        if len(chosen) <= self.list_per_page:
            return chosen
        self.message_user(
            request,
            _("Choose at most %(count)d instances at a time. Nothing was done.") % {"count": self.list_per_page},
            messages.ERROR,
        )
        return None

    def _ask(self, request: HttpRequest, chosen: list[Instance], action: str, title: str) -> HttpResponse:
        paid_for = [
            instance
            for instance in chosen
            if (subscription := getattr(instance, "subscription", None)) and subscription.state in PAID_FOR
        ]
        context = {
            **self.page_context(request, None, title),
            "action": action,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
            "chosen": chosen,
            "paid_for": paid_for,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_vzaps/instance/confirm_action.html", context)

    def _each(
        self, request: HttpRequest, chosen: list[Instance], change: Callable[[Instance], Operation]
    ) -> list[Instance]:
        return [
            instance
            for instance in chosen
            if self.carry_out(request, partial(change, instance), about=instance, among_others=True) is not None
        ]

    def _tell_names(self, request: HttpRequest, done: list[Instance], sentence: str) -> None:
        if done:
            names = ", ".join(str(instance) for instance in done)
            self.message_user(request, sentence % {"count": len(done), "names": names}, messages.SUCCESS)
