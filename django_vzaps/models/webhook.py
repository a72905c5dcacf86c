from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from django.db import connections, models, router
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_vzaps.models.fields import JSONTextField
from django_vzaps.models.instance import Instance


@dataclass(frozen=True, kw_only=True, slots=True)
class Receiver:
    """What the receiver of events needs of a webhook; ``previous_secret_hash`` is empty where it is dead."""

    webhook_id: int
    instance_id: int
    vzaps_id: str
    secret_hash: str = field(repr=False)
    previous_secret_hash: str = field(repr=False)
    has_open_secrets: bool
    """Whether the previous secret lives without end: it is not known which of the two VZaps has."""


class WebhookManager(models.Manager["Webhook"]):
    def receiver(self, public_id: uuid.UUID) -> Receiver | None:
        """What the receiver needs of the webhook with this id.

        Written out, because building this query and a model for every event takes longer than asking it.
        """
        connection = connections[self._db or router.db_for_read(Webhook)]
        now = connection.ops.adapt_datetimefield_value(timezone.now())
        wanted = Webhook._meta.get_field("public_id").get_db_prep_value(public_id, connection)
        with connection.cursor() as cursor:
            cursor.execute(_receiver_statement(), [now, wanted])
            row = cursor.fetchone()
        if row is None:
            return None
        webhook_id, instance_id, vzaps_id, secret_hash, previous_hash, is_endless = row
        return Receiver(
            webhook_id=webhook_id,
            instance_id=instance_id,
            vzaps_id=vzaps_id,
            secret_hash=secret_hash,
            previous_secret_hash=previous_hash,
            has_open_secrets=bool(previous_hash and is_endless),
        )


@cache
def _receiver_statement() -> str:
    webhooks, instances = Webhook._meta.db_table, Instance._meta.db_table
    return (
        "SELECT w.id, w.instance_id, i.vzaps_id, w.secret_hash, CASE WHEN w.previous_secret_expires_at IS NULL"  # noqa: S608 - our own names
        " OR w.previous_secret_expires_at > %s THEN w.previous_secret_hash ELSE '' END,"
        f" w.previous_secret_expires_at IS NULL FROM {webhooks} w JOIN {instances} i ON i.id = w.instance_id"
        " WHERE w.public_id = %s"
    )


#: As :attr:`Webhook.drift`, in the database's words: both lists of events are stored sorted.
_DRIFTED = models.Case(
    models.When(models.Q(desired_events__isnull=True) | models.Q(checked_at__isnull=True), then=models.Value(False)),
    models.When(~models.Q(actual_host_and_path=models.F("desired_host_and_path")), then=models.Value(True)),
    models.When(
        models.Q(actual_events__isnull=False) & ~models.Q(actual_events=models.F("desired_events")),
        then=models.Value(True),
    ),
    default=models.Value(False),
)


class WebhookHealth(models.TextChoices):
    """Whether events reach us; all but ``FAILING`` can be told from a row without a clock."""

    OK = "ok", pgettext_lazy("webhook", "ok")
    FAILING = "failing", pgettext_lazy("webhook", "failing")
    DRIFTED = "drifted", pgettext_lazy("webhook", "drifted")
    NOT_SET = "not_set", pgettext_lazy("webhook", "not set")
    UNMANAGED = "unmanaged", pgettext_lazy("webhook", "not managed here")
    UNCHECKED = "unchecked", pgettext_lazy("webhook", "not checked")


#: A webhook counts as failing for this long after a delivery that VZaps could not make.
FAILING_FOR: Final = timedelta(days=1)

_REPORTED: Final = models.Case(
    models.When(checked_at__isnull=True, then=models.Value(WebhookHealth.UNCHECKED.value)),
    models.When(desired_events__isnull=True, actual_host_and_path="", then=models.Value(WebhookHealth.NOT_SET.value)),
    models.When(desired_events__isnull=True, then=models.Value(WebhookHealth.UNMANAGED.value)),
    models.When(
        ~models.Q(actual_host_and_path=models.F("desired_host_and_path"))
        | (models.Q(actual_events__isnull=False) & ~models.Q(actual_events=models.F("desired_events"))),
        then=models.Value(WebhookHealth.DRIFTED.value),
    ),
    default=models.Value(WebhookHealth.OK.value),
)


