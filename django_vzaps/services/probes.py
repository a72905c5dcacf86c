"""Asking VZaps on a schedule which instances are connected: that one is, is a claim that goes stale.

Only ``session/status`` is asked, which starts nothing (API.md section 4.1). What a probe found is newer knowledge like
any other; what failed is asked again by a later round, and never at once.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Case, F, Q, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _

from django_vzaps import conf
from django_vzaps.models import Account, Instance
from django_vzaps.models.instance import InstanceQuerySet, ReportedState
from django_vzaps.services import circuit, sessions
from django_vzaps.services.errors import ServiceError
from django_vzaps.services.failures import FailureKind, failure_of

logger = logging.getLogger("django_vzaps.probes")

MINUTE: Final = timedelta(minutes=1)
#: After so many seconds a round begins no further probe, however slow VZaps is: the next round is near.
ROUND_SECONDS: Final = 30.0
#: When to ask again about a connection that is in doubt, after VZaps could not be asked.
AGAIN: Final = timedelta(minutes=5)
#: How long an instance that could not be asked is left alone: twice as long each time.
SHORTEST_BACKOFF: Final = timedelta(minutes=2)
LONGEST_BACKOFF: Final = timedelta(hours=4)

#: One part in so many of a round is for those that were asked longest ago, so that nobody waits for ever.
_LONGEST_UNASKED: Final = 4
#: What says nothing about the instance that was asked about; after anything else it may be to blame.
_OF_THE_ACCOUNT: Final = frozenset(
    {FailureKind.CREDENTIALS, FailureKind.RATE_LIMITED, FailureKind.UNREACHABLE, FailureKind.NOT_CONFIGURED}
)


@dataclass(kw_only=True, slots=True)
class ProbeReport:
    """What a round did. ``left``: how many are due and were not asked, or could not be.

    ``paused_until``: VZaps is left alone until then, because it fails for the whole account. ``error`` is a sentence
    for a person: why the last one that failed did.
    """

    account: str
    asked: int = 0
    connected: int = 0
    disconnected: int = 0
    failed: int = 0
    left: int = 0
    paused_until: datetime | None = None
    error: str = ""


def probe_account(account: Account, *, progress: Callable[[int, int], None] | None = None) -> ProbeReport:
    """Ask about the account's instances whose state is stale or in doubt, as many as its budget allows now.

    The budget is ``VZAPS["PROBES_PER_MINUTE"]``, shared by all processes; a round has what the time since the one
    before allows, a minute's worth at most. ``progress`` is called with how many were asked, and of how many.
    """
    began = time.monotonic()
    report = ProbeReport(account=account.name)
    allowed = 0 if circuit.is_open(account) or not _due(account).exists() else _claim(account)
    if allowed and account.paused_until is not None:
        # Whether VZaps is back is found out by one probe.
        allowed = 1 if circuit.may_ask(account) else 0
    pks = _in_turn(account, most=allowed)
    for number, pk in enumerate(pks):
        if time.monotonic() - began >= ROUND_SECONDS:
            break
        instance = _due(account).filter(pk=pk).first()
        # Somebody else may have asked since.
        if instance is not None and take(instance):
            instance.account = account
            _report(instance, report)
            if circuit.is_open(account):
                break
        if progress is not None:
            progress(number + 1, len(pks))
    report.left = _due(account).count()
    report.paused_until = account.paused_until if circuit.is_open(account) else None
    return report


def probe_instance(instance: Instance, *, even_if_paused: bool = False) -> ProbeReport:
    """Ask about one instance, whatever is known of it and whatever the budget says."""
    account = instance.account
    report = ProbeReport(account=account.name)
    if (even_if_paused or circuit.may_ask(account)) and take(instance):
        _report(instance, report)
    report.paused_until = account.paused_until if circuit.is_open(account) else None
    return report


def take(instance: Instance) -> bool:
    """Put a doubt about the connection off while it is asked about; False where somebody else has done so just now.

    Not cleared: who dies while asking leaves the doubt, and an event meanwhile brings it forward.
    """
    doubted, taken = instance.confirm_connection_at, timezone.now() + AGAIN
    if doubted is None:
        return True
    instance.confirm_connection_at = taken
    asking = Instance.objects.filter(pk=instance.pk, confirm_connection_at=doubted)
    return bool(asking.update(confirm_connection_at=taken))


def ask(instance: Instance) -> str:
    """Ask VZaps once about an instance that was taken; a sentence for a person where it did not say, else "".

    How that went is noted on the instance and on its account.
    """
    account, taken = instance.account, instance.confirm_connection_at
    try:
        sessions.status(instance, patient=False)
    except ServiceError as error:
        logger.info("Instance %s could not be asked about its connection: %s", instance.pk, error)
        is_of_account = circuit.note_failure(account, error.error or error, about_instance=True)
        kind = failure_of(error.error or error).kind
        _put_off(instance, taken, account, is_to_blame=not is_of_account or kind not in _OF_THE_ACCOUNT)
        return str(error)
    except Exception as error:
        # An error of our own with one instance must not stand before the others for ever.
        logger.exception("Instance %s could not be asked about its connection", instance.pk)
        _put_off(instance, taken, account, is_to_blame=True)
        said = _("This site failed to ask (%(error)s); its log has the details.")
        return said % {"error": type(error).__name__}
    circuit.note_success(account)
    _settle(instance, taken)
    return ""


def _report(instance: Instance, report: ProbeReport) -> None:
    error = ask(instance)
    report.asked += 1
    if error:
        report.failed += 1
        report.error = error
    else:
        report.connected += bool(instance.connected)
        report.disconnected += not instance.connected


def _settle(instance: Instance, taken: datetime | None) -> None:
    row = Instance.objects.filter(pk=instance.pk)
    if taken is not None:
        row.filter(confirm_connection_at=taken).update(confirm_connection_at=None)
    if instance.probe_failures:
        row.update(probe_failures=0, probe_after=None)


def _put_off(instance: Instance, taken: datetime | None, account: Account, *, is_to_blame: bool) -> None:
    row = Instance.objects.filter(pk=instance.pk)
    again = [account.paused_until]
    if is_to_blame:
        failures = min(instance.probe_failures + 1, 100)
        wait = min(SHORTEST_BACKOFF * 2 ** min(failures - 1, 10), LONGEST_BACKOFF)
        probe_after = timezone.now() + wait * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
        row.update(probe_failures=failures, probe_after=probe_after)
        again.append(probe_after)
    if taken is not None:
        latest = max([taken, *(moment for moment in again if moment is not None)])
        row.filter(confirm_connection_at=taken).update(confirm_connection_at=latest)


def _due(account: Account) -> InstanceQuerySet:
    now = timezone.now()
    stale_at = now - timedelta(seconds=conf.current().stale_after)
    stale = Q(connection_asked_at__isnull=True) | Q(connection_asked_at__lt=stale_at)
    doubted = Q(confirm_connection_at__lte=now)
    ready = Q(probe_after__isnull=True) | Q(probe_after__lte=now)
    return Instance.objects.present().filter(stale | doubted, ready, account=account)


def _in_turn(account: Account, *, most: int) -> list[int]:
    """Who is due, at most so many: those in doubt, those called connected, the others, those that never were paired.

    Of each kind those from which an event came lately stand first.
    """
    due = _due(account)
    turn = Case(
        When(confirm_connection_at__lte=timezone.now(), then=Value(0)),
        When(reported_state=ReportedState.CONNECTED, then=Value(1)),
        When(reported_state=ReportedState.NEVER_PAIRED, then=Value(3)),
        default=Value(2),
    )
    first = due.order_by(turn, F("last_event_at").desc(nulls_last=True), "pk")
    unasked = due.exclude(reported_state=ReportedState.NEVER_PAIRED)
    unasked = unasked.order_by(F("connection_asked_at").asc(nulls_first=True), "pk")
    pks = list(first.values_list("pk", flat=True)[:most])
    if len(pks) < most:
        return pks
    share = list(unasked.values_list("pk", flat=True)[: most // _LONGEST_UNASKED])
    return list(dict.fromkeys([*pks[: most - len(share)], *share, *pks]))[:most]


def _claim(account: Account) -> int:
    """How many may be asked now; nobody else gets the same ones."""
    now, before = timezone.now(), account.probed_at
    # A clock that was put back must not keep everybody waiting until it has caught up.
    since = MINUTE if before is None or before > now + MINUTE else min(now - before, MINUTE)
    per_minute = conf.current().probes_per_minute
    allowed = since * per_minute // MINUTE
    if allowed < 1:
        return 0
    # What is left of the time makes no whole probe yet, and counts for the next round.
    account.probed_at = now - (since - allowed * MINUTE / per_minute)
    claimed = Account.objects.filter(pk=account.pk, probed_at=before).update(probed_at=account.probed_at)
    return allowed if claimed else 0
