"""Rows about instances: whoever may not see an instance sees nothing that is about it."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db.models import QuerySet
from django.http import Http404, HttpRequest

from django_vzaps import scope
from django_vzaps.admin.themes import ModelAdmin
from django_vzaps.models import Instance


class ScopedAdmin(ModelAdmin):
    """``VZAPS["INSTANCE_SCOPE"]`` decides which rows exist for a user: the others are not listed, and 404.

    ``instance_lookup`` leads from a row to its instance. A row about none is nobody's, but for whom ``actor_lookup``
    leads to, where it is given.
    """

    instance_lookup = "instance"
    actor_lookup = ""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Those the user may see."""
        return self.in_scope(request, super().get_queryset(request))

    def in_scope(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those of ``rows`` that the user may see."""
        return scope.about(
            request.user,
            rows,
            Instance.objects.all(),
            lookup=self.instance_lookup,
            actor_lookup=self.actor_lookup,
        )

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> NoReturn:
        # Django would redirect, and repeat the id in a message.
        raise Http404
