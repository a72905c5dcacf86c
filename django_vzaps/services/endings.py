"""Subscriptions that end soon, announced once for each of a few days before: VZaps sends no word of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import connections, transaction
from django.db.models import Case, F, IntegerField, Q, QuerySet, Value, When
from django.utils import timezone

from django_vzaps import signals
from django_vzaps.models import Instance, Subscription, SubscriptionState

#: How many days before its end a subscription is spoken of.
STAGES: Final = (7, 3, 1)

#: Subscriptions that are announced in one transaction.
BATCH: Final = 500
#: What is left after so many batches is announced the next time.
_MOST_BATCHES: Final = 20

#: Each by name, and not "all but canceled": only so the index on state and end is made use of.
_MAY_END: Final = [state.value for state in SubscriptionState if state != SubscriptionState.CANCELED]


def ending_soon(now: datetime, *, prefix: str = "") -> Q:
    """Subscriptions whose end is at most seven days away; ``prefix`` leads to the subscription."""
    return Q(
        (f"{prefix}state__in", _MAY_END),
        (f"{prefix}ends_at__gt", now),
        (f"{prefix}ends_at__lte", now + timedelta(days=max(STAGES))),
    )


def stage_of(ends_at: datetime, now: datetime) -> int:
    """Which of :data:`STAGES` an end has reached; the first one also before that."""
    return min((days for days in STAGES if ends_at <= now + timedelta(days=days)), default=max(STAGES))


def announce(now: datetime | None = None) -> int:
    """Send ``subscription_ending`` once for each stage that an end has reached; returns for how many subscriptions.

    Where several were reached since the last time, only the last is announced. A new end starts anew. Safe to run
    twice at once.
    """
    now = now or timezone.now()
    count = 0
    for _ in range(_MOST_BATCHES):
        wanted = Subscription.objects.filter(
            instance__removed_at__isnull=True, instance__account__is_active=True
        ).order_by()
        pks = list(_unannounced(wanted, now).values_list("pk", flat=True)[:BATCH])
        count += _announce(pks, now) if pks else 0
        if len(pks) < BATCH:
            break
    return count


def _unannounced(subscriptions: QuerySet[Subscription], now: datetime) -> QuerySet[Subscription]:
    is_news = (
        Q(announced_end__isnull=True)
        | Q(announced_days__isnull=True)
        | ~Q(announced_end=F("ends_at"))
        | Q(announced_days__gt=_stage(now))
    )
    return subscriptions.filter(ending_soon(now)).filter(is_news)


def _stage(now: datetime) -> Case:
    """:func:`stage_of` in the database's words."""
    reached = (When(ends_at__lte=now + timedelta(days=days), then=Value(days)) for days in sorted(STAGES))
    return Case(*reached, default=Value(max(STAGES)), output_field=IntegerField())


def _announce(pks: list[int], now: datetime) -> int:
    with transaction.atomic():
        rows = Subscription.objects.filter(pk__in=pks).order_by("pk")
        # Whoever holds a row now announces it, or changes it: it is looked at the next time.
        skip_locked = connections[rows.db].features.has_select_for_update_skip_locked
        claimed = list(_unannounced(rows.select_for_update(skip_locked=skip_locked), now))
        Subscription.objects.filter(pk__in=[row.pk for row in claimed]).update(
            announced_days=_stage(now), announced_end=F("ends_at")
        )
        instances = Instance.objects.select_related("account").in_bulk([row.instance_id for row in claimed])
        for subscription in claimed:
            if subscription.ends_at is None:  # never: it was asked for
                continue
            subscription.instance = instances[subscription.instance_id]
            subscription.announced_end = subscription.ends_at
            subscription.announced_days = stage_of(subscription.ends_at, now)
            signals.send_on_commit(
                signals.subscription_ending,
                sender=Subscription,
                instance=subscription.instance,
                subscription=subscription,
                ends_at=subscription.ends_at,
                days=subscription.announced_days,
            )
    return len(claimed)
