"""Sending a message."""

from __future__ import annotations

from functools import partial

from rest_framework.request import Request
from rest_framework.response import Response

from django_vzaps import services
from django_vzaps.api.serializers.messages import SendTextSerializer
from django_vzaps.api.views.about_instance import InstanceViews
from django_vzaps.models import OperationKind


class MessageViewSet(InstanceViews):
    needs = {"send": [("view_instance", "send_instance")]}
    bodies = {"send": SendTextSerializer}

    def send(self, request: Request, vzaps_id: str) -> Response:
        return self.changed_instance(OperationKind.SEND_TEXT, partial(services.messages.send_text, **self.body()))
