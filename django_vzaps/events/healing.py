"""Taking in what VZaps failed to deliver: best effort, since what its log keeps, and how long, is not documented.

Every delivery that its log calls failed is taken in once, through the same inbox as the webhook. What had arrived
after all meets its copy there and only counts. What could not be recovered is tried again while it is listed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from celery.exceptions import SoftTimeLimitExceeded
from django.db import models
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from django_vzaps import conf
from django_vzaps.client import VZapsNotFoundError, VZapsPermissionError, VZapsValidationError
from django_vzaps.events import dispatch, storing
from django_vzaps.events.healing_report import HealingReport, Verdict, put_off
from django_vzaps.models import (
    Account,
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
from django_vzaps.services import ServiceError, circuit, deliveries
from django_vzaps.services.deliveries import FailedLog

logger = logging.getLogger("django_vzaps.events")

#: What concerns one instance only; after anything else the rest of the account would fail as well.
_ONE_INSTANCE: Final = (VZapsNotFoundError, VZapsPermissionError, VZapsValidationError)

#: How long a task goes on to the next instance: less than until beat sends the next task, which goes on where it ended.
SLICE_SECONDS: Final = 600.0

#: VZaps' clock need not be ours, and what it failed to deliver it tried a while before.
_SLACK: Final = timedelta(minutes=10)


@dataclass(kw_only=True, slots=True)
class HealingSummary:
    """What a walk over the delivery logs did. ``failed`` counts instances whose log was not read to its end, ``paused``
    accounts for which VZaps was left alone because it fails.
    """

    instances: int = 0
    failed: int = 0
    paused: int = 0
    missing: int = 0
    recovered: int = 0
    present: int = 0
    unrecoverable: int = 0
    problems: int = 0


def managed() -> models.QuerySet[Instance]:
    """The instances whose delivery log is ours to read: their webhook is managed here."""
    return Instance.objects.present().filter(webhook__desired_events__isnull=False)


def heal_all(
    accounts: list[Account] | None = None,
    *,
    vzaps_id: str | None = None,
    seconds: float | None = None,
    progress: Callable[[Instance, HealingRun | None], None] | None = None,
) -> HealingSummary:
    """Look at the delivery log of every instance whose webhook is managed here, longest unseen first.

    An account that VZaps refuses, or whose calls fail for another reason than one instance, is left until the next
    time, as is one that is left alone because it fails; an error of our own with one instance is no reason to leave the
    others. ``vzaps_id`` restricts it to one instance; after about ``seconds`` no further one is begun. ``progress`` is
    called after each instance with its report.
    """
    summary = HealingSummary()
    end = None if seconds is None else time.monotonic() + seconds
    if accounts is None:
        Account.objects.from_settings()
        accounts = list(Account.objects.filter(is_active=True))
    for left, account in zip(range(len(accounts), 0, -1), accounts, strict=True):
        # A share for each: who has many instances must not keep the others from their turn.
        until = None if end is None else time.monotonic() + (end - time.monotonic()) / left
        wanted = managed().filter(account=account)
        pks = _in_turn(wanted if vzaps_id is None else wanted.filter(vzaps_id=vzaps_id))
        if pks and not circuit.may_ask(account):
            summary.paused += 1
            continue
        for pk in pks:
            instance = managed().select_related("account", "webhook").filter(pk=pk).first()
            if instance is None:  # gone meanwhile, or no longer ours
                continue
            run, error = _heal(instance)
            summary.instances += 1
            _add(summary, run)
            if progress is not None:
                progress(instance, run)
            if isinstance(error, SoftTimeLimitExceeded):
                raise error
            if error is None:
                circuit.note_success(account)
            else:
                summary.failed += 1
            if isinstance(error, ServiceError):
                circuit.note_failure(account, error.error or error, about_instance=True)
                if not isinstance(error.error, _ONE_INSTANCE):
                    break
            if until is not None and time.monotonic() >= until:
                break
    return summary


def heal(instance: Instance) -> HealingRun | None:
    """Take in what VZaps failed to deliver to this instance; the report, or None where there is nothing to report.

    ``finished_at`` of the report is None where the log could not be read to its end: ``problems`` says why. Safe to
    run twice at once.
    """
    return _heal(instance)[0]


def _in_turn(instances: models.QuerySet[Instance]) -> list[int]:
    """Longest unseen first. A look that failed counts too: it must not stand before the others for ever."""
    tried = instances.order_by("pk").annotate(tried_at=Max("healing_runs__seen_at"))
    looks = {
        pk: max((moment.timestamp() for moment in moments if moment is not None), default=0.0)
        for pk, *moments in tried.values_list("pk", "webhook__healed_at", "tried_at")
    }
    return sorted(looks, key=looks.__getitem__)


def _heal(instance: Instance) -> tuple[HealingRun | None, Exception | None]:
    report = HealingReport(instance)
    try:
        newest = _look(instance, report)
    except ServiceError as error:
        logger.info("The delivery log of instance %s could not be read: %s", instance.pk, error)
        report.problem(str(error))
        return report.closed(is_complete=False), error
    except Exception as error:
        logger.exception("The delivery log of instance %s could not be taken in", instance.pk)
        said = _("This site failed to take it in (%(error)s); its log has the details.")
        report.problem(said % {"error": type(error).__name__})
        return report.closed(is_complete=False), error
    Webhook.objects.filter(instance=instance).update(healed_at=report.started_at, last_failure_at=newest)
    return report.closed(is_complete=True), None


def _look(instance: Instance, report: HealingReport) -> datetime | None:
    """Take in what is listed; returns when the newest of it failed, as far as that is said."""
    oldest = _oldest_of_ours(instance)
    newest: datetime | None = None
    for page in deliveries.failed(instance):
        newest = max((at for at in (newest, *(log.failed_at for log in page.logs)) if at is not None), default=None)
        for problem in page.problems:
            report.problem(problem)
        known = _known(instance, [log.id for log in page.logs])
        ours = (log for log in page.logs if not _is_before(log.failed_at, oldest))
        for log in sorted(ours, key=lambda log: log.id in known):
            delivery = known.get(log.id)
            if delivery is None:
                _note(instance, log, report, oldest=oldest)
            elif delivery.retry_at is not None:
                _try_again(instance, log, delivery, report, oldest=oldest)
    return newest


def _note(instance: Instance, log: FailedLog, report: HealingReport, *, oldest: datetime | None) -> None:
    try:
        verdict = _taken_in(instance, log, oldest=oldest, looked_since=report.looked_since)
    except ServiceError as error:
        # It has its turn again later, and does not keep every look from those behind it.
        report.note(log, Verdict(outcome=HealingOutcome.UNRECOVERABLE, detail=str(error)))
        raise
    # Stored first: who dies in between finds it present the next time, and nothing is lost.
    report.note(log, verdict)
    _wake(instance, verdict)


def _try_again(
    instance: Instance, log: FailedLog, delivery: FailedDelivery, report: HealingReport, *, oldest: datetime | None
) -> None:
    """What was unrecoverable may be readable by now: looked at when the list shows it, asked for ever more rarely."""
    if not put_off(delivery) and log.payload is None:
        return
    looked_since = None if delivery.run is None else delivery.run.looked_since
    verdict = _taken_in(instance, log, oldest=oldest, looked_since=looked_since)
    report.amend(delivery, verdict)
    _wake(instance, verdict)


def _taken_in(instance: Instance, log: FailedLog, *, oldest: datetime | None, looked_since: datetime | None) -> Verdict:
    body = deliveries.body_of(instance, log)
    if body is None:
        said = _("VZaps' log does not hold what was to be delivered, or not under a known name.")
        return Verdict(outcome=HealingOutcome.UNRECOVERABLE, detail=said)
    if len(body) > conf.current().webhook_max_bytes:
        said = _("It is larger than VZAPS['WEBHOOK_MAX_BYTES'].")
        return Verdict(outcome=HealingOutcome.UNRECOVERABLE, detail=said)
    if log.failed_at is None:
        occurred_at = storing.occurred_at(body)
        if occurred_at is None and looked_since is None:
            said = _("Neither VZaps' log nor the event says when it was: it may be older than this site's webhook.")
            return Verdict(outcome=HealingOutcome.UNRECOVERABLE, detail=said)
        if _is_before(occurred_at, oldest):
            said = _("It is older than this site's webhook, or than what is kept.")
            return Verdict(outcome=HealingOutcome.LEFT, detail=said)
    received = storing.receive(
        body,
        instance_id=instance.pk,
        vzaps_id=instance.vzaps_id,
        source=EventSource.DELIVERY_LOG,
        origin_id=log.id,
    )
    if received.pk is None:
        return Verdict(outcome=HealingOutcome.PRESENT, detail=_("VZAPS['EVENT_STORAGE'] drops events of this type."))
    outcome = HealingOutcome.RECOVERED if received.is_new else HealingOutcome.PRESENT
    return Verdict(outcome=outcome, event_id=received.pk, lane=received.lane if received.is_waiting else None)


def _wake(instance: Instance, verdict: Verdict) -> None:
    if verdict.lane is not None:
        dispatch.wake(instance.pk, verdict.lane)


def _known(instance: Instance, log_ids: list[str]) -> dict[str, FailedDelivery]:
    """Those that were dealt with before. That the log still lists them is noted: so they are remembered on."""
    known = FailedDelivery.objects.filter(instance=instance, log_id__in=log_ids)
    known.update(seen_at=timezone.now())
    return {delivery.log_id: delivery for delivery in known.select_related("run")}


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
