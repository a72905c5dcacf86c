"""How it goes as a whole: for a monitoring probe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from django_vzaps import services
from django_vzaps.api.serializers.health import HealthSerializer, LimitsSerializer
from django_vzaps.api.views.base import APIViewSet
from django_vzaps.models import ConnectionState


class HealthViewSet(APIViewSet):
    needs = {"retrieve": [("view_instance",)]}
    queries = {"retrieve": LimitsSerializer}

    def retrieve(self, request: Request) -> Response:
        limits, found = self.query(), services.health.summary(request.user)
        failing = sorted(_failing(found, limits))
        shown = found | {"status": "failing" if failing else "ok", "failing": failing}
        return self.shown(HealthSerializer, shown, status=503 if failing else 200)


def _failing(found: Mapping[str, Any], limits: Mapping[str, int]) -> Iterator[str]:
    never = float("inf")
    values = {
        "max_backlog_age": found["backlog"]["age"] or 0,
        "max_sync_age": max((never if sync["age"] is None else sync["age"] for sync in found["syncs"]), default=never),
        "max_disconnected": found["connections"][ConnectionState.DISCONNECTED]
        + found["connections"][ConnectionState.STALE],
        "max_failed_events": found["failed_events"],
        "max_unsettled": found["unsettled_operations"],
    }
    for name, limit in limits.items():
        if values[name] > limit:
            yield name
