"""Finding out how an operation ended whose answer never came. Nothing here repeats the call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from django_vzaps import client
from django_vzaps.client import VZapsError, VZapsNotFoundError
from django_vzaps.models import (
    BILLING_KINDS,
    Account,
    BatchItem,
    Instance,
    Operation,
    OperationKind,
    OperationOutcome,
    Subscription,
    Webhook,
)
from django_vzaps.services import instances, mirror, sessions, subscriptions, webhooks
from django_vzaps.services.attempts import close_operation
from django_vzaps.services.clients import client_for
from django_vzaps.services.errors import ChangeFailed, ReadFailed, in_words

logger = logging.getLogger("django_vzaps.operations")


@dataclass(frozen=True, kw_only=True, slots=True)
class SettleReport:
    """How many operations were settled by reading, and how many are still open."""

    settled: int
    open: int


#: What leaves something on VZaps that can be read afterwards. A restart or a message does not.
READABLE: Final = BILLING_KINDS | {
    OperationKind.CREATE,
    OperationKind.UPDATE,
    OperationKind.DELETE,
    OperationKind.SET_WEBHOOK,
    OperationKind.DISCONNECT,
}


def mark_overdue() -> int:
    """Mark operations that ran past their deadline as unknown: their process died. Returns how many."""
    marked = Operation.objects.overdue().update(
        outcome=OperationOutcome.UNKNOWN,
        finished_at=timezone.now(),
        error=_given_up(),
    )
    if marked:
        logger.warning("%s operations ran past their deadline and have an unknown outcome.", marked)
    return marked


def settle(operation: Operation) -> Operation:
    """Read from VZaps what became of an unsettled operation; it may stay unknown. Raises :class:`ReadFailed`.

    Reading can show that a change was made. That it was not made, and never will be, only a person can decide. One
    that still runs past its deadline is given up first.
    """
    if operation.is_overdue:
        close_operation(operation, OperationOutcome.UNKNOWN, error=_given_up())
    if not operation.is_open:
        return operation
    instance, account = operation.instance, operation.account
    try:
        match operation.kind:
            case OperationKind.CREATE if account is not None:
                _settle_create(operation, account)
            case kind if kind in BILLING_KINDS and instance is not None:
                subscriptions.refresh(instance)
            case OperationKind.SET_WEBHOOK if instance is not None:
                _settle_webhook(operation, instance)
            case OperationKind.UPDATE if instance is not None:
                _settle_update(operation, instance)
            case OperationKind.DELETE if instance is not None:
                _settle_delete(operation, instance)
            case OperationKind.DISCONNECT if instance is not None:
                if not sessions.status(instance).connected:
                    _confirm(operation)
            case _:
                pass  # There is nothing to read: see READABLE.
    except ReadFailed:
        raise
    except VZapsError as error:
        raise ReadFailed(in_words(error), error=error) from error
    operation.refresh_from_db()
    return operation


def settle_all(progress: Callable[[Operation], None] | None = None) -> SettleReport:
    """Settle what reading can settle, one operation after the other; one that cannot be read is left for later."""
    settled = 0
    for operation in Operation.objects.unsettled().select_related("instance__account", "account").order_by("pk"):
        try:
            settled += not settle(operation).is_open
        except ReadFailed as error:
            logger.warning("Operation %s could not be settled: %s", operation.pk, error)
        if progress is not None:
            progress(operation)
    return SettleReport(settled=settled, open=Operation.objects.unsettled().count())


def decide(operation: Operation, *, carried_out: bool, actor: AbstractBaseUser) -> Operation:
    """A person says how an unsettled operation ended, and releases its lock.

    Saying "not carried out" of a charge that was made allows a second one: ask for the billing permission first. An
    unknown charge that was carried out keeps its lock until VZaps shows it, or until the person says so once more.
    Raises :class:`ChangeFailed` where there is nothing to decide, where it is no more as ``operation`` shows it, and
    for "not carried out" where VZaps said it was.
    """
    is_charge = operation.kind == OperationKind.SUBSCRIBE
    with transaction.atomic():
        # Locked in the order of every other change: a late answer, or a sync that settles it, comes before or after.
        if operation.instance_id is not None:
            Instance.objects.locked().get(pk=operation.instance_id)
        found = Operation.objects.unsettled().select_for_update().filter(pk=operation.pk).first()
        if found is None:
            raise ChangeFailed(_("This operation is settled already, or still running."), operation=operation)
        if (found.outcome, found.settled_by_id) != (operation.outcome, operation.settled_by_id):
            # Of two clicks at once, the second must not count as saying it once more.
            raise ChangeFailed(changed_meanwhile(), operation=operation)
        was_unknown = found.outcome == OperationOutcome.UNKNOWN
        if not (carried_out or was_unknown or found.checkout_url or found.settled_by_id):
            raise ChangeFailed(
                _("VZaps said that it was carried out; it only does not show it yet."), operation=operation
            )
        Operation.objects.filter(pk=found.pk).update(
            outcome=OperationOutcome.SUCCEEDED if carried_out else OperationOutcome.FAILED,
            lock=found.lock if is_charge and carried_out and was_unknown else None,
            settled_by=actor.pk,
            finished_at=timezone.now(),
        )
        if is_charge and not carried_out:
            Subscription.objects.filter(instance=operation.instance_id).update(vzaps_id="", checkout_url="")
    operation.refresh_from_db()
    BatchItem.objects.follow(operation)
    return operation


def changed_meanwhile() -> str:
    """Why a person's word is not taken."""
    return _("This has changed since you looked at it. Nothing was noted: look again before you say how it ended.")


