"""What charges a card, and what stops that."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from django_vzaps import services
from django_vzaps.api.serializers.instances import SubscriptionSerializer
from django_vzaps.api.throttling import BillingThrottle
from django_vzaps.api.views.about_instance import InstanceViews
from django_vzaps.models import OperationKind, Subscription

_BILL = [("view_instance", "bill_instance")]


class SubscriptionViewSet(InstanceViews):
    needs = {
        "retrieve": [("view_instance",)],
        "refresh": [("view_instance", "change_instance"), ("view_instance", "bill_instance")],
        "subscribe": _BILL,
        "cancel": _BILL,
        "resume": _BILL,
    }
    throttles = dict.fromkeys(("subscribe", "cancel", "resume"), (BillingThrottle,))

    def retrieve(self, request: Request, vzaps_id: str) -> Response:
        instance = self.instance
        return self.shown(
            SubscriptionSerializer, getattr(instance, "subscription", None) or Subscription(instance=instance)
        )

    def refresh(self, request: Request, vzaps_id: str) -> Response:
        self.body()
        return self.shown(SubscriptionSerializer, services.subscriptions.refresh(self.present))

    def subscribe(self, request: Request, vzaps_id: str) -> Response:
        self.body()
        return self.changed_instance(OperationKind.SUBSCRIBE, services.subscriptions.subscribe)

    def cancel(self, request: Request, vzaps_id: str) -> Response:
        self.body()
        return self.changed_instance(OperationKind.CANCEL, services.subscriptions.cancel)

    def resume(self, request: Request, vzaps_id: str) -> Response:
        self.body()
        return self.changed_instance(OperationKind.RESUME, services.subscriptions.resume)
