"""Alerts: what is wrong, and what was."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from django_vzaps.api.filters import AlertFilters
from django_vzaps.api.pagination import Cursors
from django_vzaps.api.serializers.alerts import AlertSerializer
from django_vzaps.api.views.base import ListViewSet
from django_vzaps.models import Alert
from django_vzaps.services.alerts.visibility import visible


class AlertViewSet(ListViewSet):
    needs = {"list": [("view_alert",)], "retrieve": [("view_alert",)]}
    filters = {"list": AlertFilters}
    pagination_class = Cursors

    def list(self, request: Request) -> Response:
        return self.listed(self.filtered(self._in_scope()), AlertSerializer)

    def retrieve(self, request: Request, pk: int) -> Response:
        alert = self._in_scope().filter(pk=pk).first()
        if alert is None:
            raise Http404
        return self.shown(AlertSerializer, alert)

    def _in_scope(self) -> QuerySet[Alert]:
        rows = Alert.objects.select_related("instance", "account").defer("instance__data")
        return visible(self.request.user, rows)
