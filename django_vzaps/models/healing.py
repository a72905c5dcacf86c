from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_vzaps.models.event import Event
from django_vzaps.models.fields import ExactCharField
from django_vzaps.models.instance import Instance


class HealingOutcome(models.TextChoices):
    """What became of a delivery that VZaps says it failed to make."""

    RECOVERED = "recovered", _("recovered")
    PRESENT = "present", _("had arrived after all")
    UNRECOVERABLE = "unrecoverable", _("unrecoverable")
    LEFT = "left", _("left alone")


class HealingRun(models.Model):
    """One look at VZaps' delivery log of one instance that found something, or could not read something.

    The report: how many deliveries were ``missing`` (VZaps recorded them as failed, and they were not known here
    before), and of those ``recovered``, ``present`` and ``unrecoverable``; ``problems`` says in words what could not
    be read. Looks in a row with the same problem and nothing else are one row, last ``seen_at``.
    """

    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, related_name="healing_runs", verbose_name=_("instance")
    )
    started_at = models.DateTimeField(_("started"), default=timezone.now, db_index=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    seen_at = models.DateTimeField(_("last seen"), default=timezone.now)
    looked_since = models.DateTimeField(_("last look before"), null=True, blank=True)
    missing = models.PositiveIntegerField(_("missing"), default=0)
    recovered = models.PositiveIntegerField(_("recovered"), default=0)
    present = models.PositiveIntegerField(_("had arrived after all"), default=0)
    unrecoverable = models.PositiveIntegerField(_("unrecoverable"), default=0)
    problems = models.TextField(_("problems"), blank=True)

    class Meta:
        verbose_name = _("healing run")
        verbose_name_plural = _("healing runs")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"#{self.pk}"


class FailedDelivery(models.Model):
    """A delivery that VZaps' log calls failed, and what was made of it: each is taken in once.

    One that could not be recovered is tried again at ``retry_at`` while it is listed. One that is none of ours is only
    remembered, without a ``run``.
    """

    instance = models.ForeignKey(
        Instance,
        on_delete=models.CASCADE,
        related_name="failed_deliveries",
        verbose_name=_("instance"),
        db_index=False,  # the constraint's index begins with it
    )
    log_id = ExactCharField(_("log id"), max_length=128)
    outcome = models.CharField(_("outcome"), max_length=16)
    detail = models.TextField(_("detail"), blank=True)
    event = models.ForeignKey(
        Event, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("event")
    )
    run = models.ForeignKey(
        HealingRun,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="deliveries",
        verbose_name=_("healing run"),
    )
    failed_at = models.DateTimeField(_("failed at"), null=True, blank=True)
    seen_at = models.DateTimeField(_("seen"), default=timezone.now)
    retry_at = models.DateTimeField(_("next attempt"), null=True, blank=True)

    class Meta:
        verbose_name = _("failed delivery")
        verbose_name_plural = _("failed deliveries")
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint(fields=["instance", "log_id"], name="vzaps_failed_delivery")]

    def __str__(self) -> str:
        return self.log_id
