"""Batches: start one, follow it, retry what failed, stop it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from django_vzaps import scope, services
from django_vzaps.api.filters import BatchFilters, BatchItemFilters
from django_vzaps.api.idempotency import batch_id_of
from django_vzaps.api.pagination import Cursors
from django_vzaps.api.problems import Problem
from django_vzaps.api.serializers.batches import (
    BatchItemSerializer,
    BatchSerializer,
    StartBatchSerializer,
    StoppedSerializer,
    parameters_of,
)
from django_vzaps.api.views.base import ListViewSet
from django_vzaps.api.views.starting import StartsBatches
from django_vzaps.models import Account, Batch, BatchKind, Instance
from django_vzaps.services.batches import permission_for, visible, visible_items

#: Whoever may have something done to many sees the batches of their own; with ``view_batch``, those of others.
_SEE = [("view_batch",), *((f"{verb}_instance",) for verb in ("change", "restart", "set_webhook", "delete"))]


class BatchViewSet(StartsBatches, ListViewSet):
    needs = {
        "list": _SEE,
        "create": _SEE,
        "retrieve": _SEE,
        "items": _SEE,
        "retry": _SEE,
        "stop": _SEE,
    }
    bodies = {"create": StartBatchSerializer}
    filters = {"list": BatchFilters, "items": BatchItemFilters}
    pagination_class = Cursors

    def list(self, request: Request) -> Response:
        page: Any = self.paginate_queryset(self.filtered(self._in_scope()))
        rows = self.with_progress(page)
        return self.get_paginated_response(BatchSerializer(rows, many=True, context=self.get_serializer_context()).data)

    def create(self, request: Request) -> Response:
        given = self.body()
        kind = given["kind"]
        seen = "view_account" if kind == BatchKind.SYNC_ACCOUNT else "view_instance"
        self._require(f"django_vzaps.{seen}", permission_for(kind))
        targets = self._accounts(given["accounts"]) if "accounts" in given else self._instances(given["instances"])
        try:
            batch = services.batches.start(
                kind, targets, actor=self.actor, parameters=parameters_of(given), public_id=batch_id_of(request)
            )
        except services.IdempotencyKeyReused:
            words = _("This idempotency key stands for another batch. Nothing was started.")
            raise Problem("idempotency-key-reused", words) from None
        return self.started(batch)

    def retrieve(self, request: Request, public_id: str) -> Response:
        return self.shown(BatchSerializer, self.with_progress([self._batch(public_id)])[0])

    def items(self, request: Request, public_id: str) -> Response:
        batch = self._batch(public_id)
        rows = visible_items(request.user).filter(batch=batch).select_related("instance").defer("instance__data")
        return self.listed(self.filtered(rows), BatchItemSerializer)

    def retry(self, request: Request, public_id: str) -> Response:
        self.body()
        batch = self._to_change(public_id)
        again = services.batches.retry_failed(batch, actor=self.actor)
        # It may have been retried by somebody else, for whom it is theirs.
        visible_again = visible(request.user, Batch.objects.filter(pk=again.pk)).first()
        if visible_again is None:
            raise services.ChangeFailed(_("This was retried before; nothing was started a second time."))
        return self.started(visible_again)

    def stop(self, request: Request, public_id: str) -> Response:
        self.body()
        batch = self._to_change(public_id)
        return self.shown(StoppedSerializer, {"stopped": services.batches.stop(batch, actor=self.actor)})

    def _in_scope(self) -> QuerySet[Batch]:
        return visible(self.request.user, Batch.objects.select_related("actor", "retry_of"))

    def _batch(self, public_id: str) -> Batch:
        batch = self._in_scope().filter(public_id=public_id).first()
        if batch is None:
            raise Http404
        return batch

    def _to_change(self, public_id: str) -> Batch:
        batch = self._batch(public_id)
        self._require(permission_for(batch.kind))
        return batch

    def _require(self, *names: str) -> None:
        """What depends on the kind of the batch, and so on more than the route."""
        # A kind that only a newer version knows has no permission that anybody could have.
        if not (all(names) and self.request.user.has_perms(names)):
            words = _("This takes the permission %(names)s.") % {"names": " + ".join(names)}
            raise Problem("permission-denied", words)

    def _instances(self, vzaps_ids: Sequence[str]) -> Sequence[int]:
        rows = scope.limited(self.request.user, Instance.objects.all()).filter(vzaps_id__in=vzaps_ids)
        found = dict(rows.values_list("vzaps_id", "pk"))
        return _all_of("instances", vzaps_ids, found)

    def _accounts(self, pks: Sequence[int]) -> Sequence[int]:
        found = {pk: pk for pk in Account.objects.filter(pk__in=pks).values_list("pk", flat=True)}
        return _all_of("accounts", pks, found)


def _all_of(name: str, wanted: Sequence[Any], found: dict[Any, int]) -> Sequence[int]:
    missing = {
        str(number): [_("There is none of this id, or none that you may see.")]
        for number, each in enumerate(wanted)
        if each not in found
    }
    if missing:
        raise ValidationError({name: missing})
    return [found[each] for each in wanted]
