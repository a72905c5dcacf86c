"""The history of an instance."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from django_vzaps.api.filters import ChangeFilters
from django_vzaps.api.pagination import Cursors
from django_vzaps.api.serializers.changes import ChangeSerializer
from django_vzaps.api.views.about_instance import InstanceViews
from django_vzaps.api.views.base import ListViewSet
from django_vzaps.models import InstanceChange


class ChangeViewSet(ListViewSet, InstanceViews):
    needs = {"list": [("view_instance", "view_instancechange")]}
    filters = {"list": ChangeFilters}
    pagination_class = Cursors

    def list(self, request: Request, vzaps_id: str) -> Response:
        rows = InstanceChange.objects.filter(instance=self.instance.pk)
        return self.listed(self.filtered(rows), ChangeSerializer)