def settle_creates(account: Account) -> int:
    """Recognise instances of unknown creations among those a sync found, by their webhook; returns how many."""
    found = 0
    for operation in Operation.objects.filter(
        kind=OperationKind.CREATE, outcome=OperationOutcome.UNKNOWN, account=account
    ):
        planned = operation.baseline.get("webhook")
        if planned is None:
            continue
        webhook = (
            Webhook.objects.filter(actual_host_and_path=planned["host_and_path"], instance__account=account)
            .select_related("instance")
            .first()
        )
        if webhook is not None:
            _adopt(operation, webhook.instance)
            found += 1
    return found


def _given_up() -> str:
    return _("The process that carried this out ended before it could say how it went.")


def _settle_create(operation: Operation, account: Account) -> None:
    planned = operation.baseline.get("webhook")
    if planned is None:
        return
    api = client_for(account)
    asked_at = timezone.now()
    # Search by name first: among thousands of instances that is one call.
    listings: tuple[Iterable[client.Instance], ...] = (
        api.instances.iterate(search=operation.parameters["name"]),
        api.instances.iterate(),
    )
    for listing in listings:
        for answer in listing:
            if answer.webhook and mirror.host_and_path(answer.webhook) == planned["host_and_path"]:
                _adopt(operation, mirror.store(account, answer, asked_at=asked_at))
                return


def _settle_webhook(operation: Operation, instance: Instance) -> None:
    webhooks.check(instance)
    webhook = instance.webhook
    planned = operation.baseline.get("webhook", {}).get("secret_hash")
    if webhook.secret_hash == planned and "url" not in webhook.drift:
        _confirm(operation)


def _settle_update(operation: Operation, instance: Instance) -> None:
    asked_at = timezone.now()
    answer = client_for(instance).instances.get(instance.vzaps_id)
    mirror.store(instance.account, answer, asked_at=asked_at)
    if all(getattr(answer, key, None) == value for key, value in operation.parameters.items()):
        _confirm(operation)


def _settle_delete(operation: Operation, instance: Instance) -> None:
    try:
        client_for(instance).instances.get(instance.vzaps_id)
    except VZapsNotFoundError:
        with transaction.atomic():
            instances.mark_removed(instance)
            _confirm(operation)


def _adopt(operation: Operation, instance: Instance) -> None:
    with transaction.atomic():
        Instance.objects.locked().get(pk=instance.pk)
        instances.adopt(operation, instance)
        _confirm(operation, answer={"id": instance.vzaps_id})


def _confirm(operation: Operation, answer: object = None) -> None:
    close_operation(operation, OperationOutcome.SUCCEEDED, answer=answer, lock=None, confirmed_at=timezone.now())
