"""Telling a worker that a queue has events: once per queue and not per event, and never at the caller's cost."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from typing import Any, Final

from celery import current_app
from django.db.models import Q, QuerySet
from django.utils import timezone

from django_vzaps import conf
from django_vzaps.events import lines
from django_vzaps.models import EventQueue, Lane

logger = logging.getLogger("django_vzaps.doorbell")

#: Two names, so that a project can route them to different workers.
TASKS: Final = {Lane.MAIN: "django_vzaps.drain_instance", Lane.BULK: "django_vzaps.drain_bulk"}


class Breaker:
    """Leaves the broker alone for a while after it failed, so that a dead one costs nothing."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether not to try now."""
        return time.monotonic() < self._open_until

    def note(self, *, worked: bool) -> None:
        """Tell how a try went."""
        self._open_until = 0.0 if worked else time.monotonic() + self.seconds


breaker: Final = Breaker(seconds=10)


def is_inline() -> bool:
    """Whether events are handled in the process that received them, so that there is nobody to tell."""
    return conf.current().tasks == "inline" or bool(current_app.conf.task_always_eager)


def ring(instance_id: int, lane: str = Lane.MAIN) -> bool:
    """Send the drain task, unless one is on its way or at work. False where the broker could not be told.

    Call it after the event was committed: a drain looks once more after it has silenced the bell, so whoever finds it
    ringing knows that their event will be seen. A ring counts for half of ``VZAPS["DRAIN_LEASE"]``; after that it is
    taken for lost.
    """
    if breaker.is_open:
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
    return send(TASKS[Lane(lane)], instance_id, countdown=seconds)


def send(task: str, instance_id: int, **options: Any) -> bool:
    """Send a task about an instance; ``countdown``: seconds until it starts. False where the broker is down."""
    if breaker.is_open:
        return False
    worked = _sent(task, instance_id, **options)
    breaker.note(worked=worked)
    return worked


def silence(instance_id: int, lane: str) -> None:
    """Whoever stores an event from now on rings again."""
    _queue(instance_id, lane).filter(rung_until__isnull=False).update(rung_until=None)


def _queue(instance_id: int, lane: str) -> QuerySet[EventQueue]:
    return EventQueue.objects.filter(instance_id=instance_id, lane=lane)


def _rung_until(now: datetime) -> datetime:
    return now + timedelta(seconds=conf.current().drain_lease / 2)


def _send_drain(instance_id: int, lane: str, until: datetime) -> bool:
    worked = send(TASKS[Lane(lane)], instance_id)
    if not worked:
        _queue(instance_id, lane).filter(rung_until=until).update(rung_until=None)
    return worked


def _sent(task: str, instance_id: int, **options: Any) -> bool:
    line = lines.kept()
    while True:
        was_kept, began = line is not None, time.monotonic()
        try:
            line = line or lines.opened()
            current_app.send_task(
                task,
                args=[instance_id],
                connection=line,
                retry=False,
                ignore_result=True,
                add_to_parent=False,
                **options,
            )
        except Exception as error:  # noqa: BLE001 - every transport has its own, and none of them is the sender's fault
            lines.close(line)
            if was_kept and time.monotonic() - began < lines.STEP_SECONDS / 2:
                # Ended by the broker meanwhile, which may be well; one that hangs takes longer to be noticed.
                line = None
                continue
            # The message of the error may hold the broker's URL, and so its password.
            logger.warning(
                "The broker could not be told of events (%s); the sweep will find them.", type(error).__name__
            )
            return False
        lines.keep(line)
        return True
