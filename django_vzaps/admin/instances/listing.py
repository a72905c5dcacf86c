"""The list of instances: the mirror only, never a call to VZaps, and as many queries for ten rows as for a hundred."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_vzaps.admin import display
from django_vzaps.admin.filters import BillingFilter, ConnectionFilter, PresenceFilter
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.admin.paging import CappedPaginator
from django_vzaps.models import Instance


class InstanceList(InstanceBase):
    list_display = ["name", "phone", "connection", "billing", "last_sync", "last_event"]
    list_filter = [ConnectionFilter, BillingFilter, PresenceFilter, "account"]
    list_select_related = ["account", "subscription"]
    list_per_page = 100
    list_max_show_all = 100
    search_fields = ["name", "vzaps_id", "phone", "whatsapp_jid"]
    search_help_text = _("Search by name, VZaps id, phone number or JID.")
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    sortable_by = ["name", "phone", "last_sync", "last_event"]

    @admin.display(description=_("connection"))
    def connection(self, instance: Instance) -> SafeString:
        """The state, its age and its source."""
        return display.connection(instance)

    @admin.display(description=_("billing"))
    def billing(self, instance: Instance) -> SafeString | str:
        """The state, and when it ends."""
        return display.billing(instance)

    @admin.display(description=_("synced"), ordering="synced_at")
    def last_sync(self, instance: Instance) -> SafeString | str:
        """How old the mirror is."""
        return display.ago(instance.synced_at)

    @admin.display(description=_("last event"), ordering="last_event_at")
    def last_event(self, instance: Instance) -> SafeString | str:
        """When something was heard of it."""
        return display.ago(instance.last_event_at)

    # Actions call services, which open no transaction inside another one.
    @transaction.non_atomic_requests
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Django's list, with a button to sync."""
        return super().changelist_view(
            request,
            {
                "title": str(self.opts.verbose_name_plural).capitalize(),
                "may_sync": self.may_sync(request),
                **(extra_context or {}),
            },
        )
