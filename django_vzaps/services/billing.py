"""Confirming billing changes by what VZaps says afterwards, and releasing their lock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models.functions import Coalesce
from django.utils import timezone

from django_vzaps.models import Account, Operation, OperationKind, OperationOutcome, Subscription, SubscriptionState
from django_vzaps.models.subscription import PAID_FOR


def lock_of(instance_id: int) -> str:
    """The lock that keeps a second billing attempt out."""
    return f"billing:{instance_id}"


def facts(subscription: Subscription) -> dict[str, Any]:
    """What VZaps said of a subscription, and when: kept with an operation for before and after."""
    return {
        "billing_status": subscription.billing_status,
        "cancel_at": subscription.cancel_at,
        "expired_at": subscription.expired_at,
        "read_at": subscription.refreshed_at,
    }


def unsettled(account: Account) -> set[int]:
    """The account's instances with a billing change whose effect is still to be seen."""
    waiting = Operation.objects.filter(account=account, lock__isnull=False, instance__isnull=False)
    return {pk for pk in waiting.values_list("instance_id", flat=True) if pk is not None}


def confirm(subscriptions: Sequence[Subscription]) -> int:
    """Settle the billing operations whose effect can be seen in what was read; returns how many.

    Only what was asked for after the operation began counts: an older answer shows the state before. One query where
    there is nothing to settle.
    """
    by_lock = {lock_of(subscription.instance_id): subscription for subscription in subscriptions}
    waiting = Operation.objects.filter(
        lock__in=by_lock,
        outcome__in=[OperationOutcome.SUCCEEDED, OperationOutcome.UNKNOWN],
    )
    settled = 0
    for operation in waiting:
        subscription = by_lock[operation.lock or ""]
        is_newer = subscription.refreshed_at is not None and subscription.refreshed_at >= operation.started_at
        if not (is_newer and _shows(subscription, operation.kind)):
            continue
        now = timezone.now()
        settled += Operation.objects.filter(pk=operation.pk, lock=operation.lock).update(
            outcome=OperationOutcome.SUCCEEDED,
            finished_at=Coalesce("finished_at", now),
            confirmed_at=now,
            effect=facts(subscription),
            lock=None,
        )
        if subscription.checkout_url:
            subscription.checkout_url = ""
            subscription.save(update_fields=["checkout_url"])
    return settled


def _shows(subscription: Subscription, kind: str) -> bool:
    ended = subscription.state == SubscriptionState.CANCELED
    match kind:
        case OperationKind.SUBSCRIBE:
            return subscription.state in PAID_FOR
        case OperationKind.CANCEL:
            return ended or subscription.cancel_at is not None
        case OperationKind.RESUME:
            return not ended and subscription.cancel_at is None
        case _:
            return False
