"""How long what arrived is kept: payloads sooner than rows, which remain as the record of what was seen.

``VZAPS["EVENT_PAYLOAD_DAYS"]`` and ``VZAPS["EVENT_RETENTION_DAYS"]`` count from an event's arrival. A pending event is
never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from django.db import models
from django.utils import timezone

from django_vzaps import conf
from django_vzaps.models import Event, EventState, FailedDelivery, HealingRun

#: Rows in one transaction, so that nobody waits for long.
BATCH: Final = 500
_FINISHED: Final = [state for state in EventState if state != EventState.PENDING]

Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True, kw_only=True, slots=True)
class PruneReport:
    """What was pruned, or would be: payloads erased, events deleted, reports about the delivery log deleted."""

    payloads: int
    events: int
    reports: int


def prune(*, dry_run: bool = False, progress: Callable[[int], None] | None = None) -> PruneReport:
    """Delete what is older than the settings say, oldest first, in small transactions.

    Safe to run at any time, twice at once, and to interrupt. ``progress`` is called with the number of rows after
    each batch; with ``dry_run`` rows are counted and nothing is changed.
    """
    current, pruning = conf.current(), _Pruning(dry_run=dry_run, progress=progress)
    events = reports = payloads = 0
    if current.event_retention_days:
        before = timezone.now() - timedelta(days=current.event_retention_days)
        events = pruning.delete(_finished(before))
        # Kept while VZaps' log still lists them: what is forgotten would be taken in as new.
        reports = pruning.delete(FailedDelivery.objects.filter(seen_at__lt=before))
        reports += pruning.delete(HealingRun.objects.filter(started_at__lt=before, deliveries__isnull=True))
    if current.event_payload_days:
        before = timezone.now() - timedelta(days=current.event_payload_days)
        payloads = pruning.erase(_finished(before).exclude(payload=""))
    return PruneReport(payloads=payloads, events=events, reports=reports)


def _finished(before: datetime) -> models.QuerySet[Event]:
    return Event.objects.filter(state__in=_FINISHED, received_at__lt=before)


class _Pruning:
    def __init__(self, *, dry_run: bool, progress: Callable[[int], None] | None) -> None:
        self.dry_run = dry_run
        self.progress = progress
        self.done = 0

    def delete(self, rows: models.QuerySet[Row]) -> int:
        # Without their columns: a payload may be megabytes.
        return self._each_batch(rows, lambda batch: batch.only("pk").delete())

    def erase(self, rows: models.QuerySet[Event]) -> int:
        return self._each_batch(rows, lambda batch: batch.update(payload=""))

    def _each_batch(self, rows: models.QuerySet[Row], change: Callable[[models.QuerySet[Row]], object]) -> int:
        if self.dry_run:
            return rows.count()
        count = 0
        for pks in _batches(rows):
            change(rows.model._default_manager.filter(pk__in=pks))
            count += len(pks)
            self.done += len(pks)
            if self.progress is not None:
                self.progress(self.done)
        return count


def _batches(rows: models.QuerySet[Row]) -> Iterator[list[int]]:
    """The keys of the rows in batches; each row once, also while rows come and go."""
    last = 0
    while pks := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        yield pks
        last = pks[-1]
