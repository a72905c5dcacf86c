"""One instance: what is known of it, and what can be done by whoever is looking."""

from __future__ import annotations

from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils import timezone

from django_vzaps.admin import display
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.models import ConnectionState, Event, Instance, Operation, SubscriptionState
from django_vzaps.models.subscription import PAID_FOR

RECENT: Final = 10


class InstanceDetail(InstanceBase):
    @transaction.non_atomic_requests
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's page with every field read-only; what changes something is behind the buttons."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        return super().change_view(
            request, object_id, form_url, {**self._page(request, object_id), **(extra_context or {})}
        )

    def _page(self, request: HttpRequest, object_id: str) -> dict[str, Any]:
        instance = self.get_object(request, object_id) if self.has_view_permission(request) else None
        if instance is None:
            return {}
        user = request.user
        sees_events = user.has_perm("django_vzaps.view_event")
        sees_operations = user.has_perm("django_vzaps.view_operation")
        return {
            "title": str(self.opts.verbose_name).capitalize(),
            "instance": instance,
            "may": self._offered(request, instance),
            "events": self._recent_events(instance) if sees_events else None,
            "operations": self._recent_operations(instance) if sees_operations else None,
            "all_events": self.address(Event, "changelist"),
            "all_operations": self.address(Operation, "changelist"),
        }

    def _recent_events(self, instance: Instance) -> list[dict[str, Any]]:
        return [
            {
                "url": self.address(Event, "change", event.pk),
                "name": str(event),
                "state": display.event_state(event),
                "received": display.ago(event.received_at),
                "chat": display.from_outside(event.chat),
            }
            for event in instance.events.defer("payload")[:RECENT]
        ]

    def _recent_operations(self, instance: Instance) -> list[dict[str, Any]]:
        return [
            {
                "url": self.address(Operation, "change", operation.pk),
                "name": str(operation),
                "outcome": display.outcome(operation),
                "started": display.ago(operation.started_at),
                "actor": operation.actor,
            }
            for operation in instance.operations.select_related("actor")[:RECENT]
        ]

    def _offered(self, request: HttpRequest, instance: Instance) -> dict[str, bool]:
        permitted = self.permitted(request)
        if instance.removed_at is not None:
            return {"check": permitted["change"]}
        subscription = display.subscription_of(instance)
        state = subscription.state if subscription else SubscriptionState.UNKNOWN
        ends = subscription.cancel_at if subscription else None
        running = ends is None and (
            state in PAID_FOR or state in (SubscriptionState.TRIALING, SubscriptionState.UNKNOWN)
        )
        webhook = display.webhook_of(instance)
        bill = permitted["bill"]
        return {
            "check": permitted["change"],
            "edit": permitted["change"],
            "pair": permitted["pair"] and instance.connection_state != ConnectionState.CONNECTED,
            "disconnect": permitted["pair"] and instance.connected is not False,
            "restart": permitted["restart"],
            "webhook": permitted["set_webhook"],
            "rotate": permitted["set_webhook"] and webhook is not None and webhook.is_managed,
            "subscribe": bill and state not in PAID_FOR,
            "cancel": bill and running,
            "resume": bill and ends is not None and ends > timezone.now(),
            "delete": permitted["delete"],
        }
