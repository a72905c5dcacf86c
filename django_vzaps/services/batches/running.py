"""Carrying out a batch: one runner at a time, in slices, each item committed as running before anything is sent."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from django_vzaps import broker, scope
from django_vzaps.client import VZapsError
from django_vzaps.models import Batch, BatchItem, BatchItemState, Instance, Operation
from django_vzaps.models.batch import OPEN, BatchQuerySet, state_after
from django_vzaps.models.fields import storable
from django_vzaps.services.attempts import Actor, part_of
from django_vzaps.services.batches.kinds import Doing, verb_of
from django_vzaps.services.errors import ChangeFailed, OutcomeUnknown

logger = logging.getLogger("django_vzaps.batches")

TASK: Final = "django_vzaps.run_batch"
#: How long one run works before it makes room for other tasks.
SLICE_SECONDS: Final = 5.0
#: A runner that gave no sign of life for this long no longer keeps others out; longer than any one call takes.
LEASE: Final = timedelta(minutes=2)
#: For how long after it was renewed nobody can have taken it over, as a part of the whole.
_FRESH: Final = 0.1


class LeaseLost(Exception):
    """Another process took over: stop, and leave what is open to it."""


class Lease:
    """The right to carry out a batch, held until it is released or expires."""

    def __init__(self, batch_pk: int) -> None:
        self._pk = batch_pk
        self._holder = uuid.uuid4().hex
        self._renewed_at = time.monotonic()

    def take(self) -> bool:
        """Whether it is held now; False where somebody else holds it, or there is nothing left to do."""
        return bool(_without_runner(self._pk).update(lease_holder=self._holder, lease_until=timezone.now() + LEASE))

    def renew(self) -> None:
        """Hold it for longer, unless it is fresh. Raises :class:`LeaseLost` where another process took it over."""
        now = time.monotonic()
        if now - self._renewed_at < _FRESH * LEASE.total_seconds():
            return
        if not self._mine().update(lease_until=timezone.now() + LEASE):
            raise LeaseLost
        self._renewed_at = now

    def release(self) -> None:
        """Let others in."""
        self._mine().update(lease_holder="", lease_until=None)

    def _mine(self) -> BatchQuerySet:
        return Batch.objects.filter(pk=self._pk, lease_holder=self._holder)


def wake(batch_pk: int) -> bool:
    """Have a batch carried out: by a worker, or here and now with ``VZAPS["TASKS"] = "inline"``.

    Never raises; False where the broker could not be told. The sweep finds what nobody carries out.
    """
    try:
        if broker.is_inline():
            run(batch_pk, seconds=None)
            return True
        return _ring(batch_pk)
    except Exception:
        logger.exception("Batch %s could not be carried out now", batch_pk)
        return False


def wake_unattended() -> int:
    """Wake the batches of which something is left and which nobody carries out; returns how many could be."""
    return sum(wake(pk) for pk in Batch.objects.unattended().order_by("pk").values_list("pk", flat=True))


def run(batch_pk: int, *, seconds: float | None = SLICE_SECONDS, progress: Callable[[], None] | None = None) -> bool:
    """Carry out what is left of a batch; True once it is finished.

    Stops after ``seconds`` (at least one item is carried out): then a task is sent for the rest. Does nothing while
    another process carries it out. ``progress`` is called after each item.
    """
    lease = Lease(batch_pk)
    if not lease.take():
        return not Batch.objects.unfinished().filter(pk=batch_pk).exists()
    batch = Batch.objects.get(pk=batch_pk)
    try:
        _take_over(batch)
        is_finished = _work(batch, lease, None if seconds is None else time.monotonic() + seconds, progress)
    except LeaseLost:
        logger.warning("Batch %s was taken over by another process", batch_pk)
        return False
    finally:
        lease.release()
    if not is_finished:
        _ring(batch_pk)
    return is_finished


def finish(batch_pk: int) -> bool:
    """Close a batch of which nothing is left; whether that is so."""
    items = BatchItem.objects.filter(batch=batch_pk)
    if items.filter(state__in=OPEN).exists():
        return False
    Batch.objects.unfinished().filter(pk=batch_pk).update(finished_at=timezone.now(), counts=items.by_state())
    return True


def _without_runner(batch_pk: int) -> BatchQuerySet:
    nobody = Q(lease_holder="") | Q(lease_until__isnull=True) | Q(lease_until__lt=timezone.now())
    return Batch.objects.unfinished().filter(nobody, pk=batch_pk)


def _ring(batch_pk: int) -> bool:
    """Send a task, unless somebody is at work. Nobody sends another one while this one may still be waiting."""
    if not _without_runner(batch_pk).update(lease_holder="", lease_until=timezone.now() + LEASE):
        return True
    if broker.send(TASK, batch_pk):
        return True
    Batch.objects.filter(pk=batch_pk, lease_holder="").update(lease_until=None)
    return False


def _work(batch: Batch, lease: Lease, until: float | None, progress: Callable[[], None] | None) -> bool:
    waiting = batch.items.filter(state=BatchItemState.WAITING).select_related("instance__account", "account")
    while (item := waiting.order_by("pk").first()) is not None:
        lease.renew()
        _carry_out(batch, item, lease)
        if progress is not None:
            progress()
        if until is not None and time.monotonic() >= until:
            break
    return finish(batch.pk)


def _carry_out(batch: Batch, item: BatchItem, lease: Lease) -> None:
    with transaction.atomic(durable=True):
        waiting = BatchItem.objects.filter(pk=item.pk, state=BatchItemState.WAITING)
        if not waiting.update(state=BatchItemState.RUNNING, started_at=timezone.now()):
            return  # stopped a moment ago
    state, detail = _outcome(batch, item, lease)
    # Also over what was made of the silence by whoever took this process for dead: what is known here is newer.
    ended = BatchItem.objects.filter(pk=item.pk, state__in=[BatchItemState.RUNNING, BatchItemState.UNKNOWN])
    ended.update(state=state, detail=storable(detail, 10_000), finished_at=timezone.now())


def _outcome(batch: Batch, item: BatchItem, lease: Lease) -> tuple[BatchItemState, str]:
    verb = verb_of(batch.kind)
    try:
        doing = Doing(
            item=item,
            actor=_who_still_may(batch, item, verb.permission),
            parameters=batch.parameters,
            sign_of_life=lease.renew,
        )
        with part_of(item):
            return BatchItemState.SUCCEEDED, verb.carry_out(doing)
    except OutcomeUnknown as error:
        return BatchItemState.UNKNOWN, str(error)
    except VZapsError as error:
        return BatchItemState.FAILED, str(error)
    except (LeaseLost, OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("Item %s of batch %s failed", item.pk, batch.pk)
        operation = Operation.objects.filter(pk__in=_operation_of(item)).first()
        state = BatchItemState.FAILED if operation is None else state_after(operation)
        return state, _("An error in this program; the log has it.")


def _who_still_may(batch: Batch, item: BatchItem, permission: str) -> Actor:
    """The person who asked, as they are now: what they may do can have changed since. Raises :class:`ChangeFailed`."""
    if batch.by_system:
        return None
    users = get_user_model()._default_manager
    actor: Any = None if batch.actor_id is None else users.filter(pk=batch.actor_id).first()
    if actor is None:
        raise ChangeFailed(_("The person who asked for this is no longer a user here. Nothing was sent."))
    if not actor.has_perm(permission):
        raise ChangeFailed(_("%(who)s may no longer do this. Nothing was sent.") % {"who": actor})
    if item.instance_id is None:
        return actor  # type: ignore[no-any-return]
    # Asked of all, as everywhere: a scope may start from all instances instead of from what it is given.
    if not scope.limited(actor, Instance.objects.all()).filter(pk=item.instance_id).exists():
        raise ChangeFailed(_("%(who)s may no longer see this instance. Nothing was sent.") % {"who": actor})
    return actor  # type: ignore[no-any-return]


def _take_over(batch: Batch) -> None:
    """End what a runner left behind that is gone. Nothing is repeated but what only reads."""
    running = batch.items.filter(state=BatchItemState.RUNNING)
    if not verb_of(batch.kind).changes:
        running.update(state=BatchItemState.WAITING, started_at=None, seen=0, expected=None)
        return
    now = timezone.now()
    for item in running.select_related("operation"):
        # The item is told of its operation before anything is sent: where it was meanwhile, this comes too late.
        left = BatchItem.objects.filter(pk=item.pk, state=BatchItemState.RUNNING, operation=item.operation)
        if item.operation is None:
            state = BatchItemState.FAILED
            words = _("The process that carried this out ended before anything was sent.")
        else:
            state = state_after(item.operation)
            words = item.operation.error
        if state == BatchItemState.UNKNOWN and not words:
            words = _("The process that carried this out ended before it could say how it went.")
        left.update(state=state, detail=words, finished_at=now)


def _operation_of(item: BatchItem) -> Any:
    return BatchItem.objects.filter(pk=item.pk, operation__isnull=False).values("operation")
