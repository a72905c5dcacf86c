"""How long what arrived is kept: payloads sooner than rows, which remain as the record of what was seen.

``VZAPS["EVENT_PAYLOAD_DAYS"]`` and ``VZAPS["EVENT_RETENTION_DAYS"]`` count from an event's arrival. A pending event is
never touched. ``VZAPS["CHANGE_RETENTION_DAYS"]`` is for what was noticed of instances: their changes, and alerts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from django.db import models, transaction
from django.utils import timezone

from django_vzaps import conf
from django_vzaps.models import Alert, Event, EventState, FailedDelivery, HealingRun, InstanceChange

#: Rows in one transaction, so that nobody waits for long.
BATCH: Final = 500
_FINISHED: Final = [state for state in EventState if state != EventState.PENDING]

Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True, kw_only=True, slots=True)
class PruneReport:
    """What was pruned, or would be: payloads erased; deleted: events, reports about the delivery log, changes of
    instances, resolved alerts.
    """

    payloads: int
    events: int
    reports: int
    changes: int = 0
    alerts: int = 0


def prune(*, dry_run: bool = False, progress: Callable[[int], None] | None = None) -> PruneReport:
    """Delete what is older than the settings say, oldest first, in small transactions.

    Safe to run at any time, twice at once, and to interrupt. ``progress`` is called with the number of rows after
    each batch; with ``dry_run`` rows are counted and nothing is changed.
    """
    current, pruning = conf.current(), _Pruning(dry_run=dry_run, progress=progress)
    events = reports = payloads = changes = alerts = 0
    if current.event_retention_days:
        before = timezone.now() - timedelta(days=current.event_retention_days)
        events = sum(pruning.delete_events(rows) for rows in _finished(before))
        # Kept while VZaps' log still lists them: what is forgotten would be taken in as new.
        reports = pruning.delete(FailedDelivery.objects.filter(seen_at__lt=before))
        reports += pruning.delete(HealingRun.objects.filter(seen_at__lt=before, deliveries__isnull=True))
    if current.event_payload_days:
        before = timezone.now() - timedelta(days=current.event_payload_days)
        payloads = pruning.erase(Event.objects.erasable(before))
    if current.change_retention_days:
        before = timezone.now() - timedelta(days=current.change_retention_days)
        changes = pruning.delete(_superseded_changes(before))
        alerts = pruning.delete(Alert.objects.filter(resolved_at__lt=before))
    return PruneReport(payloads=payloads, events=events, reports=reports, changes=changes, alerts=alerts)


def _finished(before: datetime) -> Iterator[models.QuerySet[Event]]:
    # State by state: only then the index on both gives the oldest of them.
    for state in _FINISHED:
        yield Event.objects.filter(state=state, received_at__lt=before).order_by("received_at")


def _superseded_changes(before: datetime) -> models.QuerySet[InstanceChange]:
    """But for the newest of each field, whatever its age: it says since when the field has been what it is."""
    newer = InstanceChange.objects.filter(
        instance=models.OuterRef("instance"), field=models.OuterRef("field"), pk__gt=models.OuterRef("pk")
    )
    return InstanceChange.objects.filter(models.Exists(newer), at__lt=before)


class _Pruning:
    def __init__(self, *, dry_run: bool, progress: Callable[[int], None] | None) -> None:
        self.dry_run = dry_run
        self.progress = progress
        self.done = 0

    def delete(self, rows: models.QuerySet[Row]) -> int:
        return self._each_batch(rows, _delete, _batches)

    def delete_events(self, rows: models.QuerySet[Event]) -> int:
        return self._each_batch(rows, _delete_locked, _oldest)

    def erase(self, rows: models.QuerySet[Event]) -> int:
        return self._each_batch(rows, lambda batch: batch.update(payload=""), _oldest)

    def _each_batch(
        self,
        rows: models.QuerySet[Row],
        change: Callable[[models.QuerySet[Row]], int],
        batches: Callable[[models.QuerySet[Row]], Iterator[list[int]]],
    ) -> int:
        if self.dry_run:
            return rows.count()
        count = 0
        for pks in batches(rows):
            # Asked for once more: what was replayed meanwhile is pending again.
            count += change(rows.filter(pk__in=pks))
            self.done += len(pks)
            if self.progress is not None:
                self.progress(self.done)
        return count


def _delete(batch: models.QuerySet[Row]) -> int:
    # Without their columns: a payload may be megabytes.
    return batch.only("pk").delete()[1].get(batch.model._meta.label, 0)


@transaction.atomic
def _delete_locked(batch: models.QuerySet[Event]) -> int:
    # Django reads what else goes with them before it deletes them by their keys: nobody may replay one in between.
    pks = list(batch.select_for_update().values_list("pk", flat=True))
    return _delete(Event.objects.filter(pk__in=pks))


def _batches(rows: models.QuerySet[Row]) -> Iterator[list[int]]:
    """The keys of the rows in batches; each row once, also while rows come and go."""
    last = 0
    while pks := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        yield pks
        last = pks[-1]


def _oldest(rows: models.QuerySet[Event]) -> Iterator[list[int]]:
    """The keys of events in batches, in the order of their arrival; those of one batch are no such rows by the next."""
    following = rows
    while found := list(following.values_list("pk", "received_at")[:BATCH]):
        yield [pk for pk, _ in found]
        # Not from the start: on PostgreSQL the index still leads to those that are gone.
        following = rows.filter(received_at__gte=found[-1][1])
