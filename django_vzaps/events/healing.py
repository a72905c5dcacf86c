"""Taking in what VZaps failed to deliver: best effort, since what its log keeps, and how long, is not documented.

Every delivery that its log calls failed is taken in once, through the same inbox as the webhook. What had arrived
after all meets its copy there and only counts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from django_vzaps import conf
from django_vzaps.client import VZapsNotFoundError, VZapsPermissionError, VZapsValidationError
from django_vzaps.events import dispatch, storing
from django_vzaps.models import (
    Account,
    Event,
    EventSource,
    FailedDelivery,
    HealingOutcome,
    HealingRun,
    Instance,
    Operation,
    OperationKind,
    OperationOutcome,
    Webhook,
)
from django_vzaps.services import ServiceError, deliveries
from django_vzaps.services.deliveries import FailedLog

logger = logging.getLogger("django_vzaps.events")

#: What concerns one instance only; after anything else the rest of the account would fail as well.
_ONE_INSTANCE: Final = (VZapsNotFoundError, VZapsPermissionError, VZapsValidationError)

#: VZaps' clock need not be ours, and what it failed to deliver it tried a while before.
_SLACK: Final = timedelta(minutes=10)

_COUNTERS: Final = {
    HealingOutcome.RECOVERED: "recovered",
    HealingOutcome.PRESENT: "present",
    HealingOutcome.UNRECOVERABLE: "unrecoverable",
}


@dataclass(kw_only=True, slots=True)
class HealingSummary:
    """What a walk over the delivery logs did. ``failed`` counts instances whose log could not be read."""

    instances: int = 0
    failed: int = 0
    missing: int = 0
    recovered: int = 0
    present: int = 0
    unrecoverable: int = 0
    problems: int = 0


def heal_all(
    accounts: list[Account] | None = None, *, progress: Callable[[Instance, HealingRun | None], None] | None = None
) -> HealingSummary:
    """Look at the delivery log of every instance whose webhook is managed here, longest unseen first.

    An account that VZaps refuses, or whose calls fail for another reason than one instance, is left until the next
    time. ``progress`` is called after each instance with its report.
    """
    summary = HealingSummary()
    if accounts is None:
        Account.objects.from_settings()
        accounts = list(Account.objects.filter(is_active=True))
    for account in accounts:
        managed = Instance.objects.present().filter(account=account, webhook__desired_events__isnull=False)
        for pk in managed.order_by(F("webhook__healed_at").asc(nulls_first=True)).values_list("pk", flat=True):
            instance = Instance.objects.select_related("account", "webhook").get(pk=pk)
            run, error = _heal(instance)
            summary.instances += 1
            _add(summary, run)
            if progress is not None:
                progress(instance, run)
            if error is not None:
                summary.failed += 1
                if not isinstance(error.error, _ONE_INSTANCE):
                    break
    return summary


def heal(instance: Instance) -> HealingRun | None:
    """Take in what VZaps failed to deliver to this instance; the report, or None where there is nothing to report.

    ``finished_at`` of the report is None where the log could not be read to its end: ``problems`` says why. Safe to
    run twice at once.
    """
    return _heal(instance)[0]


def _heal(instance: Instance) -> tuple[HealingRun | None, ServiceError | None]:
    started_at = timezone.now()
    report = _Report(instance, started_at=started_at)
    oldest = _oldest_of_ours(instance)
    try:
        for page in deliveries.failed(instance):
            for problem in page.problems:
                report.problem(problem)
            known = _known(instance, [log.id for log in page.logs])
            for log in page.logs:
                if log.id not in known and not _is_before(log.failed_at, oldest):
                    _take_in(instance, log, report, oldest=oldest)
    except ServiceError as error:
        logger.info("The delivery log of instance %s could not be read: %s", instance.pk, error)
        report.problem(str(error))
        return report.saved(), error
    Webhook.objects.filter(instance=instance).update(healed_at=started_at)
    return report.finished(), None


def _take_in(instance: Instance, log: FailedLog, report: _Report, *, oldest: datetime | None) -> None:
    body = deliveries.body_of(instance, log)
    if body is None:
        report.note(log, HealingOutcome.UNRECOVERABLE, _("VZaps' log does not hold what was to be delivered."))
        return
    if len(body) > conf.current().webhook_max_bytes:
        report.note(log, HealingOutcome.UNRECOVERABLE, _("It is larger than VZAPS['WEBHOOK_MAX_BYTES']."))
        return
    if log.failed_at is None:
        occurred_at = storing.occurred_at(body)
        if occurred_at is None and instance.webhook.healed_at is None:
            said = _("Neither VZaps' log nor the event says when it was: it may be older than this site's webhook.")
            report.note(log, HealingOutcome.UNRECOVERABLE, said)
            return
        if _is_before(occurred_at, oldest):
            return
    received = storing.receive(
        body,
        instance_id=instance.pk,
        vzaps_id=instance.vzaps_id,
        source=EventSource.DELIVERY_LOG,
        origin_id=log.id,
    )
    # Stored first: who dies in between finds it present the next time, and nothing is lost.
    if received.pk is None:
        report.note(log, HealingOutcome.PRESENT, _("VZAPS['EVENT_STORAGE'] drops events of this type."))
    else:
        outcome = HealingOutcome.RECOVERED if received.is_new else HealingOutcome.PRESENT
        report.note(log, outcome, event_id=received.pk)
    if received.is_waiting:
        dispatch.wake(instance.pk, received.lane)


def _known(instance: Instance, log_ids: list[str]) -> set[str]:
    """Those that were dealt with before. That the log still lists them is noted: so they are remembered on."""
    known = FailedDelivery.objects.filter(instance=instance, log_id__in=log_ids)
    known.update(seen_at=timezone.now())
    return set(known.values_list("log_id", flat=True))


def _oldest_of_ours(instance: Instance) -> datetime | None:
    """Before this, VZaps delivered to somebody else, or what we know of it is pruned; None where that is not known."""
    days = conf.current().event_retention_days
    kept_from = timezone.now() - timedelta(days=days) if days else None
    ours = Operation.objects.filter(
        instance=instance,
        kind__in=[OperationKind.CREATE, OperationKind.SET_WEBHOOK],
        outcome=OperationOutcome.SUCCEEDED,
    )
    ours_from = ours.order_by("pk").values_list("started_at", flat=True).first()
    known = [moment for moment in (kept_from, ours_from and ours_from - _SLACK) if moment is not None]
    return max(known, default=None)


def _is_before(moment: datetime | None, oldest: datetime | None) -> bool:
    return moment is not None and oldest is not None and moment < oldest


def _add(summary: HealingSummary, run: HealingRun | None) -> None:
    if run is None:
        return
    for name in ("missing", "recovered", "present", "unrecoverable"):
        setattr(summary, name, getattr(summary, name) + getattr(run, name))
    summary.problems += bool(run.problems)


class _Report:
    """The row of a look, written only when there is something to say."""

    def __init__(self, instance: Instance, *, started_at: datetime) -> None:
        self.run = HealingRun(instance=instance, started_at=started_at, looked_since=instance.webhook.healed_at)

    def note(self, log: FailedLog, outcome: HealingOutcome, detail: str = "", *, event_id: int | None = None) -> None:
        if self.run.pk is None:
            self.saved()
        try:
            with transaction.atomic():
                FailedDelivery.objects.create(
                    instance=self.run.instance,
                    run=self.run,
                    log_id=log.id,
                    outcome=outcome,
                    detail=detail,
                    event=None if event_id is None else Event(pk=event_id),
                    failed_at=log.failed_at,
                )
        except IntegrityError:  # another look was quicker
            return
        self.run.missing += 1
        counter = _COUNTERS[outcome]
        setattr(self.run, counter, getattr(self.run, counter) + 1)

    def problem(self, text: str) -> None:
        self.run.problems = f"{self.run.problems}\n{text}".strip()

    def finished(self) -> HealingRun | None:
        if self.run.pk is None and not self.run.problems:
            return None
        self.run.finished_at = timezone.now()
        return self.saved()

    def saved(self) -> HealingRun:
        self.run.save()
        return self.run
