"""The list of instances: the mirror only, never a call to VZaps, and as many queries for ten rows as for a hundred."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.db import connections, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_vzaps.admin import display
from django_vzaps.admin.instances import columns, strip
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.admin.instances.changelist import JOINED, InstanceChangeList
from django_vzaps.admin.instances.filters import (
    AccountFilter,
    BillingFilter,
    ConnectionFilter,
    FailedFilter,
    OwnerFilter,
    PresenceFilter,
    WebhookFilter,
)
from django_vzaps.admin.paging import CountingPaginator, limited
from django_vzaps.models import Alert, Instance
from django_vzaps.models.instance import InstanceQuerySet
from django_vzaps.search.instances import matching
from django_vzaps.services.alerts.visibility import visible


class InstanceList(InstanceBase):
    list_display = ["named", "connection", "billing", "webhook_health", "last_event", "backlog", "account", "owned_by"]
    list_filter = [
        ConnectionFilter,
        BillingFilter,
        WebhookFilter,
        FailedFilter,
        OwnerFilter,
        AccountFilter,
        PresenceFilter,
    ]
    list_select_related = JOINED
    list_per_page = 100
    list_max_show_all = 100
    # How they are searched is said below; here they make the box appear.
    search_fields = ["name", "vzaps_id", "phone", "whatsapp_jid"]
    search_help_text = _(
        "Search by the beginning of a name, VZaps id, phone number or JID. A * before the text finds it anywhere in "
        "names, which takes longer."
    )
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CountingPaginator
    sortable_by = ["named", "last_event"]

    @admin.display(description=_("instance"), ordering="name")
    def named(self, instance: Instance) -> SafeString:
        """Photo, name and phone."""
        return columns.name(instance)

    @admin.display(description=_("connection"))
    def connection(self, instance: Instance) -> SafeString:
        """The state, its age and its source."""
        return columns.connection(instance)

    @admin.display(description=_("billing"))
    def billing(self, instance: Instance) -> SafeString | str:
        """The state, and what comes next."""
        return columns.billing(instance)

    @admin.display(description=_("webhook"))
    def webhook_health(self, instance: Instance) -> SafeString:
        """Whether events reach this site."""
        return columns.webhook(instance)

    @admin.display(description=_("last event"), ordering="last_event_at")
    def last_event(self, instance: Instance) -> SafeString | str:
        """When something was heard of it."""
        return display.ago(instance.last_event_at)

    @admin.display(description=_("backlog"))
    def backlog(self, instance: Instance) -> SafeString | str:
        """How many events wait to be handled."""
        return columns.backlog(getattr(instance, "backlog", None))

    @admin.display(description=_("owner"))
    def owned_by(self, instance: Instance) -> SafeString | str:
        """Whose it is."""
        return columns.owner(instance)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[InstanceChangeList]:
        """With the strip of counts."""
        return InstanceChangeList

    def get_paginator(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        per_page: int,
        orphans: int = 0,
        allow_empty_first_page: bool = True,
    ) -> CountingPaginator:
        """One that counts the strip as well."""
        instances = cast("InstanceQuerySet", self.get_queryset(request))
        beside = strip.arms(instances)
        if request.user.has_perm("django_vzaps.view_alert"):
            beside[strip.ALERTS] = [limited(visible(request.user, Alert.objects.open()), most=strip.MOST)]
        return CountingPaginator(queryset, per_page, orphans, allow_empty_first_page, beside=beside)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the beginning, or in names: see :mod:`~django_vzaps.search.instances`."""
        if not search_term.strip():
            return queryset, False
        return queryset.filter(matching(search_term, vendor=connections[queryset.db].vendor)), False

    # Actions call services, which open no transaction inside another one.
    @transaction.non_atomic_requests
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Django's list, with a button to sync."""
        return super().changelist_view(
            request,
            {"may_sync": self.may_sync(request), **(extra_context or {})},
        )
