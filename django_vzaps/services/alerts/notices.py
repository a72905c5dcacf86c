"""Telling people of alerts by mail, at most once: what is told is marked before it is sent."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.db.models import F, QuerySet

from django_vzaps import conf
from django_vzaps.models import Alert
from django_vzaps.services.alerts import mails
from django_vzaps.services.alerts.condition import BATCH
from django_vzaps.services.alerts.conditions import CONDITIONS
from django_vzaps.services.alerts.mails import LISTED, Digest, News
from django_vzaps.services.alerts.raising import claimable
from django_vzaps.services.endings import STAGES

logger = logging.getLogger("django_vzaps.alerts")

#: What is over for longer, and could not be told, is no news.
NEWS_FOR: Final = timedelta(days=1)
#: Alerts of each sort that one mail speaks of.
_MOST: Final = 10_000

_RANK: Final[Mapping[str, int]] = {condition.kind.value: rank for rank, condition in enumerate(CONDITIONS)}


def tell(now: datetime) -> int:
    """Mail what was not told yet; returns to how many recipients.

    Where no recipient could be told, everything is marked untold again. Where some could, it is not: they would be
    told twice.
    """
    recipients = conf.current().alert_recipients
    if not recipients:
        return 0
    new = Alert.objects.open().filter(told_at__isnull=True)
    nearer = Alert.objects.open().filter(told_at__isnull=False, stage__lt=F("told_stage"))
    ended = Alert.objects.filter(resolved_at__gte=now - NEWS_FOR, told_at__isnull=False, told_over_at__isnull=True)
    raised = _claim(new, told_at=now, told_stage=F("stage"))
    reminded = _claim(nearer, told_stage=F("stage"))
    over = _claim(ended, told_over_at=now)
    if not (raised or reminded or over):
        return 0
    told = 0
    try:
        told = _send(recipients, Digest(raised=_news(raised), reminded=_news(reminded), over=_news(over)))
    finally:
        if not told:
            _mark(raised, told_at=None, told_stage=None)
            _mark(reminded, told_stage=max(STAGES))
            _mark(over, told_over_at=None)
    return told


def _send(recipients: Sequence[tuple[str, str]], digest: Digest) -> int:
    told = 0
    for address, language in recipients:
        try:
            mails.compose(digest, address, language).send()
        except SoftTimeLimitExceeded:
            # The next one would hang as well, until this process is killed: nothing could be marked untold any more.
            logger.error("A mail about alerts was not sent within the time limit of the task")  # noqa: TRY400
            break
        except Exception as error:  # noqa: BLE001 - whatever a mail backend raises; its text may hold credentials
            logger.error("A mail about alerts could not be sent: %s", type(error).__name__)  # noqa: TRY400
        else:
            told += 1
    return told


def _claim(alerts: QuerySet[Alert], **marks: Any) -> list[int]:
    """The keys of these alerts, the most important first, marked so that nobody else tells of them."""
    if not alerts.exists():
        return []
    with transaction.atomic():
        kinds = dict(claimable(alerts).values_list("pk", "kind")[:_MOST])
        _mark(list(kinds), **marks)
    return sorted(kinds, key=lambda pk: (_RANK.get(kinds[pk], len(_RANK)), pk))


def _mark(pks: Sequence[int], **marks: Any) -> None:
    for start in range(0, len(pks), BATCH):
        Alert.objects.filter(pk__in=pks[start : start + BATCH]).update(**marks)


def _news(pks: Sequence[int]) -> News:
    found = Alert.objects.select_related("instance__account", "account").in_bulk(pks[:LISTED])
    return News(count=len(pks), alerts=[found[pk] for pk in pks if pk in found])
