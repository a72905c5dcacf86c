"""Asking for a batch, for what failed of one once more, and for an end of one."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from django_vzaps import scope
from django_vzaps.models import Batch, BatchItem, BatchItemState, Instance
from django_vzaps.models.batch import NOT_DONE
from django_vzaps.services.attempts import Actor, refuse_if_read_only
from django_vzaps.services.batches.kinds import verb_of
from django_vzaps.services.batches.running import finish, wake
from django_vzaps.services.errors import ChangeFailed, IdempotencyKeyReused


def start(
    kind: str,
    targets: QuerySet[Any] | Iterable[int],
    *,
    actor: Actor,
    parameters: dict[str, Any] | None = None,
    retry_of: Batch | None = None,
    public_id: uuid.UUID | None = None,
) -> Batch:
    """Have ``kind`` done to ``targets`` (instances, or accounts for ``sync_account``; a queryset or primary keys).

    Recorded before a worker is told; with ``VZAPS["TASKS"] = "inline"`` it is done when this returns. A second call
    with the same ``public_id`` starts nothing and returns the first one's batch. The actor's permission and scope are
    looked at again for every item; without an actor nobody's count. Raises :class:`ReadOnly`, :class:`ChangeFailed`
    where there is nothing to do, :class:`IdempotencyKeyReused` where ``public_id`` stands for something else (also
    for other primary keys; what a queryset finds may have changed), and ``RuntimeError`` in a transaction.
    """
    verb = verb_of(kind)
    if verb.changes:
        refuse_if_read_only()
    public_id = public_id or uuid.uuid4()
    found = targets.values_list("pk", flat=True) if isinstance(targets, QuerySet) else None
    named = None if isinstance(targets, QuerySet) else list(dict.fromkeys(targets))
    parameters = parameters or {}
    if known := Batch.objects.filter(public_id=public_id).first():
        return _same(known, kind, actor, parameters, named)
    chosen = list(dict.fromkeys(found or ())) if named is None else named
    try:
        with transaction.atomic(durable=True):
            batch = _recorded(kind, chosen, actor, parameters, retry_of, public_id)
    except IntegrityError:
        known = Batch.objects.filter(public_id=public_id).first()
        if known is None:
            raise
        return _same(known, kind, actor, parameters, named)
    return _told(batch)


def retry_failed(batch: Batch, *, actor: Actor) -> Batch:
    """A new batch of what failed or was stopped; once: a second call returns the first one's batch.

    What has an unknown outcome is not part of it. Raises :class:`ReadOnly`, and :class:`ChangeFailed` where it is not
    finished or nothing failed.
    """
    verb = verb_of(batch.kind)
    if verb.changes:
        refuse_if_read_only()
    with transaction.atomic(durable=True):
        Batch.objects.select_for_update().get(pk=batch.pk)
        earlier = batch.retries.order_by("pk").first()
        if earlier is not None:
            return earlier
        batch.refresh_from_db()
        if batch.finished_at is None:
            raise ChangeFailed(_("This batch is not finished yet. Wait for its end, or stop it."))
        column = _column_of(batch.kind)
        items: QuerySet[BatchItem] = batch.items.filter(state__in=NOT_DONE)
        if not verb.is_about_accounts:
            items = scope.about(actor, items, Instance.objects.all())
        again = _recorded(
            batch.kind, list(items.values_list(column, flat=True)), actor, batch.parameters, batch, uuid.uuid4()
        )
    return _told(again)


def stop(batch: Batch, *, actor: AbstractBaseUser) -> int:
    """End a batch after the item that is being carried out; returns how many were still waiting.

    Of somebody else's, what is about instances that ``actor`` may see.
    """
    words = _("Stopped by %(who)s before it was its turn. Nothing was sent.") % {"who": actor}
    waiting: QuerySet[BatchItem] = batch.items.filter(state=BatchItemState.WAITING)
    if batch.actor_id != actor.pk and not verb_of(batch.kind).is_about_accounts:
        waiting = scope.about(actor, waiting, Instance.objects.all())
    stopped = waiting.update(state=BatchItemState.STOPPED, detail=words, finished_at=timezone.now())
    finish(batch.pk)
    batch.refresh_from_db()
    return stopped


def _recorded(
    kind: str,
    pks: Sequence[int],
    actor: Actor,
    parameters: dict[str, Any],
    retry_of: Batch | None,
    public_id: uuid.UUID,
) -> Batch:
    if not pks:
        raise ChangeFailed(_("There is nothing to do: no instance or account is left of what was chosen."))
    batch = Batch.objects.create(
        public_id=public_id,
        kind=kind,
        actor_id=None if actor is None else actor.pk,
        by_system=actor is None,
        parameters=parameters,
        retry_of=retry_of,
        total=len(pks),
    )
    BatchItem.objects.add(batch, _column_of(kind), pks)
    return batch


def _told(batch: Batch) -> Batch:
    wake(batch.pk)
    batch.refresh_from_db()
    return batch


def _same(known: Batch, kind: str, actor: Actor, parameters: dict[str, Any], named: list[int] | None) -> Batch:
    asked = (kind, None if actor is None else actor.pk, parameters)
    is_same = (known.kind, known.actor_id, known.parameters) == asked
    if is_same and named is not None:
        is_same = set(known.items.values_list(_column_of(kind), flat=True)) == set(named)
    if not is_same:
        raise IdempotencyKeyReused(
            _("The same form, or idempotency key, was used for something else before. Nothing was started: ask anew.")
        )
    return known


def _column_of(kind: str) -> str:
    return "account_id" if verb_of(kind).is_about_accounts else "instance_id"
