from __future__ import annotations

from typing import Final

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_vzaps.models.account import Account
from django_vzaps.models.fields import JSONTextField, NullableExactCharField
from django_vzaps.models.instance import Instance


class OperationKind(models.TextChoices):
    """The changes we make on VZaps. Not a column's choices: those would end up in migrations."""

    CREATE = "instance.create", _("create instance")
    UPDATE = "instance.update", _("update instance")
    RESTART = "instance.restart", _("restart instance")
    DELETE = "instance.delete", _("delete instance")
    SUBSCRIBE = "subscription.subscribe", _("subscribe")
    CANCEL = "subscription.cancel", _("cancel subscription")
    RESUME = "subscription.resume", _("resume subscription")
    PAIR_CODE = "session.pair_code", _("ask for a pairing code")
    DISCONNECT = "session.disconnect", _("disconnect")
    SET_WEBHOOK = "webhook.set", _("set webhook")
    SEND_TEXT = "message.send_text", _("send a text message")
    RETRY_DELIVERY = "delivery.retry", _("deliver an event again")
    REVEAL_TOKEN = "instance.reveal_token", _("see the instance token")


BILLING_KINDS: Final = frozenset({OperationKind.SUBSCRIBE, OperationKind.CANCEL, OperationKind.RESUME})


class OperationOutcome(models.TextChoices):
    RUNNING = "running", _("running")
    SUCCEEDED = "succeeded", _("succeeded")
    FAILED = "failed", _("failed")
    UNKNOWN = "unknown", _("unknown")


class OperationQuerySet(models.QuerySet["Operation"]):
    def overdue(self) -> OperationQuerySet:
        """Still running past their deadline: whoever ran them is gone."""
        return self.filter(outcome=OperationOutcome.RUNNING, deadline__lt=timezone.now())

    def open_creations(self) -> OperationQuerySet:
        """Those from which an instance may still come, or may have come without being known here."""
        return self.filter(kind=OperationKind.CREATE, outcome__in=[OperationOutcome.RUNNING, OperationOutcome.UNKNOWN])

    def unsettled(self) -> OperationQuerySet:
        """Those whose outcome, or whose consequence on billing, is not known yet."""
        return self.filter(models.Q(outcome=OperationOutcome.UNKNOWN) | models.Q(lock__isnull=False)).exclude(
            outcome=OperationOutcome.RUNNING
        )


OperationManager = models.Manager.from_queryset(OperationQuerySet)


class Operation(models.Model):
    """One attempt to change something on VZaps, recorded before it is made. Never repeated by itself.

    ``lock`` keeps a second billing attempt out: it is held while the outcome, or its effect on VZaps, is open.
    """

    kind = models.CharField(_("kind"), max_length=32)
    instance = models.ForeignKey(
        Instance,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="operations",
        verbose_name=_("instance"),
        db_index=False,  # the one with the id serves it
    )
    account = models.ForeignKey(
        Account,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="operations",
        verbose_name=_("account"),
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="vzaps_operations",
        verbose_name=_("by"),
    )
    parameters = JSONTextField(_("parameters"), default=dict, blank=True)
    baseline = JSONTextField(_("known before"), default=dict, blank=True)
    answer = JSONTextField(_("answer"), null=True, blank=True)
    #: As ``baseline``, read back when ``confirmed_at`` was set.
    effect = JSONTextField(_("effect"), null=True, blank=True)
    started_at = models.DateTimeField(_("started"), default=timezone.now, db_index=True)
    deadline = models.DateTimeField(_("deadline"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=16, default=OperationOutcome.RUNNING)
    confirmed_at = models.DateTimeField(_("confirmed by reading"), null=True, blank=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("settled by"),
    )
    error = models.TextField(_("error"), blank=True)
    request_id = models.CharField(_("VZaps request id"), max_length=255, blank=True, db_index=True)
    idempotency_key = NullableExactCharField(_("idempotency key"), max_length=255, null=True, blank=True, unique=True)
    batch = models.ForeignKey(
        "Batch", on_delete=models.SET_NULL, null=True, blank=True, related_name="operations", verbose_name=_("batch")
    )
    lock = NullableExactCharField(max_length=64, null=True, blank=True, unique=True, editable=False)

    objects = OperationManager()

    class Meta:
        verbose_name = _("operation")
        verbose_name_plural = _("operations")
        ordering = ["-pk"]
        indexes = [
            # Each with the id, which is the list's order: the newest of a kind are found without sorting the others.
            models.Index(fields=["instance", "id"], name="vzaps_operation_instance"),
            models.Index(fields=["outcome", "id"], name="vzaps_operation_outcome"),
            models.Index(fields=["kind", "id"], name="vzaps_operation_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind_label} #{self.pk}"

    @property
    def kind_label(self) -> str:
        """The kind in words, or as it is where a newer version wrote it."""
        return str(OperationKind(self.kind).label) if self.kind in OperationKind.values else self.kind

    @property
    def outcome_label(self) -> str:
        """The outcome in words."""
        known = self.outcome in OperationOutcome.values
        return str(OperationOutcome(self.outcome).label) if known else self.outcome

    @property
    def is_open(self) -> bool:
        """Whether its outcome, or its effect on billing, is not known yet although it runs no more."""
        return self.outcome != OperationOutcome.RUNNING and (
            self.outcome == OperationOutcome.UNKNOWN or self.lock is not None
        )

    @property
    def is_overdue(self) -> bool:
        """Whether it still runs past its deadline: whoever ran it is gone."""
        return self.outcome == OperationOutcome.RUNNING and self.deadline < timezone.now()

    @property
    def checkout_url(self) -> str:
        """The page on which VZaps asks for the payment; empty where a card was charged, or nothing was answered."""
        answer = self.answer if isinstance(self.answer, dict) else {}
        hosted = self.kind == OperationKind.SUBSCRIBE and answer.get("mode") != "direct"
        return str(answer.get("url") or "") if hosted else ""
