"""Events: list, look at, have handled again."""

from __future__ import annotations

from django.db.models import Prefetch, QuerySet
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from django_vzaps import scope
from django_vzaps.api.filters import EventFilters
from django_vzaps.api.pagination import Cursors
from django_vzaps.api.serializers.events import (
    EventDetailSerializer,
    EventSerializer,
    ReplayReportSerializer,
    ReplaySerializer,
)
from django_vzaps.api.views.base import ListViewSet
from django_vzaps.events.replay import replay
from django_vzaps.models import Event, HandlerRun, Instance


class EventViewSet(ListViewSet):
    needs = {
        "list": [("view_event",)],
        "retrieve": [("view_event",)],
        "replay": [("view_event", "replay_event")],
    }
    bodies = {"replay": ReplaySerializer}
    filters = {"list": EventFilters}
    pagination_class = Cursors

    def list(self, request: Request) -> Response:
        # Payloads may be megabytes: one event shows its own. What VZaps last said of an instance is not small either.
        rows = self._in_scope().select_related("instance").defer("payload", "instance__data")
        return self.listed(self.filtered(rows), EventSerializer)

    def retrieve(self, request: Request, pk: int) -> Response:
        # In the order in which they were begun, which not every database keeps by itself.
        runs = Prefetch("runs", HandlerRun.objects.order_by("pk"))
        event = self._in_scope().select_related("instance").prefetch_related(runs).filter(pk=pk).first()
        if event is None:
            raise Http404
        return self.shown(EventDetailSerializer, event)

    def replay(self, request: Request, pk: int) -> Response:
        given = self.body()
        events = self._in_scope().filter(pk=pk)
        if not events.exists():
            raise Http404
        report = replay(
            Event.objects.filter(pk=pk),
            interrupted=given["what"] in ("interrupted", "again"),
            again=given["what"] == "again",
            dry_run=given["dry_run"],
        )
        reason = next(iter(report.skipped), None)
        shown = {
            "is_replayed": report.events > 0 and not given["dry_run"],
            "handlers": sorted(report.runs),
            "left_out_because": None if reason is None else reason.value,
        }
        return self.shown(ReplayReportSerializer, shown)

    def _in_scope(self) -> QuerySet[Event]:
        return scope.about(self.request.user, Event.objects.all(), Instance.objects.all())
