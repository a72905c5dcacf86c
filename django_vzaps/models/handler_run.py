from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_vzaps.models.event import Event
from django_vzaps.models.fields import ExactCharField


class HandlerRunState(models.TextChoices):
    STARTED = "started", _("started")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")
    INTERRUPTED = "interrupted", _("interrupted")
    WAITING = "waiting", _("to be run again")
    SKIPPED = "skipped", _("left out by a replay")


class HandlerRun(models.Model):
    """What became of one handler for one event."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="runs", verbose_name=_("event"))
    handler = ExactCharField(_("handler"), max_length=255)
    state = models.CharField(_("state"), max_length=16, default=HandlerRunState.STARTED)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    replays = models.PositiveSmallIntegerField(_("replays"), default=0)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    duration = models.FloatField(_("duration in seconds"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("handler run")
        verbose_name_plural = _("handler runs")
        constraints = [models.UniqueConstraint(fields=["event", "handler"], name="vzaps_handler_run")]

    def __str__(self) -> str:
        return f"{self.handler} #{self.event_id}"
