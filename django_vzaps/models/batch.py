from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.conf import settings
from django.db import connections, models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_vzaps.models.account import Account
from django_vzaps.models.fields import JSONTextField
from django_vzaps.models.instance import Instance
from django_vzaps.models.operation import Operation, OperationOutcome


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
    STOPPED = "stopped", _("stopped")


#: Where something is still to happen.
OPEN: Final = (BatchItemState.WAITING, BatchItemState.RUNNING)
#: What was certainly not done, so that it can be asked for again.
NOT_DONE: Final = (BatchItemState.FAILED, BatchItemState.STOPPED)

#: Not more than every database takes in one statement.
_ROWS_AT_ONCE: Final = 500

#: What an operation that has ended says of its item; one that is still running has said nothing yet.
_SAID: Final[Mapping[str, BatchItemState]] = {
    OperationOutcome.SUCCEEDED: BatchItemState.SUCCEEDED,
    OperationOutcome.FAILED: BatchItemState.FAILED,
}


def state_after(operation: Operation) -> BatchItemState:
    """What its operation says of an item whose worker is gone."""
    return _SAID.get(operation.outcome, BatchItemState.UNKNOWN)


class BatchQuerySet(models.QuerySet["Batch"]):
    def unfinished(self) -> BatchQuerySet:
        """Those of which something is left to do."""
        return self.filter(finished_at__isnull=True)

    def unattended(self) -> BatchQuerySet:
        """Those of which something is left to do and nobody gave a sign of life."""
        nobody = models.Q(lease_until__isnull=True) | models.Q(lease_until__lt=timezone.now())
        return self.unfinished().filter(nobody)

    def count_again(self, pk: int) -> None:
        """Note how the items of a finished batch ended."""
        counts = BatchItem.objects.filter(batch=pk).by_state()
        self.filter(pk=pk, finished_at__isnull=False).update(counts=counts)


BatchManager = models.Manager.from_queryset(BatchQuerySet)


class BatchItemQuerySet(models.QuerySet["BatchItem"]):
    def add(self, batch: Batch, column: str, pks: Sequence[int]) -> None:
        """One waiting item for each of ``pks``, which are what ``column`` refers to.

        Written out: making a model of each takes ten times as long, and somebody waits for it.
        """
        connection = connections[self.db]
        quote = connection.ops.quote_name
        columns = ", ".join(quote(name) for name in ("batch_id", column, "state", "seen", "detail"))
        table, state = quote(self.model._meta.db_table), BatchItemState.WAITING.value
        with connection.cursor() as cursor:
            for first in range(0, len(pks), _ROWS_AT_ONCE):
                some = pks[first : first + _ROWS_AT_ONCE]
                rows = ", ".join(f"({int(batch.pk)}, {int(pk)}, '{state}', 0, '')" for pk in some)
                cursor.execute(f"INSERT INTO {table} ({columns}) VALUES {rows}")  # noqa: S608 - our names and numbers

    def by_state(self) -> dict[str, int]:
        """How many there are in each state."""
        return dict(self.order_by().values_list("state").annotate(count=models.Count("pk")))

    def follow(self, operation: Operation) -> None:
        """An item whose outcome was unknown ends as its operation, once that is found out."""
        if operation.batch_id is None or operation.outcome not in _SAID:
            return
        unknown = self.filter(operation=operation, state=BatchItemState.UNKNOWN)
        if unknown.update(state=state_after(operation), detail=operation.error):
            Batch.objects.count_again(operation.batch_id)


BatchItemManager = models.Manager.from_queryset(BatchItemQuerySet)


class Batch(models.Model):
    """One thing that a person wants done to many instances or accounts, carried out by a worker, item after item.

    The rows are the truth: a page shows them, and a worker that dies leaves behind which item it was at.
    """

    #: Given by the form that asked for it, so that sending the form twice makes one batch.
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
    #: Asked for by the project's code and not by a person, so that nobody's permissions count. A person's batch has no
    #: actor either once that person is deleted.
    by_system = models.BooleanField(default=False, editable=False)
    parameters = JSONTextField(_("parameters"), default=dict, blank=True)
    retry_of = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="retries", verbose_name=_("retry of")
    )
    total = models.PositiveIntegerField(_("items"), default=0)
    created_at = models.DateTimeField(_("asked for"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True, db_index=True)
    #: How its items ended, by state; written when it is finished, so that a list need not count them.
    counts = JSONTextField(default=dict, blank=True, editable=False)
    #: Without a holder: until when a worker that was told of it is expected.
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    lease_holder = models.CharField(max_length=32, blank=True, editable=False)

    objects = BatchManager()

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

    objects = BatchItemManager()

    class Meta:
        verbose_name = _("item of a batch")
        verbose_name_plural = _("items of a batch")
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["batch", "state", "id"], name="vzaps_batch_item"),
            models.Index(fields=["batch", "id"], name="vzaps_batch_item_order"),
        ]

    def __str__(self) -> str:
        return str(self.instance or self.account or f"#{self.pk}")

    @property
    def target(self) -> Any:
        """The instance or account it is about."""
        return self.instance or self.account
