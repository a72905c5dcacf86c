"""What is done every minute: find what was stored and not handled, and delete what is old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.utils import timezone

from django_vzaps import conf
from django_vzaps.events.dispatch import wake
from django_vzaps.models import Event, EventState
from django_vzaps.services import operations

_BATCH: Final = 500
#: So that a sweep stays short: the rest is left to the next one.
_BATCHES: Final = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepReport:
    """What a sweep did: queues woken, queues that could not be, operations given up, events deleted."""

    woken: int
    unreachable: int
    overdue: int
    pruned: int


def sweep() -> SweepReport:
    """Wake the instances that have due events, mark overdue operations as unknown, delete old events.

    Safe to run at any time and twice at once.
    """
    waiting = list(Event.objects.due().order_by().values_list("instance_id", "lane").distinct())
    woken = sum(wake(instance_id, lane) for instance_id, lane in waiting)
    return SweepReport(
        woken=woken,
        unreachable=len(waiting) - woken,
        overdue=operations.mark_overdue(),
        pruned=prune(),
    )


def prune() -> int:
    """Delete events older than ``VZAPS["EVENT_RETENTION_DAYS"]``, all but pending ones, oldest first.

    In small transactions, so that nobody waits for long; at most 10,000 at a time. Returns how many.
    """
    days = conf.current().event_retention_days
    if not days:
        return 0
    old = Event.objects.filter(
        state__in=[state for state in EventState if state != EventState.PENDING],
        received_at__lt=timezone.now() - timedelta(days=days),
    )
    pruned = 0
    for _ in range(_BATCHES):
        pks = list(old.order_by("pk").values_list("pk", flat=True)[:_BATCH])
        Event.objects.filter(pk__in=pks).delete()
        pruned += len(pks)
        if len(pks) < _BATCH:
            break
    return pruned
