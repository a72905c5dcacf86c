"""What every page about events starts from: which of them a user may see, and who may replay."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from django_vzaps.admin import display
from django_vzaps.admin.read_only import ReadOnlyAdmin
from django_vzaps.admin.remote import RemoteAdmin
from django_vzaps.admin.scoped import ScopedAdmin
from django_vzaps.models import Event


class EventBase(ScopedAdmin, ReadOnlyAdmin, RemoteAdmin):
    class Media:
        css = {"all": ["django_vzaps/events.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        """Without payloads, which may be megabytes: one event reads its own."""
        return super().get_queryset(request).defer("payload")

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Not by the payload: what is masked on the pages could be guessed letter by letter, reading every row."""
        return not lookup.startswith("payload") and super().lookup_allowed(lookup, value, request)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whether the user may have events handled again."""
        return request.user.has_perm("django_vzaps.replay_event") and self.has_view_permission(request)

    @admin.display(description=gettext_lazy("event"))
    def event(self, event: Event) -> SafeString | str:
        """Its type, as VZaps calls it, and its number."""
        return display.from_outside(str(event))
