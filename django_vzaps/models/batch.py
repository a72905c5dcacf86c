from __future__ import annotations

import uuid
from typing import Any, Final

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_vzaps.models.account import Account
from django_vzaps.models.fields import JSONTextField
from django_vzaps.models.instance import Instance
from django_vzaps.models.operation import Operation


class BatchKind(models.TextChoices):
    """What can be done to many at once. Billing cannot. Not a column's choices: those would end up in migrations."""

    SYNC = "sync", _("read from VZaps")
    RESTART = "restart", _("restart")
    SET_WEBHOOK = "set_webhook", _("set webhook")
    DELETE = "delete", _("delete on VZaps")
    SYNC_ACCOUNT = "sync_account", _("sync accounts")


class BatchItemState(models.TextChoices):
    WAITING = "waiting", _("waiting")
    RUNNING = "running", _("running")
    SUCCEEDED = "succeeded", _("succeeded")
    FAILED = "failed", _("failed")
    UNKNOWN = "unknown", _("unknown")


#: Where nothing more happens by itself.
ENDED: Final = (BatchItemState.SUCCEEDED, BatchItemState.FAILED, BatchItemState.UNKNOWN)


class Batch(models.Model):
    """One thing that a person wants done to many instances or accounts, carried out by a worker, item after item.

    The rows are the truth: a page shows them, and a worker that dies leaves behind which item it was at.
    """

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=16)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="vzaps_batches",
        verbose_name=_("by"),
    )
    parameters = JSONTextField(_("parameters"), default=dict, blank=True)
    retry_of = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="retries", verbose_name=_("retry of")
    )
    total = models.PositiveIntegerField(_("items"), default=0)
    created_at = models.DateTimeField(_("asked for"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True, db_index=True)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    lease_holder = models.CharField(max_length=32, blank=True, editable=False)

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.kind_label} #{self.pk}"

    @property
    def kind_label(self) -> str:
        """The kind in words, or as it is where a newer version wrote it."""
        return str(BatchKind(self.kind).label) if self.kind in BatchKind.values else self.kind


class BatchItem(models.Model):
    """One instance or account of a batch, and what became of it. ``running`` is committed before anything is sent."""

    batch = models.ForeignKey(
        Batch, on_delete=models.CASCADE, related_name="items", verbose_name=_("batch"), db_index=False
    )
    instance = models.ForeignKey(
        Instance, on_delete=models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("instance")
    )
    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("account")
    )
    operation = models.ForeignKey(
        Operation, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("operation")
    )
    state = models.CharField(_("state"), max_length=16, default=BatchItemState.WAITING)
    #: How far an account's sync is: instances seen, of so many where VZaps says.
    seen = models.PositiveIntegerField(default=0, editable=False)
    expected = models.PositiveIntegerField(null=True, blank=True, editable=False)
    detail = models.TextField(_("detail"), blank=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("item of a batch")
        verbose_name_plural = _("items of a batch")
        ordering = ["pk"]
        indexes = [models.Index(fields=["batch", "state", "id"], name="vzaps_batch_item")]

    def __str__(self) -> str:
        return str(self.instance or self.account or f"#{self.pk}")

    @property
    def target(self) -> Any:
        """The instance or account it is about."""
        return self.instance or self.account