class Webhook(models.Model):
    """An instance's webhook: what we want it to be, and what VZaps says it is.

    The secret in its URL is not stored, only its hash. Where ``desired_events`` is null the webhook is not managed
    here: it is shown and never overwritten.
    """

    instance = models.OneToOneField(
        Instance, on_delete=models.CASCADE, related_name="webhook", verbose_name=_("instance")
    )
    public_id = models.UUIDField(_("public id"), unique=True, default=uuid.uuid4, editable=False)
    secret_hash = models.CharField(max_length=64, blank=True, editable=False)
    previous_secret_hash = models.CharField(max_length=64, blank=True, editable=False)
    previous_secret_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    desired_host_and_path = models.CharField(_("desired host and path"), max_length=500, blank=True)
    desired_events = JSONTextField(_("desired events"), null=True, blank=True)
    actual_host_and_path = models.CharField(_("actual host and path"), max_length=500, blank=True)
    actual_events = JSONTextField(_("actual events"), null=True, blank=True)
    checked_at = models.DateTimeField(_("checked at"), null=True, blank=True)
    #: Whether there is :attr:`drift`; kept by the database, so that a list can be filtered and counted by it.
    is_drifted = models.GeneratedField(expression=_DRIFTED, output_field=models.BooleanField(), db_persist=True)
    #: :attr:`health` but for the failures, which pass; kept by the database as well.
    reported_health = models.GeneratedField(
        expression=_REPORTED, output_field=models.CharField(max_length=16), db_persist=True
    )
    #: The newest delivery that VZaps' log said it could not make, the last time that it was read to its end.
    last_failure_at = models.DateTimeField(_("last failed delivery"), null=True, blank=True, editable=False)
    healed_at = models.DateTimeField(_("delivery log read at"), null=True, blank=True, editable=False, db_index=True)

    objects = WebhookManager()

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        indexes = [models.Index(fields=["reported_health", "last_failure_at", "instance"], name="vzaps_webhook_health")]

    def __str__(self) -> str:
        return f"{self.public_id}"

    @property
    def is_managed(self) -> bool:
        """Whether this project set the webhook and answers for it."""
        return self.desired_events is not None

    @property
    def has_open_secrets(self) -> bool:
        """Whether two secrets are accepted without end, because it was not seen which of them VZaps has."""
        return bool(self.previous_secret_hash) and self.previous_secret_expires_at is None

    @property
    def drift(self) -> tuple[str, ...]:
        """What differs on VZaps from what we want: ``"url"``, ``"events"``; empty where nothing is known to."""
        if not self.is_managed or self.checked_at is None:
            return ()
        found = []
        if self.actual_host_and_path != self.desired_host_and_path:
            found.append("url")
        if self.actual_events is not None and set(self.actual_events) != set(self.desired_events):
            found.append("events")
        return tuple(found)

    @property
    def health(self) -> WebhookHealth:
        """Whether events reach us, as far as it was looked at."""
        if self.checked_at is None:
            return WebhookHealth.UNCHECKED
        if not self.is_managed:
            return WebhookHealth.UNMANAGED if self.actual_host_and_path else WebhookHealth.NOT_SET
        if self.drift:
            return WebhookHealth.DRIFTED
        failed_at = self.last_failure_at
        has_failed = failed_at is not None and failed_at >= timezone.now() - FAILING_FOR
        return WebhookHealth.FAILING if has_failed else WebhookHealth.OK

    @staticmethod
    def in_health(health: str, *, prefix: str = "") -> models.Q:
        """Those whose :attr:`health` is this now, told apart by the database; ``prefix`` leads to the webhook."""
        has_failed = models.Q((f"{prefix}last_failure_at__gte", timezone.now() - FAILING_FOR))
        reported = models.Q((f"{prefix}reported_health", health))
        match health:
            case WebhookHealth.FAILING:
                return models.Q((f"{prefix}reported_health", WebhookHealth.OK)) & has_failed
            case WebhookHealth.OK:
                # Not the opposite of the above: SQL takes what is null for neither.
                return reported & (models.Q((f"{prefix}last_failure_at", None)) | ~has_failed)
            case _:
                return reported

    def accepted_hashes(self, now: datetime | None = None) -> tuple[str, str]:
        """The hashes an incoming secret may have: the present one, and the previous while it lives."""
        expires = self.previous_secret_expires_at
        alive = expires is None or expires > (now or timezone.now())
        return self.secret_hash, self.previous_secret_hash if alive else ""
