"""Who drains an instance: one process at a time, on every database, even where it dies."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Final

from django.db.models import Q
from django.utils import timezone

from django_vzaps.models import Instance

#: How long a process that gives no sign of life keeps others out. A handler that takes longer can be overtaken; that
#: does no harm to what the database holds.
DURATION: Final = timedelta(minutes=2)


class LeaseLost(Exception):
    """Another process took over: stop, and leave what is open to it."""


class Lease:
    """The right to drain one instance, held until it is released or expires."""

    def __init__(self, instance_id: int, holder: str) -> None:
        self.instance_id = instance_id
        self.holder = holder

    @classmethod
    def take(cls, instance_id: int) -> Lease | None:
        """The lease; None where somebody else holds it, or the instance is gone."""
        now = timezone.now()
        holder = uuid.uuid4().hex
        free = Q(drain_lease_until__isnull=True) | Q(drain_lease_until__lt=now)
        taken = Instance.objects.filter(free, pk=instance_id).update(
            drain_lease_until=now + DURATION, drain_lease_holder=holder
        )
        return cls(instance_id, holder) if taken else None

    def renew(self) -> None:
        """Hold it for longer. Raises :class:`LeaseLost` where another process took it over."""
        mine = Instance.objects.filter(pk=self.instance_id, drain_lease_holder=self.holder)
        if not mine.update(drain_lease_until=timezone.now() + DURATION):
            raise LeaseLost

    def release(self) -> None:
        """Let others in."""
        mine = Instance.objects.filter(pk=self.instance_id, drain_lease_holder=self.holder)
        mine.update(drain_lease_until=None, drain_lease_holder="")
