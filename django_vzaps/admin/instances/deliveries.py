"""VZaps' log of what it delivered: searched when somebody asks for it, delivered again at the press of a button."""

from __future__ import annotations

import uuid
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from django_vzaps import services
from django_vzaps.admin import display
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.admin.instances.forms import RetryForm
from django_vzaps.admin.remote import actor_of
from django_vzaps.events import tracing
from django_vzaps.events.tracing import Trace
from django_vzaps.models import Event, Instance
from django_vzaps.services import VZapsError
from django_vzaps.services.deliveries import FAILED, MOST_PAGES, Delivery, DeliveryPage

ALL: Final = "all"


class InstanceDeliveries(InstanceBase):
    def get_urls(self) -> list[URLPattern]:
        """With the delivery log, and the button that has a delivery made again."""
        return [
            path(
                "<int:object_id>/deliveries/",
                self.remote(self.deliveries_view),
                name="django_vzaps_instance_deliveries",
            ),
            path(
                "<int:object_id>/deliveries/again/",
                self.remote(self.deliver_again_view),
                name="django_vzaps_instance_deliver_again",
            ),
            *super().get_urls(),
        ]

    def deliveries_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """A form; with ``?search=1`` also what VZaps answers. Opening the page alone asks nothing."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        instance = self.instance_for(request, object_id, "set_webhook")
        if instance.removed_at is not None:
            return self.refuse_removed(request, instance)
        status, number = _asked(request.GET)
        found = error = None
        if "search" in request.GET:
            try:
                found = services.deliveries.search(instance, status="" if status == ALL else status, number=number)
            except VZapsError as raised:
                error = raised
        context: dict[str, Any] = {
            **self.page_context(request, instance, _("Delivery log")),
            "status": status,
            "number": number,
            "statuses": [(FAILED, _("Failed")), (ALL, _("All"))],
            "found": found,
            "error": error,
            "rows": self._rows(request, instance, found) if found else [],
            "repeats": bool(found and found.deliveries and found.deliveries[0].id == request.GET.get("after")),
            "previous": _query(status, number - 1) if number > 1 else None,
            "next": _query(status, number + 1, after=found.deliveries[0].id)
            if found and found.has_next and number < MOST_PAGES
            else None,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_vzaps/instance/deliveries.html", context)

    def deliver_again_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Have VZaps make one delivery again."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        instance = self.instance_for(request, object_id, "set_webhook")
        if instance.removed_at is not None:
            return self.refuse_removed(request, instance)
        form = RetryForm(request.POST)
        if not form.is_valid():
            raise BadRequest("A delivery and an idempotency key are needed.")
        given = form.cleaned_data
        if self.carry_out(
            request,
            lambda: services.deliveries.retry(
                instance, given["log_id"], actor=actor_of(request), idempotency_key=str(given["idempotency_key"])
            ),
            about=instance,
        ):
            text = _(
                "VZaps accepted to deliver it again, to the address that it has now. The log below was read after "
                "that; search once more to see what became of it."
            )
            self.message_user(request, text, messages.SUCCESS)
        back = self.address(Instance, "deliveries", instance.pk)
        return HttpResponseRedirect(f"{back}{_query(*_asked(request.POST))}")

    def _rows(self, request: HttpRequest, instance: Instance, found: DeliveryPage) -> list[dict[str, Any]]:
        traces = tracing.traces(instance, found.deliveries)
        may_see = request.user.has_perm("django_vzaps.view_event")
        return [self._row(delivery, traces[delivery.id], may_see=may_see) for delivery in found.deliveries]

    def _row(self, delivery: Delivery, trace: Trace, *, may_see: bool) -> dict[str, Any]:
        event_id = trace.event_id
        return {
            "delivery": delivery,
            "at": display.ago(delivery.at),
            "event_type": display.from_outside(trace.event_type),
            "trace": trace,
            "event_url": self.address(Event, "change", event_id) if event_id is not None and may_see else None,
            "idempotency_key": uuid.uuid4(),
        }


def _asked(given: Any) -> tuple[str, int]:
    """The status and the page that a form or an address asks for."""
    status = ALL if given.get("status") == ALL else FAILED
    number = given.get("page", "")
    is_number = number.isascii() and number.isdigit() and len(number) < 4
    return status, min(max(int(number), 1), MOST_PAGES) if is_number else 1


def _query(status: str, number: int, **more: str) -> str:
    return "?" + urlencode({"search": 1, "status": status, "page": number, **more})
