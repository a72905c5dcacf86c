"""Where VZaps sends an instance's events: as it is known, checked, set here, with a new secret."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from django_vzaps import services
from django_vzaps.api.serializers.instances import ApplyWebhookSerializer, WebhookSerializer
from django_vzaps.api.views.about_instance import InstanceViews
from django_vzaps.models import Instance, Operation, OperationKind, Webhook

_SET = [("view_instance", "set_webhook_instance")]


class WebhookViewSet(InstanceViews):
    needs = {
        "retrieve": [("view_instance",)],
        "check": [("view_instance", "change_instance"), *_SET],
        "apply": _SET,
        "rotate_secret": _SET,
    }
    bodies = {"apply": ApplyWebhookSerializer}

    def retrieve(self, request: Request, vzaps_id: str) -> Response:
        instance = self.instance
        return self.shown(WebhookSerializer, getattr(instance, "webhook", None) or Webhook(instance=instance))

    def check(self, request: Request, vzaps_id: str) -> Response:
        self.body()
        return self.shown(WebhookSerializer, services.webhooks.check(self.present))

    def apply(self, request: Request, vzaps_id: str) -> Response:
        given = self.body()

        def change(instance: Instance, **who: Any) -> Operation:
            if not given["overwrite"]:
                services.webhooks.refuse_foreign(instance)
            return services.webhooks.set(instance, events=given.get("events"), **who)

        return self.changed_instance(OperationKind.SET_WEBHOOK, change)

    def rotate_secret(self, request: Request, vzaps_id: str) -> Response:
        self.body()
        return self.changed_instance(OperationKind.SET_WEBHOOK, services.webhooks.rotate)
