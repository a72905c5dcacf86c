"""How it goes as a whole: counts by state and ages, in a few queries on indexes. VZaps is asked nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet
from django.utils import timezone

from django_vzaps import conf, scope
from django_vzaps.models import (
    Account,
    Alert,
    AlertKind,
    ConnectionState,
    Event,
    EventState,
    Instance,
    Operation,
    OperationOutcome,
    ReportedState,
    Subscription,
    SubscriptionState,
    Webhook,
    WebhookHealth,
)
from django_vzaps.models.webhook import FAILING_FOR
from django_vzaps.services.alerts.visibility import visible

#: More than this are not counted: a probe must not take longer the more there are.
COUNTED: Final = 10_000


def summary(user: Any) -> dict[str, Any]:
    """Counts by state, and ages in seconds, of what the user may see; the system (None) sees everything."""
    now = timezone.now()
    instances = scope.limited(user, Instance.objects.all()).filter(removed_at__isnull=True).order_by()
    events = scope.about(user, Event.objects.all(), Instance.objects.all()).order_by()
    operations = scope.about(user, Operation.objects.all(), Instance.objects.all(), actor_lookup="actor").order_by()
    return {
        "connections": _connections(instances, now),
        "subscriptions": _subscriptions(instances),
        "webhooks": _webhooks(instances, now),
        "backlog": _backlog(events, now),
        "failed_events": _count(events.filter(state=EventState.FAILED)),
        "unsettled_operations": _count(operations.filter(_UNSETTLED)),
        "open_alerts": _alerts(user),
        "syncs": [
            {"account": name, "synced_at": synced_at, "age": _age(synced_at, now), "error": error or None}
            for name, synced_at, error in _accounts(user).values_list("name", "synced_at", "sync_error")
        ],
    }


def failing(found: Mapping[str, Any], limits: Mapping[str, int]) -> dict[str, float]:
    """Which of ``limits`` the :func:`summary` passes, in alphabetical order, and what passes each.

    What was never synced completely is infinitely old, and so is a site with nothing to sync.
    """
    ages = [math.inf if sync["age"] is None else sync["age"] for sync in found["syncs"]]
    connections, backlog = found["connections"], found["backlog"]
    values = {
        "max_backlog_age": backlog["age"] or 0,
        "max_disconnected": connections[ConnectionState.DISCONNECTED] + connections[ConnectionState.STALE],
        "max_failed_events": found["failed_events"],
        "max_open_alerts": sum(found["open_alerts"].values()),
        "max_sync_age": max(ages, default=math.inf),
        "max_unsettled": found["unsettled_operations"],
        "max_untried_age": backlog["untried_age"] or 0,
    }
    return {name: values[name] for name, limit in sorted(limits.items()) if values[name] > limit}


_UNSETTLED: Final = Q(outcome=OperationOutcome.UNKNOWN) | Q(lock__isnull=False) & ~Q(outcome=OperationOutcome.RUNNING)


def _connections(instances: QuerySet[Instance], now: datetime) -> dict[str, int]:
    fresh = Q(connection_asked_at__gte=now - timedelta(seconds=conf.current().stale_after))
    rows = instances.values_list("reported_state").annotate(count=Count("pk"), fresh=Count("pk", filter=fresh))
    counts = dict.fromkeys(ConnectionState.values, 0)
    for state, count, up in rows:
        if state == ReportedState.CONNECTED:
            counts[ConnectionState.CONNECTED], counts[ConnectionState.STALE] = up, count - up
        else:
            counts[state] = count
    return counts


def _subscriptions(instances: QuerySet[Instance]) -> dict[str, int]:
    rows = Subscription.objects.filter(instance__in=instances.values("pk"))
    counted = rows.order_by().values_list("state").annotate(count=Count("pk"))
    return dict.fromkeys(SubscriptionState.values, 0) | dict(counted)


def _webhooks(instances: QuerySet[Instance], now: datetime) -> dict[str, int]:
    failing = Q(last_failure_at__gte=now - FAILING_FOR)
    rows = Webhook.objects.filter(instance__in=instances.values("pk")).order_by()
    counts = dict.fromkeys(WebhookHealth.values, 0)
    for health, count, failed in rows.values_list("reported_health").annotate(
        count=Count("pk"), failed=Count("pk", filter=failing)
    ):
        counts[health] = count
        if health == WebhookHealth.OK:
            counts[WebhookHealth.OK], counts[WebhookHealth.FAILING] = count - failed, failed
    return counts


def _backlog(events: QuerySet[Event], now: datetime) -> dict[str, Any]:
    """What waits, and for how long; untried is what waits for no handler's next attempt."""
    first = events.filter(state=EventState.PENDING).order_by("received_at")[:COUNTED]
    untried = Q(retry_at__isnull=True)
    found = first.aggregate(waiting=Count("pk"), oldest=Min("received_at"), untried=Min("received_at", filter=untried))
    return {
        "waiting": found["waiting"],
        "oldest_at": found["oldest"],
        "age": _age(found["oldest"], now),
        "untried_age": _age(found["untried"], now),
    }


def _accounts(user: Any) -> QuerySet[Account]:
    accounts = Account.objects.filter(is_active=True).order_by("name")
    if user is None or not scope.is_set():
        return accounts
    # Other tenants' accounts are not even named.
    return accounts.filter(Exists(scope.limited(user, Instance.objects.all()).filter(account=OuterRef("pk"))))


def _alerts(user: Any) -> dict[str, int]:
    found = visible(user, Alert.objects.open()).order_by().values_list("kind").annotate(count=Count("pk"))
    return dict.fromkeys(AlertKind.values, 0) | dict(found)


def _count(rows: QuerySet[Any]) -> int:
    return rows.values("pk")[:COUNTED].count()


def _age(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else round((now - moment).total_seconds(), 3)
