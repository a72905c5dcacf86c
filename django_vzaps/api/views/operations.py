"""Operations: what was attempted, how it ended, and finding out where that is not known."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from django_vzaps import scope, services
from django_vzaps.api.filters import OperationFilters
from django_vzaps.api.pagination import Cursors
from django_vzaps.api.serializers.operations import DecisionSerializer, OperationSerializer
from django_vzaps.api.views.base import ListViewSet
from django_vzaps.models import Instance, Operation, phase_of


class OperationViewSet(ListViewSet):
    needs = {
        "list": [("view_operation",)],
        "retrieve": [("view_operation",)],
        "settle": [("view_operation", "change_instance"), ("view_operation", "bill_instance")],
        "decide": [("view_operation", "bill_instance")],
    }
    bodies = {"decide": DecisionSerializer}
    filters = {"list": OperationFilters}
    pagination_class = Cursors

    def list(self, request: Request) -> Response:
        return self.listed(self.filtered(self._in_scope().defer("instance__data")), OperationSerializer)

    def retrieve(self, request: Request, pk: int) -> Response:
        return self.shown(OperationSerializer, self._operation(pk))

    def settle(self, request: Request, pk: int) -> Response:
        self.body()
        return self.shown(OperationSerializer, services.operations.settle(self._operation(pk)))

    def decide(self, request: Request, pk: int) -> Response:
        given, operation = self.body(), self._operation(pk)
        if given["phase"] != phase_of(operation):
            # Such as by the first of two requests. Saying it twice releases the lock of a charge.
            raise services.ChangeFailed(services.operations.changed_meanwhile(), operation=operation)
        decided = services.operations.decide(operation, carried_out=given["carried_out"], actor=self.actor)
        return self.shown(OperationSerializer, decided)

    def _operation(self, pk: int) -> Operation:
        operation = self._in_scope().filter(pk=pk).first()
        if operation is None:
            raise Http404
        return operation

    def _in_scope(self) -> QuerySet[Operation]:
        rows = Operation.objects.select_related("instance__account", "account", "actor", "settled_by", "batch")
        return scope.about(self.request.user, rows, Instance.objects.all(), actor_lookup="actor")
