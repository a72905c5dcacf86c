"""The inbox, to look at: what arrived and what became of it."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_vzaps.admin import display
from django_vzaps.admin.filters import EventStateFilter, EventTypeFilter
from django_vzaps.admin.paging import CappedPaginator
from django_vzaps.admin.read_only import ReadOnlyAdmin, ReadOnlyInline
from django_vzaps.models import Event, EventSource, HandlerRun, HandlerRunState


class HandlerRunInline(ReadOnlyInline):
    model = HandlerRun
    readonly_fields = (
        "handler",
        "state_shown",
        "attempts",
        "started_at",
        "duration",
        "error",
    )
    fields = readonly_fields

    @admin.display(description=_("state"))
    def state_shown(self, run: HandlerRun) -> SafeString:
        """What became of it."""
        return display.badge(HandlerRunState, run.state)


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ["event", "instance", "state_shown", "received", "chat_shown", "message_id", "duplicates"]
    list_display_links = ["event"]
    list_filter = [EventStateFilter, EventTypeFilter]
    list_select_related = ["instance"]
    list_per_page = 100
    list_max_show_all = 100
    search_fields = ["message_id__exact", "chat__startswith"]
    search_help_text = _("Search by message id, or by the beginning of the chat's number.")
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    sortable_by = ()
    inlines = [HandlerRunInline]
    readonly_fields = (
        "event",
        "instance",
        "state_shown",
        "source_shown",
        "received_at",
        "occurred_at",
        "chat_shown",
        "message_id",
        "duplicates",
        "retry_at",
        "payload_shown",
    )
    fields = readonly_fields

    class Media:
        css = {"all": ["django_vzaps/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        """Without the payloads, which may be megabytes: the page of one event reads its own."""
        return super().get_queryset(request).defer("payload")

    @admin.display(description=_("event"))
    def event(self, event: Event) -> SafeString | str:
        """Its type, as VZaps calls it, and its number."""
        return display.from_outside(str(event))

    @admin.display(description=_("state"))
    def state_shown(self, event: Event) -> SafeString:
        """What became of it."""
        return display.event_state(event)

    @admin.display(description=_("received"))
    def received(self, event: Event) -> SafeString | str:
        """How long ago it came."""
        return display.ago(event.received_at)

    @admin.display(description=_("source"))
    def source_shown(self, event: Event) -> str:
        """Which way it came."""
        return display.label(EventSource, event.source)

    @admin.display(description=_("chat"))
    def chat_shown(self, event: Event) -> SafeString | str:
        """With whom."""
        return display.from_outside(event.chat)

    @admin.display(description=_("payload"))
    def payload_shown(self, event: Event) -> SafeString | str:
        """As received, without secrets."""
        body: Any = event.body
        return display.pretty(event.payload if body is None else json.dumps(body, indent=2, ensure_ascii=False))
