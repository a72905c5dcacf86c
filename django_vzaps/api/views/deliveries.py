"""VZaps' log of what it delivered: searched when somebody asks, delivered again when somebody wants that."""

from __future__ import annotations

from dataclasses import fields

from rest_framework.request import Request
from rest_framework.response import Response

from django_vzaps import services
from django_vzaps.api.serializers.deliveries import DeliveryPageSerializer, SearchDeliveriesSerializer
from django_vzaps.api.views.about_instance import InstanceViews
from django_vzaps.events import tracing
from django_vzaps.models import OperationKind
from django_vzaps.models.fields import storable
from django_vzaps.services.deliveries import FAILED, Delivery

_SET = [("view_instance", "set_webhook_instance")]


class DeliveryViewSet(InstanceViews):
    needs = {"search": _SET, "retry": _SET}
    queries = {"search": SearchDeliveriesSerializer}

    def search(self, request: Request, vzaps_id: str) -> Response:
        instance, asked = self.present, self.query()
        status = FAILED if asked["status"] == FAILED else ""
        found = services.deliveries.search(instance, status=status, number=asked["page"])
        traces = tracing.traces(instance, found.deliveries)
        rows = [
            _columns(delivery)
            | {"event_type": traces[delivery.id].event_type, "event_id": traces[delivery.id].event_id}
            for delivery in found.deliveries
        ]
        page = {
            "page": found.number,
            "total": found.total,
            "has_next": found.has_next,
            "problems": found.problems,
            "results": rows,
        }
        return self.shown(DeliveryPageSerializer, page)

    def retry(self, request: Request, vzaps_id: str, log_id: str) -> Response:
        self.body()
        return self.changed_instance(
            OperationKind.RETRY_DELIVERY,
            lambda instance, **who: services.deliveries.retry(instance, storable(log_id, 128), **who),
        )


def _columns(delivery: Delivery) -> dict[str, object]:
    return {field.name: getattr(delivery, field.name) for field in fields(delivery) if field.name != "payload"}
