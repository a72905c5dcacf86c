"""Alerts are raised once while their reason holds, and resolved once: also by many processes at once."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import IntegrityError, connections, transaction
from django.db.models import F, QuerySet

from django_vzaps import signals
from django_vzaps.models import Alert, AlertKind
from django_vzaps.services.alerts.condition import BATCH, Condition
from django_vzaps.services.alerts.conditions import ending_facts

#: What is left after so many batches is for the next check.
_MOST_BATCHES: Final = 20


def claimable(alerts: QuerySet[Alert]) -> QuerySet[Alert]:
    """Locked until the transaction ends, but for those that another process has locked: it does the same with them."""
    features = connections[alerts.db].features
    return alerts.order_by("pk").select_for_update(skip_locked=features.has_select_for_update_skip_locked)


def raise_new(condition: Condition, now: datetime) -> int:
    """Raise what has a reason and no open alert; returns how many. ``alert_raised`` is sent on commit."""
    count = 0
    for _ in range(_MOST_BATCHES):
        alerts = condition.begun(now)
        if alerts:
            try:
                with transaction.atomic():
                    _insert(alerts)
            except IntegrityError:
                # Another process raised some of them at the same moment: they have one by now.
                continue
            count += len(alerts)
        if len(alerts) < BATCH:
            break
    return count


def resolve_over(condition: Condition, now: datetime) -> int:
    """Resolve what has no reason any more; returns how many. ``alert_resolved`` is sent on commit."""
    count = 0
    for _ in range(_MOST_BATCHES):
        pks = list(condition.ended(now).values_list("pk", flat=True)[:BATCH])
        count += _resolve(pks, condition.replaced_by, now) if pks else 0
        if len(pks) < BATCH:
            break
    return count


def follow_ends(now: datetime) -> None:
    """Keep what open alerts say of a subscription's end true; a stage that is reached is to be told of again."""
    rows = Alert.objects.open().filter(kind=AlertKind.SUBSCRIPTION_ENDING).order_by()
    moved, put_off = [], []
    for pk, stage, details, ends_at in rows.values_list(
        "pk", "stage", "details", "instance__subscription__ends_at"
    ).iterator(chunk_size=BATCH):
        if ends_at is None:
            continue
        facts = ending_facts(ends_at, now)
        if (facts.stage, facts.details) != (stage, details):
            moved.append(Alert(pk=pk, stage=facts.stage, details=facts.details))
            if (facts.stage or 0) > (stage or 0):
                put_off.append(pk)
    if moved:
        Alert.objects.bulk_update(moved, ["stage", "details"], batch_size=BATCH)
    if put_off:
        # What was told of it is of another end.
        Alert.objects.filter(pk__in=put_off, told_stage__isnull=False).update(told_stage=F("stage"))


def _insert(alerts: list[Alert]) -> None:
    for alert in Alert.objects.bulk_create(alerts):
        signals.send_on_commit(signals.alert_raised, sender=Alert, alert=alert)


@transaction.atomic
def _resolve(pks: list[int], replaced_by: AlertKind | None, now: datetime) -> int:
    rows = Alert.objects.open().filter(pk__in=pks).prefetch_related("instance__account", "account")
    alerts = list(claimable(rows))
    over = Alert.objects.filter(pk__in=[alert.pk for alert in alerts])
    over.update(resolved_at=now, open_key=None)
    if replaced_by is not None:
        # The other one is told: nothing has recovered.
        others = Alert.objects.open().filter(kind=replaced_by, account__in=[alert.account_id for alert in alerts])
        over.filter(account__in=list(others.values_list("account", flat=True))).update(told_over_at=now)
    for alert in alerts:
        alert.resolved_at, alert.open_key = now, None
        signals.send_on_commit(signals.alert_resolved, sender=Alert, alert=alert)
    return len(alerts)
