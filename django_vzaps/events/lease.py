"""Who drains a queue: one process at a time, on every database, even where it dies."""

from __future__ import annotations

import time
import uuid
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q, QuerySet
from django.utils import timezone

from django_vzaps import conf
from django_vzaps.models import EventQueue

#: For how long after it was taken or renewed nobody can have taken it over, as a part of the whole.
FRESH: Final = 0.1


class LeaseLost(Exception):
    """Another process took over: stop, and leave what is open to it."""


class Lease:
    """The right to drain one queue of an instance, held until it is released or expires.

    A process that gives no sign of life for ``VZAPS["DRAIN_LEASE"]`` seconds no longer keeps others out. A handler that
    takes longer can be overtaken; that does no harm to what the database holds.
    """

    def __init__(self, instance_id: int, lane: str, holder: str) -> None:
        self.instance_id = instance_id
        self.lane = lane
        self.holder = holder
        self._renewed_at = time.monotonic()

    @classmethod
    def take(cls, instance_id: int, lane: str) -> Lease | None:
        """The lease; None where somebody else holds it."""
        now = timezone.now()
        holder = uuid.uuid4().hex
        free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
        queue = EventQueue.objects.filter(free, instance_id=instance_id, lane=lane)
        held = {"lease_until": _until(now), "lease_holder": holder}
        # Nobody may have rung for it yet: the broker is down, or events are handled inline.
        taken = queue.update(**held) or (EventQueue.objects.began(instance_id, lane) and queue.update(**held))
        return cls(instance_id, lane, holder) if taken else None

    def renew(self) -> None:
        """Hold it for longer, unless it is fresh. Raises :class:`LeaseLost` where another process took it over."""
        now = time.monotonic()
        if now - self._renewed_at < FRESH * conf.current().drain_lease:
            return  # a row that the receiver shares is not written for every event
        if not self._mine().update(lease_until=_until(timezone.now())):
            raise LeaseLost
        self._renewed_at = now

    def release(self) -> None:
        """Let others in."""
        self._mine().update(lease_until=None, lease_holder="")

    def _mine(self) -> QuerySet[EventQueue]:
        return EventQueue.objects.filter(instance_id=self.instance_id, lane=self.lane, lease_holder=self.holder)


def _until(now: datetime) -> datetime:
    return now + timedelta(seconds=conf.current().drain_lease)
