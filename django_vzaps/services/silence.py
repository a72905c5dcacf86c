"""Instances that VZaps calls connected, but from which nothing has come for much longer than is usual for them.

What is usual is learned from the events that came. That this site hears nothing at all says nothing about an instance:
silence counts only since the site has been hearing others without a pause that would be unusual for it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from django.db.models import Exists, F, Min, OuterRef, Q, Value
from django.db.models.functions import Coalesce, Greatest, TruncHour
from django.utils import timezone

from django_vzaps import conf
from django_vzaps.models import Event, EventSource, EventState, Instance, Lane
from django_vzaps.models.instance import InstanceQuerySet, ReportedState

#: What is looked at to learn a habit, and the least that one is learned from.
LEARNED_FROM: Final = timedelta(days=14)
LEAST_TIME: Final = timedelta(days=7)
LEAST_HOURS: Final = 24
#: A habit older than this is learned anew.
LEARNED_FOR: Final = timedelta(days=1)
#: Nobody is called silent sooner.
SHORTEST_SILENCE: Final = timedelta(hours=2)

#: Instances for one round, so that it stays short.
_LEARNED_AT_ONCE: Final = 100
_FOUND_AT_ONCE: Final = 100


def learn() -> int:
    """Learn the habits that are not known or a day old, oldest first, and return how many; a hundred at a time."""
    now = timezone.now()
    old = Q(silence_learned_at__isnull=True) | Q(silence_learned_at__lt=now - LEARNED_FOR)
    heard = Instance.objects.present().filter(old, account__is_active=True, last_event_at__isnull=False)
    pks = heard.order_by(F("silence_learned_at").asc(nulls_first=True), "pk").values_list("pk", flat=True)
    learned = list(pks[:_LEARNED_AT_ONCE])
    for pk in learned:
        Instance.objects.filter(pk=pk).update(usual_silence=usual_silence(pk), silence_learned_at=now)
    return len(learned)


def usual_silence(instance_id: int) -> timedelta | None:
    """The longest time between two hours in which events came, during two weeks; None while that says too little."""
    now = timezone.now()
    came = Event.objects.filter(
        instance_id=instance_id, source=EventSource.WEBHOOK, received_at__gte=now - LEARNED_FROM
    ).order_by()
    hours: list[datetime] = sorted(came.values_list(TruncHour("received_at", tzinfo=UTC), flat=True).distinct())
    if len(hours) < LEAST_HOURS or hours[0] > now - LEAST_TIME:
        return None
    return max(later - earlier for earlier, later in pairwise(hours))


def detect() -> int:
    """Find the instances that became too silent, have VZaps asked about them, and return how many there are.

    At most a hundred at a time. An event that comes ends it by itself.
    """
    now = timezone.now()
    quiet_since = _quiet(now).aggregate(oldest=Min("quiet_since"))["oldest"]
    if quiet_since is None:
        return 0
    heard_since = _heard_since(now, quiet_since)
    found = list(_quiet(now, heard_since).order_by("pk").values_list("pk", "last_event_at")[:_FOUND_AT_ONCE])
    asked = {"confirm_connection_at": now} if conf.current().probes_per_minute else {}
    return sum(
        Instance.objects.filter(pk=pk, last_event_at=last_event_at, connected=True).update(
            silent_since=last_event_at, **asked
        )
        for pk, last_event_at in found
    )


def _quiet(now: datetime, heard_since: datetime | None = None) -> InstanceQuerySet:
    """Those that are silent for twice as long as is usual, and are not known to be, as of ``heard_since``.

    One that was connected meanwhile has the time since then. One whose events wait to be handled is not silent.
    """
    moments = [F("last_event_at"), Coalesce("connection_changed_at", "last_event_at")]
    if heard_since is not None:
        moments.append(Value(heard_since))
    waiting = Event.objects.filter(
        instance=OuterRef("pk"),
        lane__in=Lane.values,
        state=EventState.PENDING,
        received_at__gt=OuterRef("last_event_at"),
    )
    return (
        _talking()
        .annotate(quiet_since=Greatest(*moments))
        .filter(~Exists(waiting), quiet_since__lt=now - SHORTEST_SILENCE)
        # Twice, in a form that every database can calculate.
        .filter(quiet_since__lt=Value(now) - F("usual_silence") - F("usual_silence"))
    )


def _talking() -> InstanceQuerySet:
    """Those that are called connected, have a habit, and are not known to be silent."""
    not_silent = Q(silent_since__isnull=True) | Q(silent_since__lt=F("last_event_at"))
    return Instance.objects.present().filter(
        not_silent,
        account__is_active=True,
        reported_state=ReportedState.CONNECTED,
        last_event_at__isnull=False,
        usual_silence__isnull=False,
    )


def _heard_since(now: datetime, earliest: datetime) -> datetime:
    """Since when events came to this site without an unusual pause, as far back as ``earliest``; now where none do.

    The site is never silent for longer than the most talkative of its instances: longer than that is unusual.
    """
    least = _talking().aggregate(least=Min("usual_silence"))["least"]
    since = now
    while least is not None and since > earliest:
        # By states, which the index begins with. The earliest within that time: no pause after it is longer. Two
        # hours with events are up to an hour further apart than their beginnings.
        came = Event.objects.filter(
            state__in=EventState.values, received_at__gte=since - least - timedelta(hours=1), received_at__lt=since
        ).aggregate(first=Min("received_at"))["first"]
        if came is None:
            break
        since = came
    return since
