from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_vzaps.models.instance import Instance


class Lane(models.TextChoices):
    """Which of an instance's queues an event waits in: what comes in masses delays nothing else."""

    MAIN = "main", _("main")
    BULK = "bulk", _("bulk")


class EventQueueManager(models.Manager["EventQueue"]):
    def begin(self, instance_id: int) -> None:
        """Make the rows of an instance's queues, before its first event has to."""
        self.bulk_create([EventQueue(instance_id=instance_id, lane=lane) for lane in Lane], ignore_conflicts=True)

    def began(self, instance_id: int, lane: str) -> bool:
        """Make the row of a queue that has none yet; False where it has one, or the instance is gone."""
        if self.filter(instance_id=instance_id, lane=lane).exists():
            return False
        if not Instance.objects.filter(pk=instance_id).exists():
            return False
        self.bulk_create([EventQueue(instance_id=instance_id, lane=lane)], ignore_conflicts=True)
        return True


class EventQueue(models.Model):
    """The state of one queue of an instance: its doorbell, and who drains it.

    A row of its own, because it changes with every drain, and so that nobody who holds the instance's row for long (a
    sync, a project's handler) keeps the receiver waiting.
    """

    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, related_name="event_queues", verbose_name=_("instance"), db_index=False
    )
    lane = models.CharField(max_length=8, default=Lane.MAIN)
    rung_until = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_holder = models.CharField(max_length=32, blank=True)

    objects = EventQueueManager()

    class Meta:
        verbose_name = _("event queue")
        verbose_name_plural = _("event queues")
        constraints = [models.UniqueConstraint(fields=["instance", "lane"], name="vzaps_event_queue_lane")]

    def __str__(self) -> str:
        return f"{self.instance_id} {self.lane}"
