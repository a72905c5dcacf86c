"""What is done every minute: raise, resolve, tell."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from django.utils import timezone

from django_vzaps.models import Alert, AlertKind
from django_vzaps.services import endings
from django_vzaps.services.alerts import notices, raising
from django_vzaps.services.alerts.conditions import CONDITIONS

logger = logging.getLogger("django_vzaps.alerts")

_ENDINGS: Final = "subscription endings"
_MAILS: Final = "mails"


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckReport:
    """What a check did: alerts raised and resolved, recipients mailed, and what it failed to do."""

    raised: int
    resolved: int
    mailed: int
    failed: tuple[str, ...]


def check() -> CheckReport:
    """Raise what has a reason, resolve what has none any more, send signals, and mail what is new.

    Safe to run at any time and twice at once. A kind that cannot be looked at is logged, and neither raised nor
    resolved; the others are.
    """
    now = timezone.now()
    raised = resolved = mailed = 0
    failed: list[str] = []
    open_kinds = set(Alert.objects.open().order_by().values_list("kind", flat=True).distinct())
    for condition in CONDITIONS:
        try:
            raised += raising.raise_new(condition, now)
            if condition.kind in open_kinds:
                resolved += raising.resolve_over(condition, now)
        except Exception:
            logger.exception("Alerts of the kind %s could not be checked", condition.kind.value)
            failed.append(condition.kind.value)
    try:
        if AlertKind.SUBSCRIPTION_ENDING in open_kinds:
            raising.follow_ends(now)
        endings.announce(now)
    except Exception:
        logger.exception("Subscriptions that end could not be announced")
        failed.append(_ENDINGS)
    try:
        mailed = notices.tell(now)
    except Exception:
        logger.exception("Alerts could not be told")
        failed.append(_MAILS)
    return CheckReport(raised=raised, resolved=resolved, mailed=mailed, failed=tuple(failed))
