"""What a look at a delivery log found, written down: see :mod:`django_vzaps.events.healing`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from django_vzaps.models import FailedDelivery, HealingOutcome, HealingRun, Instance, Lane
from django_vzaps.models.fields import storable
from django_vzaps.services.deliveries import FailedLog

#: When to ask again for what could not be recovered; then after as long as it has been unrecoverable already.
FIRST_WAIT: Final = timedelta(hours=1)

_COUNTERS: Final = {
    HealingOutcome.RECOVERED: "recovered",
    HealingOutcome.PRESENT: "present",
    HealingOutcome.UNRECOVERABLE: "unrecoverable",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What became of a delivery. ``lane`` is set where its event waits and nobody is on the way to handle it."""

    outcome: HealingOutcome
    detail: str = ""
    event_id: int | None = None
    lane: Lane | None = None


def put_off(delivery: FailedDelivery) -> bool:
    """Whether it is time to try the delivery again; noted before it is tried, so that no failure repeats at once."""
    now = timezone.now()
    if delivery.retry_at is None or delivery.retry_at > now:
        return False
    waited = FIRST_WAIT if delivery.run is None else max(FIRST_WAIT, now - delivery.run.started_at)
    due = FailedDelivery.objects.filter(pk=delivery.pk, retry_at=delivery.retry_at)
    return bool(due.update(retry_at=now + waited))


class HealingReport:
    """The row of a look, written only when there is something to say."""

    def __init__(self, instance: Instance) -> None:
        self._run = HealingRun(instance=instance, looked_since=instance.webhook.healed_at)
        self.started_at = self._run.seen_at = self._run.started_at
        self.looked_since = self._run.looked_since

    def note(self, log: FailedLog, verdict: Verdict) -> None:
        """Remember what became of a delivery that was not known."""
        run, is_lost = self._run_for(verdict), verdict.outcome == HealingOutcome.UNRECOVERABLE
        try:
            with transaction.atomic():
                FailedDelivery.objects.create(
                    instance=self._run.instance,
                    run=run,
                    log_id=log.id,
                    outcome=verdict.outcome,
                    detail=storable(verdict.detail),
                    event_id=verdict.event_id,
                    failed_at=log.failed_at,
                    retry_at=self.started_at + FIRST_WAIT if is_lost else None,
                )
        except IntegrityError:  # another look was quicker
            return
        self._count(verdict)

    def amend(self, delivery: FailedDelivery, verdict: Verdict) -> None:
        """Say anew what became of one that could not be recovered; once it is, it moves here from its first report."""
        lost = FailedDelivery.objects.filter(pk=delivery.pk, outcome=HealingOutcome.UNRECOVERABLE)
        if verdict.outcome == HealingOutcome.UNRECOVERABLE:
            if verdict.detail != delivery.detail:
                lost.update(detail=verdict.detail)
            return
        run = self._run_for(verdict)
        with transaction.atomic():
            moved = lost.update(
                run=run,
                outcome=verdict.outcome,
                detail=verdict.detail,
                event=verdict.event_id,
                retry_at=None,
            )
            if not moved:  # another look was quicker
                return
            if delivery.run is not None:
                # A look whose process died has its deliveries and no counts.
                counted = HealingRun.objects.filter(pk=delivery.run.pk, missing__gt=0, unrecoverable__gt=0)
                counted.update(missing=F("missing") - 1, unrecoverable=F("unrecoverable") - 1)
        self._count(verdict)

    def problem(self, text: str) -> None:
        """Add to what could not be read."""
        self._run.problems = f"{self._run.problems}\n{storable(text)}".strip()

    def closed(self, *, is_complete: bool) -> HealingRun | None:
        """Write the report, if there is anything to say. What the look before said too is not said again."""
        run = self._run
        if run.pk is None and not run.problems:
            return None
        if is_complete:
            run.finished_at = timezone.now()
        if run.pk is None and (before := self._same_before()) is not None:
            before.finished_at, before.seen_at = run.finished_at, run.seen_at
            before.save(update_fields=["finished_at", "seen_at"])
            return before
        run.save()
        return run

    def _run_for(self, verdict: Verdict) -> HealingRun | None:
        if verdict.outcome == HealingOutcome.LEFT:
            return None
        if self._run.pk is None:
            self._run.save()
        return self._run

    def _count(self, verdict: Verdict) -> None:
        if (counter := _COUNTERS.get(verdict.outcome)) is not None:
            self._run.missing += 1
            setattr(self._run, counter, getattr(self._run, counter) + 1)

    def _same_before(self) -> HealingRun | None:
        """The last report, where it says the same and no look since then was without it."""
        before = HealingRun.objects.filter(instance=self._run.instance).first()
        if before is None or before.missing or before.problems != self._run.problems:
            return None
        return before if self.looked_since is None or before.seen_at >= self.looked_since else None
