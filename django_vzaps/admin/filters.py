"""Filters on the right of the lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet, TextChoices
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_vzaps import conf
from django_vzaps.models import (
    ConnectionState,
    Instance,
    SubscriptionState,
)

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
    from django.contrib.admin.views.main import ChangeList
else:
    _Admin = admin.ModelAdmin


class ChoicesFilter(admin.SimpleListFilter):
    """One value out of known ones, for a column without choices of its own."""

    choices_class: ClassVar[type[TextChoices]]
    column: ClassVar[str]

    def lookups(self, request: HttpRequest, model_admin: _Admin) -> Iterable[tuple[str, str]]:
        return [(value, str(label).capitalize()) for value, label in self.choices_class.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if value is None else queryset.filter(**{self.column: value})


class ConnectionFilter(ChoicesFilter):
    """The same distinctions as ``Instance.connection_state``, made by the database."""

    title = _("connection")
    parameter_name = "connection"
    choices_class = ConnectionState

    def queryset(self, request: HttpRequest, queryset: QuerySet[Instance]) -> QuerySet[Instance]:
        limit = timezone.now() - timedelta(seconds=conf.current().stale_after)
        never_paired = Q(connected=False, connected_at=None, whatsapp_jid="", phone="")
        match self.value():
            case ConnectionState.CONNECTED:
                return queryset.filter(connected=True, connection_asked_at__gte=limit)
            case ConnectionState.STALE:
                return queryset.filter(Q(connection_asked_at=None) | Q(connection_asked_at__lt=limit), connected=True)
            case ConnectionState.DISCONNECTED:
                return queryset.filter(connected=False).exclude(never_paired)
            case ConnectionState.NEVER_PAIRED:
                return queryset.filter(never_paired)
            case ConnectionState.UNKNOWN:
                return queryset.filter(connected=None)
            case _:
                return queryset


class BillingFilter(ChoicesFilter):
    title = _("billing")
    parameter_name = "billing"
    choices_class = SubscriptionState
    column = "subscription__state"


class PresenceFilter(admin.SimpleListFilter):
    """Instances that are gone from VZaps are hidden until somebody asks for them."""

    title = _("presence on VZaps")
    parameter_name = "presence"

    def lookups(self, request: HttpRequest, model_admin: _Admin) -> Iterable[tuple[str, str]]:
        return [("gone", str(_("Gone"))), ("all", str(_("All")))]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield first | {"display": _("Present")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Instance]) -> QuerySet[Instance]:
        match self.value():
            case "all":
                return queryset
            case "gone":
                return queryset.filter(removed_at__isnull=False)
            case _:
                return queryset.filter(removed_at__isnull=True)
