"""One instance: what is known of it, and what can be done by whoever is looking."""

from __future__ import annotations

from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.text import capfirst

from django_vzaps.admin import display, history, outcomes
from django_vzaps.admin.instances.check import comparison_for
from django_vzaps.admin.instances.offers import SECTION_OFFERS, TOOLS, InstanceOffers
from django_vzaps.models import Alert, Event, Instance, InstanceChange, Operation
from django_vzaps.services.alerts import words

RECENT: Final = 10


class InstanceDetail(InstanceOffers):
    @transaction.non_atomic_requests
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's page with every field read-only; what changes something is behind the buttons."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        return super().change_view(request, object_id, form_url, extra_context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With the sections, each with what can be done there, and what happened lately."""
        instance = context.get("original")
        if instance is not None:
            context |= self._page(request, instance, [*context["adminform"]])
        return super().render_change_form(request, context, *args, **kwargs)

    def _page(self, request: HttpRequest, instance: Instance, fieldsets: list[Any]) -> dict[str, Any]:
        user, offered = request.user, self.offered(request, instance)
        sees_events = user.has_perm("django_vzaps.view_event")
        sees_operations = user.has_perm("django_vzaps.view_operation")
        sees_changes = user.has_perm("django_vzaps.view_instancechange")
        *sections, last_answer = fieldsets
        return {
            "title": str(self.opts.verbose_name).capitalize(),
            "tools": self.controls(instance, TOOLS, offered),
            "sections": [
                (fieldset, self.controls(instance, offers, offered))
                for fieldset, offers in zip(sections, SECTION_OFFERS.values(), strict=True)
            ],
            "last_answer": last_answer,
            "comparison": comparison_for(request, instance),
            "gone": display.ago(instance.removed_at) if instance.removed_at else None,
            "alerts": self._open_alerts(instance) if user.has_perm("django_vzaps.view_alert") else None,
            "events": self._recent_events(instance) if sees_events else None,
            "operations": self._recent_operations(instance) if sees_operations else None,
            "changes": self._newest_changes(instance) if sees_changes else None,
            "all_changes": self.address(InstanceChange, "changelist"),
            "all_events": self.address(Event, "changelist"),
            "all_operations": self.address(Operation, "changelist"),
        }

    def _open_alerts(self, instance: Instance) -> list[dict[str, Any]]:
        return [
            {
                "url": self.address(Alert, "change", alert.pk),
                "title": words.title(alert),
                "advice": words.advice(alert),
                "since": display.ago(alert.since or alert.raised_at),
            }
            for alert in instance.alerts.filter(resolved_at__isnull=True)[:RECENT]
        ]

    def _newest_changes(self, instance: Instance) -> list[dict[str, Any]]:
        return [
            {
                "url": self.address(InstanceChange, "change", change.pk),
                "what": capfirst(change.field_label),
                "before": history.words.value(change.field, change.old),
                "after": history.words.value(change.field, change.new),
                "when": display.ago(change.at),
                "source": history.words.source(change),
            }
            for change in instance.changes.all()[:RECENT]
        ]

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
                "outcome": outcomes.badge(operation),
                "started": display.ago(operation.started_at),
                "actor": operation.actor,
            }
            for operation in instance.operations.select_related("actor")[:RECENT]
        ]
