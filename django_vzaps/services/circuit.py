"""Leaving VZaps alone while it fails for a whole account, and knowing since when it does.

What is asked without a person waiting (syncs, probes, questions after an event) tells here how it went. What concerns
one instance alone is no failure of its account.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Final

from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from django_vzaps.client import VZapsAuthenticationError, VZapsError
from django_vzaps.models import Account
from django_vzaps.services.failures import FailureKind, failure_of

#: After so many failures in a row VZaps is left alone; refused credentials and a rate limit need only one.
FAILURES_ALLOWED: Final = 3
SHORTEST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(minutes=15)

_AT_ONCE: Final = frozenset({FailureKind.CREDENTIALS, FailureKind.RATE_LIMITED, FailureKind.NOT_CONFIGURED})
_OF_ONE_INSTANCE: Final = frozenset({FailureKind.UNKNOWN_INSTANCE, FailureKind.REFUSED})


def is_open(account: Account) -> bool:
    """Whether VZaps is to be left alone now."""
    return account.paused_until is not None and account.paused_until > timezone.now()


def may_ask(account: Account) -> bool:
    """Whether to ask VZaps now. After a pause one alone asks, and all others wait for how that ends, for a minute."""
    ended = account.paused_until
    if ended is None:
        return True
    now = timezone.now()
    if ended <= now and Account.objects.filter(pk=account.pk, paused_until=ended).update(
        paused_until=now + SHORTEST_PAUSE
    ):
        account.paused_until = now + SHORTEST_PAUSE
        return True
    account.refresh_from_db(fields=["failing_since", "failures", "failure_kind", "paused_until"])
    return False


def note_success(account: Account) -> None:
    """VZaps answered: whatever was wrong is over. One statement, and none where nothing was wrong."""
    if account.failures or account.failing_since is not None or account.paused_until is not None:
        Account.objects.filter(pk=account.pk).update(failing_since=None, failures=0, failure_kind="", paused_until=None)
        account.failing_since, account.failures = None, 0
        account.failure_kind, account.paused_until = "", None


def note_failure(account: Account, error: VZapsError, *, about_instance: bool) -> bool:
    """VZaps did not answer, or refused: after a few of these it is left alone, longer each time.

    ``about_instance``: it was asked about one instance, so that a refusal may concern that one only; False is returned
    then, and nothing noted against the account.
    """
    failure = failure_of(error)
    if about_instance and failure.kind in _OF_ONE_INSTANCE:
        note_success(account)
        return False
    if about_instance and isinstance(error, VZapsAuthenticationError) and not error.signing_in:
        # The account could sign in just before: it may be the token of this instance alone. That the rest of the
        # account can be read is not said by it either.
        return False
    now = timezone.now()
    Account.objects.filter(pk=account.pk).update(
        failing_since=Coalesce("failing_since", now), failures=F("failures") + 1, failure_kind=failure.kind
    )
    account.refresh_from_db(fields=["failing_since", "failures", "failure_kind", "paused_until"])
    tries = account.failures - (1 if failure.kind in _AT_ONCE else FAILURES_ALLOWED)
    if tries < 0:
        return True
    pause = min(SHORTEST_PAUSE * 2 ** min(tries, 10), LONGEST_PAUSE) * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
    if failure.retry_after is not None:
        pause = max(pause, min(timedelta(seconds=failure.retry_after), LONGEST_PAUSE))
    account.paused_until = _later(account.paused_until, now + pause)
    Account.objects.filter(
        Q(paused_until__isnull=True) | Q(paused_until__lt=account.paused_until), pk=account.pk
    ).update(paused_until=account.paused_until)
    return True


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)
