from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_vzaps.models.account import Account
from django_vzaps.models.fields import JSONTextField
from django_vzaps.models.instance import Instance


class AlertKind(models.TextChoices):
    """What a person is told of. Not a column's choices: those would end up in migrations."""

    DISCONNECTED = "disconnected", _("disconnected")
    STALE = "stale", _("connection not confirmed")
    WEBHOOK_DRIFT = "webhook_drift", _("webhook differs")
    EVENTS_FAILING = "events_failing", _("events failing")
    EVENTS_WAITING = "events_waiting", _("events waiting")
    SUBSCRIPTION_ENDING = "subscription_ending", _("subscription ending")
    SUBSCRIPTION_PAST_DUE = "subscription_past_due", _("subscription past due")
    CREDENTIALS_REJECTED = "credentials_rejected", _("credentials rejected")
    ACCOUNT_UNREADABLE = "account_unreadable", _("VZaps cannot be read")


class AlertQuerySet(models.QuerySet["Alert"]):
    def open(self) -> AlertQuerySet:
        """Those whose reason still holds, as far as was last looked at."""
        return self.filter(resolved_at__isnull=True)


AlertManager = models.Manager.from_queryset(AlertQuerySet)


class Alert(models.Model):
    """Something a person should know of: raised once while its reason holds, and resolved once.

    It is about an instance, an account, or, where both are null, the whole site. ``since`` is when its reason began,
    as far as that is known; ``details`` are facts for its text, as they were then; ``stage`` is how many days at most
    a subscription still has (7, 3 or 1), and ``told_stage`` what it was when a person was last told.
    """

    kind = models.CharField(_("kind"), max_length=32)
    instance = models.ForeignKey(
        Instance,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="alerts",
        verbose_name=_("instance"),
        db_index=False,  # an index below begins with it
    )
    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, null=True, blank=True, related_name="alerts", verbose_name=_("account")
    )
    #: What it is about, while it is open: no second one of the same may be raised meanwhile.
    open_key = models.CharField(max_length=64, null=True, blank=True, unique=True, editable=False)
    since = models.DateTimeField(_("since"), null=True, blank=True)
    raised_at = models.DateTimeField(_("raised"), default=timezone.now)
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    stage = models.PositiveSmallIntegerField(null=True, blank=True, editable=False)
    details = JSONTextField(_("details"), default=dict, blank=True)
    #: When the mail about it was handed over, and the one that it is over; null while it is still to be.
    told_at = models.DateTimeField(_("mail sent"), null=True, blank=True, editable=False)
    told_stage = models.PositiveSmallIntegerField(null=True, blank=True, editable=False)
    told_over_at = models.DateTimeField(_("mail of recovery sent"), null=True, blank=True, editable=False)

    objects = AlertManager()

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["resolved_at", "id"], name="vzaps_alert_open"),
            models.Index(fields=["kind", "resolved_at", "id"], name="vzaps_alert_kind"),
            models.Index(fields=["instance", "resolved_at", "id"], name="vzaps_alert_instance"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.kind_label}"

    @property
    def is_open(self) -> bool:
        """Whether its reason still holds, as far as was last looked at."""
        return self.resolved_at is None

    @property
    def kind_label(self) -> str:
        """What it is, in words."""
        return str(AlertKind(self.kind).label) if self.kind in AlertKind.values else self.kind
