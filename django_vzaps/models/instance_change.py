from __future__ import annotations

from typing import Final

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_vzaps.models.fields import JSONTextField
from django_vzaps.models.instance import Instance


class ChangedField(models.TextChoices):
    """What of an instance is kept a history of. Not a column's choices: those would end up in migrations."""

    ACCOUNT = "account", _("account")
    NAME = "name", _("name")
    TOKEN = "token", _("instance token")
    URL = "url", _("dashboard URL")
    REJECT_CALLS = "reject_calls", _("reject calls")
    AUTO_READ_MESSAGES = "auto_read_messages", _("mark messages as read")
    LABELS = "labels", _("labels")
    STATUS = "status", _("status")
    CONNECTED = "connected", _("connected")
    PHONE = "phone", _("phone")
    WHATSAPP_JID = "whatsapp_jid", _("WhatsApp JID")
    PUSH_NAME = "push_name", _("push name")
    REMOVED = "removed", _("gone from VZaps")
    BILLING_STATUS = "billing_status", _("billing status")
    SUBSCRIPTION_STATE = "subscription_state", _("subscription")
    CANCEL_AT = "cancel_at", _("subscription ends at")
    EXPIRED_AT = "expired_at", _("subscription expired at")
    WEBHOOK_HOST_AND_PATH = "webhook_host_and_path", _("webhook's host and path")
    WEBHOOK_EVENTS = "webhook_events", _("webhook's events")


#: What is a moment: kept as a text, in ISO 8601.
MOMENTS: Final = frozenset({ChangedField.CANCEL_AT, ChangedField.EXPIRED_AT})


class InstanceChangeQuerySet(models.QuerySet["InstanceChange"]):
    def newest_of(self, instance: Instance, field: str) -> InstanceChange | None:
        """The change that made ``field`` what it is; None where it has been so since the instance was first seen."""
        return self.filter(instance=instance, field=field).order_by("-pk").first()


InstanceChangeManager = models.Manager.from_queryset(InstanceChangeQuerySet)


class InstanceChange(models.Model):
    """One fact about an instance that became another one: its history, and the answer to "since when".

    ``field`` is one of :class:`ChangedField`; ``source`` says who said so (``api``, ``webhook``, ``realtime``), and
    ``at`` when VZaps was asked or its event arrived. Of a token only that it changed is kept.
    """

    instance = models.ForeignKey(
        Instance,
        on_delete=models.CASCADE,
        related_name="changes",
        verbose_name=_("instance"),
        db_index=False,  # the indexes below begin with it
    )
    field = models.CharField(_("what"), max_length=32)
    old = JSONTextField(_("before"), null=True, blank=True)
    new = JSONTextField(_("after"), null=True, blank=True)
    source = models.CharField(_("known from"), max_length=16)
    at = models.DateTimeField(_("when"), default=timezone.now, db_index=True)

    objects = InstanceChangeManager()

    class Meta:
        verbose_name = _("change")
        verbose_name_plural = _("changes")
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["instance", "id"], name="vzaps_change_instance"),
            models.Index(fields=["instance", "field", "id"], name="vzaps_change_field"),
        ]

    def __str__(self) -> str:
        return f"{self.instance_id}: {self.field}"

    @property
    def field_label(self) -> str:
        """What changed, in words."""
        return str(ChangedField(self.field).label) if self.field in ChangedField.values else self.field
