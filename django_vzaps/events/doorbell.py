"""Telling a worker that an instance has events: once per instance and not per event, and never at the caller's cost."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any, Final

from celery import current_app
from django.db.models import Q
from django.utils import timezone

from django_vzaps.models import Instance

logger = logging.getLogger("django_vzaps.doorbell")

TASK: Final = "django_vzaps.drain_instance"

#: How long a ring counts: after that it is taken for lost, and the next event rings again.
RING: Final = timedelta(minutes=1)

#: What each step of a conversation with the broker may take. VZaps waits for an answer meanwhile.
STEP_SECONDS: Final = 0.1
_TIMEOUTS: Final[dict[str, dict[str, Any]]] = {
    "redis": {"socket_timeout": STEP_SECONDS, "socket_connect_timeout": STEP_SECONDS},
    "amqp": {"read_timeout": STEP_SECONDS, "write_timeout": STEP_SECONDS},
}


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


def ring(instance_id: int) -> bool:
    """Send the drain task, unless one is on its way. False where the broker could not be told.

    Call it after the event was committed: a drain silences the bell before it looks, so whoever finds it ringing knows
    that their event will be seen.
    """
    if breaker.is_open:
        return False
    now = timezone.now()
    until = now + RING
    quiet = Q(rung_until__isnull=True) | Q(rung_until__lt=now)
    if not Instance.objects.filter(quiet, pk=instance_id).update(rung_until=until):
        return True
    worked = _send(instance_id)
    breaker.note(worked=worked)
    if not worked:
        Instance.objects.filter(pk=instance_id, rung_until=until).update(rung_until=None)
    return worked


def silence(instance_id: int) -> None:
    """Whoever stores an event from now on rings again."""
    Instance.objects.filter(pk=instance_id, rung_until__isnull=False).update(rung_until=None)


def _send(instance_id: int) -> bool:
    try:
        with current_app.connection_for_write(connect_timeout=STEP_SECONDS) as connection:
            # Each transport has its own options, and some (SQLAlchemy) refuse those they do not know.
            timeouts = _TIMEOUTS.get(connection.transport.driver_type, {})
            connection.transport_options = {**(connection.transport_options or {}), **timeouts, "max_retries": 0}
            current_app.send_task(
                TASK, args=[instance_id], connection=connection, retry=False, ignore_result=True, add_to_parent=False
            )
    except Exception as error:  # noqa: BLE001 - every transport has its own, and none of them is the sender's fault
        # The message of the error may hold the broker's URL, and so its password.
        logger.warning("The broker could not be told of events (%s); the sweep will find them.", type(error).__name__)
        return False
    return True
