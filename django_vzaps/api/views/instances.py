"""Instances: list, create, look at, change, delete; sync and restart."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from django_vzaps import services
from django_vzaps.api.filters import InstanceFilters
from django_vzaps.api.pagination import Pages
from django_vzaps.api.problems import Problem
from django_vzaps.api.serializers.instances import (
    ChangeInstanceSerializer,
    CreateInstanceSerializer,
    DeleteInstanceSerializer,
    InstanceSerializer,
)
from django_vzaps.api.views.about_instance import InstanceViews
from django_vzaps.api.views.base import ListViewSet
from django_vzaps.models import Instance, Operation, OperationKind


class InstanceViewSet(ListViewSet, InstanceViews):
    needs = {
        "list": [("view_instance",)],
        "create": [("add_instance",)],
        "retrieve": [("view_instance",)],
        "partial_update": [("view_instance", "change_instance")],
        "destroy": [("view_instance", "delete_instance")],
        "sync": [("view_instance", "change_instance")],
        "restart": [("view_instance", "restart_instance")],
    }
    bodies = {"create": CreateInstanceSerializer, "partial_update": ChangeInstanceSerializer}
    queries = {"destroy": DeleteInstanceSerializer}
    filters = {"list": InstanceFilters}
    pagination_class = Pages

    def list(self, request: Request) -> Response:
        return self.listed(self.filtered(self.in_scope()), InstanceSerializer)

    def create(self, request: Request) -> Response:
        given, asked_at = self.body(), timezone.now()
        return self.changed(
            lambda **who: services.instances.create(**given, **who), succeeded=partial(self._created, asked_at)
        )

    def retrieve(self, request: Request, vzaps_id: str) -> Response:
        return self.shown(InstanceSerializer, self.instance)

    def partial_update(self, request: Request, vzaps_id: str) -> Response:
        instance, given = self.present, self.body()
        wanted = {name: value for name, value in given.items() if name != "owner"}
        try:
            if wanted:
                services.instances.update(instance, actor=self.actor, **wanted)
        except services.OutcomeUnknown:
            # The operation to follow knows nothing of the owner.
            self._assign(instance, given)
            raise
        self._assign(instance, given)
        return self.shown(InstanceSerializer, self._again(instance))

    def destroy(self, request: Request, vzaps_id: str) -> Response:
        return self.changed_instance(OperationKind.DELETE, partial(services.instances.delete, **self.query()))

    def sync(self, request: Request, vzaps_id: str) -> Response:
        self.body()
        instance = self.present
        services.sync.sync_instance(instance)
        return self.shown(InstanceSerializer, self._again(instance))

    def restart(self, request: Request, vzaps_id: str) -> Response:
        self.body()
        return self.changed_instance(OperationKind.RESTART, services.instances.restart)

    def _created(self, asked_at: datetime, operation: Operation) -> Response:
        if operation.instance is None:
            raise Http404
        if operation.started_at < asked_at and not self.in_scope().filter(pk=operation.instance.pk).exists():
            # Asked again under the same key: what has become of it is no longer this user's to see.
            raise Problem(
                "not-found",
                _("It was created before under this key, and you may not see it (any more). Nothing was sent again."),
            )
        response = self.shown(InstanceSerializer, self._again(operation.instance), status=201)
        if response.data["url"] is not None:
            response["Location"] = response.data["url"]
        return response

    def _assign(self, instance: Instance, given: dict[str, Any]) -> None:
        if "owner" in given:
            services.instances.assign(instance, given["owner"])

    def _again(self, instance: Instance) -> Any:
        """As it is now, also where a change has taken it out of the user's scope."""
        return Instance.objects.select_related("account", "owner", "subscription", "webhook").get(pk=instance.pk)
