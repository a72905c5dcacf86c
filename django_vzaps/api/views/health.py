"""How it goes as a whole: for a monitoring probe."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from django_vzaps import services
from django_vzaps.api.serializers.health import HealthSerializer, LimitsSerializer
from django_vzaps.api.views.base import APIViewSet


class HealthViewSet(APIViewSet):
    needs = {"retrieve": [("view_instance",)]}
    queries = {"retrieve": LimitsSerializer}

    def retrieve(self, request: Request) -> Response:
        limits, found = self.query(), services.health.summary(request.user)
        failing = list(services.health.failing(found, limits))
        shown = found | {"status": "failing" if failing else "ok", "failing": failing}
        return self.shown(HealthSerializer, shown, status=503 if failing else 200)
