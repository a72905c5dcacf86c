"""The inbox, to look at: what arrived, what became of it, and having it handled again."""

from __future__ import annotations

from django.contrib import admin

from django_vzaps.admin.events.detail import EventDetail
from django_vzaps.admin.events.listing import EventList
from django_vzaps.admin.events.replaying import EventReplay
from django_vzaps.models import Event

__all__ = ["EventAdmin"]


@admin.register(Event)
class EventAdmin(EventList, EventDetail, EventReplay):
    """The list, the page of one event, and the replay."""
