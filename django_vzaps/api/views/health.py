"""How it goes as a whole: for a monitoring probe, in a few queries on indexes, asking VZaps nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from django_vzaps import conf, scope
from django_vzaps.api.serializers.health import HealthSerializer, LimitsSerializer
from django_vzaps.api.views.base import APIViewSet
from django_vzaps.models import (
    Account,
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

#: More than this are not counted: a probe must not take longer the more there are.
COUNTED: Final = 10_000


class HealthViewSet(APIViewSet):
    needs = {"retrieve": [("view_instance",)]}
    queries = {"retrieve": LimitsSerializer}

    def retrieve(self, request: Request) -> Response:
        limits, found = self.query(), health_of(request.user)
        failing = sorted(_failing(found, limits))
        shown = found | {"status": "failing" if failing else "ok", "failing": failing}
        return self.shown(HealthSerializer, shown, status=503 if failing else 200)


def health_of(user: Any) -> dict[str, Any]:
    """Counts by state, and ages, of what the user may see."""
    now = timezone.now()
    instances = scope.limited(user, Instance.objects.all()).filter(removed_at__isnull=True).order_by()
    events = scope.about(user, Event.objects.all(), Instance.objects.all()).order_by()
    pending = events.filter(state=EventState.PENDING)
    oldest = pending.order_by("received_at").values_list("received_at", flat=True).first()
    operations = scope.about(user, Operation.objects.all(), Instance.objects.all(), actor_lookup="actor").order_by()
    return {
        "connections": _connections(instances, now),
        "subscriptions": _subscriptions(instances),
        "webhooks": _webhooks(instances, now),
        "backlog": {"waiting": _count(pending), "oldest_at": oldest, "age": _age(oldest, now)},
        "failed_events": _count(events.filter(state=EventState.FAILED)),
        "unsettled_operations": _count(operations.filter(_UNSETTLED)),
        "syncs": [
            {"account": name, "synced_at": synced_at, "age": _age(synced_at, now), "error": error}
            for name, synced_at, error in _accounts(user).values_list("name", "synced_at", "sync_error")
        ],
    }


_UNSETTLED: Final = Q(outcome=OperationOutcome.UNKNOWN) | Q(lock__isnull=False) & ~Q(outcome=OperationOutcome.RUNNING)


def _failing(found: Mapping[str, Any], limits: Mapping[str, int]) -> Iterator[str]:
    never = float("inf")
    values = {
        "max_backlog_age": found["backlog"]["age"] or 0,
        "max_sync_age": max((never if sync["age"] is None else sync["age"] for sync in found["syncs"]), default=0),
        "max_disconnected": found["connections"][ConnectionState.DISCONNECTED]
        + found["connections"][ConnectionState.STALE],
        "max_failed_events": found["failed_events"],
        "max_unsettled": found["unsettled_operations"],
    }
    for name, limit in limits.items():
        if values[name] > limit:
            yield name


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


def _accounts(user: Any) -> QuerySet[Account]:
    accounts = Account.objects.filter(is_active=True).order_by("name")
    if not scope.is_set():
        return accounts
    # Other tenants' accounts are not even named.
    return accounts.filter(Exists(scope.limited(user, Instance.objects.all()).filter(account=OuterRef("pk"))))


def _count(rows: QuerySet[Any]) -> int:
    return rows.values("pk")[:COUNTED].count()


def _age(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else round((now - moment).total_seconds(), 3)
