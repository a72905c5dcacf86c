"""Telling a worker that a queue has events: once per queue and not per event, and never at the caller's cost."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q, QuerySet
from django.utils import timezone

from django_vzaps import broker, conf
from django_vzaps.models import EventQueue, Lane

#: Two names, so that a project can route them to different workers.
TASKS: Final = {Lane.MAIN: "django_vzaps.drain_instance", Lane.BULK: "django_vzaps.drain_bulk"}


def ring(instance_id: int, lane: str = Lane.MAIN) -> bool:
    """Send the drain task, unless one is on its way or at work. False where the broker could not be told.

    Call it after the event was committed: a drain looks once more after it has silenced the bell, so whoever finds it
    ringing knows that their event will be seen. A ring counts for half of ``VZAPS["DRAIN_LEASE"]``; after that it is
    taken for lost.
    """
    if broker.breaker.is_open:
        return False
    now = timezone.now()
    until = _rung_until(now)
    quiet = _queue(instance_id, lane).filter(Q(rung_until__isnull=True) | Q(rung_until__lt=now))
    if not quiet.update(rung_until=until) and not (
        EventQueue.objects.began(instance_id, lane) and quiet.update(rung_until=until)
    ):
        return True
    return _send_drain(instance_id, lane, until)


def ring_on(instance_id: int, lane: str) -> bool:
    """Send the drain task for what a drain leaves, the bell still ringing. False where the broker could not be told."""
    until = _rung_until(timezone.now())
    _queue(instance_id, lane).update(rung_until=until)
    return _send_drain(instance_id, lane, until)


def ring_later(instance_id: int, lane: str, *, seconds: float) -> bool:
    """Send a drain task that starts after a while, beside any other. False where the broker could not be told."""
    return broker.send(TASKS[Lane(lane)], instance_id, countdown=seconds)


def silence(instance_id: int, lane: str) -> None:
    """Whoever stores an event from now on rings again."""
    _queue(instance_id, lane).filter(rung_until__isnull=False).update(rung_until=None)


def _queue(instance_id: int, lane: str) -> QuerySet[EventQueue]:
    return EventQueue.objects.filter(instance_id=instance_id, lane=lane)


def _rung_until(now: datetime) -> datetime:
    return now + timedelta(seconds=conf.current().drain_lease / 2)


def _send_drain(instance_id: int, lane: str, until: datetime) -> bool:
    worked = broker.send(TASKS[Lane(lane)], instance_id)
    if not worked:
        _queue(instance_id, lane).filter(rung_until=until).update(rung_until=None)
    return worked
