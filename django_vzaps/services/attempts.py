"""Attempts to change something on VZaps: opened before the call, closed once, never repeated."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from django_vzaps import conf
from django_vzaps.client import VZapsAPIError, VZapsError
from django_vzaps.models import (
    Account,
    BatchItem,
    BatchItemState,
    Instance,
    Operation,
    OperationKind,
    OperationOutcome,
)
from django_vzaps.models.fields import storable
from django_vzaps.secret import redacted
from django_vzaps.services.errors import (
    ChangeFailed,
    IdempotencyKeyReused,
    OperationInProgress,
    OutcomeUnknown,
    ReadOnly,
    in_words,
)

logger = logging.getLogger("django_vzaps.operations")

Answer = TypeVar("Answer")
Actor = AbstractBaseUser | None

# A success that comes back late overwrites whatever the sweep or a person made of the silence.
_MAY_BECOME: dict[str, Sequence[str]] = {
    OperationOutcome.SUCCEEDED: (OperationOutcome.RUNNING, OperationOutcome.UNKNOWN, OperationOutcome.FAILED),
    OperationOutcome.FAILED: (OperationOutcome.RUNNING, OperationOutcome.UNKNOWN),
    OperationOutcome.UNKNOWN: (OperationOutcome.RUNNING,),
}


#: The item of a batch that is being carried out: services need not know of batches.
_item: ContextVar[BatchItem | None] = ContextVar("vzaps_batch_item", default=None)


@contextmanager
def part_of(item: BatchItem) -> Iterator[None]:
    """What is opened in the block belongs to ``item`` and its batch."""
    token = _item.set(item)
    try:
        yield
    finally:
        _item.reset(token)


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """An operation that may be carried out now, or one that was asked for before under the same idempotency key."""

    operation: Operation
    is_new: bool


def refuse_if_read_only() -> None:
    """Raise :class:`ReadOnly` where ``VZAPS["READ_ONLY"]`` is set."""
    if conf.current().read_only:
        raise ReadOnly(_("This site is set to read only (VZAPS['READ_ONLY']): nothing is changed on VZaps."))


def open_operation(
    kind: OperationKind,
    *,
    actor: Actor,
    account: Account,
    instance: Instance | None = None,
    parameters: dict[str, Any] | None = None,
    baseline: dict[str, Any] | None = None,
    lock: str | None = None,
    idempotency_key: str | None = None,
    asked: Collection[str] | None = None,
) -> Opened:
    """Record the attempt, committed before anything is sent.

    ``asked`` names the parameters by which the same change is told from another; None: by all of them. Raises
    :class:`ReadOnly`, :class:`OperationInProgress` where ``lock`` is held, :class:`IdempotencyKeyReused` where
    ``idempotency_key`` stands for another change, and ``RuntimeError`` inside a transaction: the record would vanish
    with it.
    """
    refuse_if_read_only()
    item = _item.get()
    recorded = redacted(parameters or {})

    def opened() -> Opened:
        with transaction.atomic(durable=True):
            operation = Operation.objects.create(
                kind=kind,
                instance=instance,
                account=account,
                actor_id=None if actor is None else actor.pk,
                parameters=recorded,
                baseline=baseline or {},
                started_at=timezone.now(),
                deadline=deadline(),
                lock=lock,
                idempotency_key=idempotency_key,
                batch_id=None if item is None else item.batch_id,
            )
            if item is not None:
                _attach(operation, item)
        return Opened(operation=operation, is_new=True)

    try:
        return opened()
    except IntegrityError:
        if idempotency_key is not None:
            known = Operation.objects.filter(idempotency_key=idempotency_key).first()
            if known is not None:
                _check_same(known, kind, account, instance, recorded, asked)
                return Opened(operation=known, is_new=False)
        holder = None if lock is None else Operation.objects.filter(lock=lock).first()
        if holder is None:
            # Whoever held the lock let go of it just now; any other reason is raised again.
            return opened()
        raise OperationInProgress(
            _(
                "Another change of this instance is not settled yet (operation %(pk)s: %(kind)s, %(outcome)s). "
                "Nothing was sent. Find out how it ended before trying again."
            )
            % {"pk": holder.pk, "kind": holder.kind_label, "outcome": holder.outcome_label},
            operation=holder,
        ) from None


def _attach(operation: Operation, item: BatchItem) -> None:
    """The item knows its operation before anything is sent, or nothing is sent: it may have been taken for dead."""
    if not BatchItem.objects.filter(pk=item.pk, state=BatchItemState.RUNNING).update(operation=operation):
        raise ChangeFailed(_("Another process took over this batch meanwhile. Nothing was sent."))


def deadline() -> datetime:
    """When an operation that is sent now is given up."""
    return timezone.now() + timedelta(seconds=conf.current().operation_deadline)


@contextmanager
def before_sending(operation: Operation) -> Iterator[None]:
    """Close the operation as failed where the block fails: nothing was sent, so its lock need not be held."""
    try:
        yield
    except Exception as error:
        known = isinstance(error, VZapsError)
        words = str(error) if known else _("An error in this program before anything was sent; the log has it.")
        close_operation(operation, OperationOutcome.FAILED, error=words)
        if isinstance(error, ChangeFailed):
            error.operation = operation
        raise


def close_operation(
    operation: Operation,
    outcome: OperationOutcome,
    *,
    error: str = "",
    answer: Any = None,
    request_id: str = "",
    **columns: Any,
) -> bool:
    """Close by compare-and-set; False where the outcome there is already a better one. Refreshes ``operation``.

    The lock is kept unless ``columns`` says ``lock=None`` or the outcome is failed.
    """
    if outcome == OperationOutcome.FAILED:
        columns.setdefault("lock", None)
    closed = Operation.objects.filter(pk=operation.pk, outcome__in=_MAY_BECOME[outcome]).update(
        outcome=outcome,
        finished_at=timezone.now(),
        error=storable(error, 10_000),
        answer=redacted(answer),
        request_id=storable(request_id, 255),
        **columns,
    )
    operation.refresh_from_db()
    BatchItem.objects.follow(operation)
    return bool(closed)


def carry_out(
    operation: Operation,
    call: Callable[[], Answer],
    *,
    consequence: Callable[[Answer], None],
    answer: Callable[[Answer], Any] = lambda _answer: None,
    undo: Callable[[], None] | None = None,
    keep_lock: bool = False,
) -> Answer:
    """Make the one call, then write its consequence and close the operation in one transaction.

    ``undo`` takes back what was written before the call, where it was certainly not carried out. Raises
    :class:`ChangeFailed` or :class:`OutcomeUnknown`.
    """
    try:
        received = call()
    except VZapsError as error:
        raise _closed_by(operation, error, undo) from error
    except ValueError as error:
        # The client refuses to send it.
        refused = VZapsAPIError(str(error), may_have_been_carried_out=False)
        raise _closed_by(operation, refused, undo) from error
    except Exception:
        close_operation(operation, OperationOutcome.UNKNOWN, error=_("An error in this program; the log has it."))
        raise
    columns: dict[str, Any] = {} if keep_lock else {"lock": None}
    with transaction.atomic():
        consequence(received)
        close_operation(operation, OperationOutcome.SUCCEEDED, answer=answer(received), **columns)
    return received


def _check_same(
    known: Operation,
    kind: OperationKind,
    account: Account,
    instance: Instance | None,
    parameters: dict[str, Any],
    asked: Collection[str] | None,
) -> None:
    here = json.loads(json.dumps(parameters, default=str))
    names = here.keys() | known.parameters.keys() if asked is None else asked
    # A creation has its instance only once it has succeeded.
    is_same = (
        (known.kind, known.account_id) == (kind, account.pk)
        and (instance is None or known.instance_id == instance.pk)
        and all(here.get(name) == known.parameters.get(name) for name in names)
    )
    if not is_same:
        raise IdempotencyKeyReused(
            _("This idempotency key stands for another change (operation %(pk)s). Nothing was sent.")
            % {"pk": known.pk},
            operation=known,
        )


def _closed_by(
    operation: Operation, error: VZapsError, undo: Callable[[], None] | None
) -> ChangeFailed | OutcomeUnknown:
    words = in_words(error)
    request_id = getattr(error, "request_id", None) or ""
    if getattr(error, "may_have_been_carried_out", True):
        close_operation(operation, OperationOutcome.UNKNOWN, error=words, request_id=request_id)
        logger.warning("Operation %s (%s) has an unknown outcome.", operation.pk, operation.kind)
        return OutcomeUnknown(
            _(
                "%(what)s It is not known whether “%(kind)s” was carried out. It will not be tried again by itself: "
                "find out first (operation %(pk)s)."
            )
            % {"what": words, "kind": operation.kind_label, "pk": operation.pk},
            operation=operation,
            error=error,
        )
    with transaction.atomic():
        if close_operation(operation, OperationOutcome.FAILED, error=words, request_id=request_id) and undo:
            undo()
    return ChangeFailed(words, operation=operation, error=error)
