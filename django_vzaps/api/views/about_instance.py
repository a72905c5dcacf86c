"""What every view about one instance starts from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.db.models import QuerySet
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework.response import Response

from django_vzaps import scope
from django_vzaps.api.idempotency import key_of
from django_vzaps.api.problems import Problem
from django_vzaps.api.views.base import APIViewSet
from django_vzaps.models import Instance, Operation, OperationKind
from django_vzaps.models.fields import storable


class InstanceViews(APIViewSet):
    """Views below ``instances/<vzaps_id>/``."""

    def in_scope(self) -> QuerySet[Instance]:
        """The instances that the user may see, with what is shown of them."""
        rows = scope.limited(self.request.user, Instance.objects.all())
        return rows.select_related("account", "owner", "subscription", "webhook").defer("data")

    @property
    def instance(self) -> Instance:
        """The one that is meant. Raises ``Http404`` for one that the user may not see."""
        found = self.in_scope().filter(vzaps_id=storable(self.kwargs["vzaps_id"])).first()
        if found is None:
            raise Http404
        return found

    def changed_instance(self, kind: OperationKind, change: Callable[..., Operation]) -> Response:
        """As :meth:`changed`, for ``change(instance, actor=..., idempotency_key=...)``.

        Whoever asks again under the same key gets the same operation also where the instance is gone since.
        """
        instance = self.instance
        if instance.removed_at is None:
            return self.changed(partial(change, instance))
        key = key_of(self.request)
        known = Operation.objects.filter(idempotency_key=key, kind=kind, instance=instance).first() if key else None
        if known is None:
            raise _removed()
        return self.outcome(known)

    @property
    def present(self) -> Instance:
        """The same, where there is something on VZaps to ask or to change. Raises :class:`Problem`."""
        found = self.instance
        if found.removed_at is not None:
            raise _removed()
        return found


def _removed() -> Problem:
    return Problem("instance-removed", _("This instance is gone from VZaps: it can only be looked at."))
