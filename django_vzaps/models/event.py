from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connections, models, router
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_vzaps.models.fields import ExactCharField, NullableExactCharField, storable
from django_vzaps.models.instance import Instance


class EventState(models.TextChoices):
    PENDING = "pending", _("pending")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")
    IGNORED = "ignored", _("ignored")
    UNPARSED = "unparsed", _("unparsed")


class EventSource(models.TextChoices):
    WEBHOOK = "webhook", _("webhook")
    REALTIME = "realtime", _("realtime")
    DELIVERY_LOG = "delivery_log", _("delivery log")


class HandlerRunState(models.TextChoices):
    STARTED = "started", _("started")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")
    INTERRUPTED = "interrupted", _("interrupted")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """What :meth:`EventManager.store` did."""

    pk: int
    is_new: bool


_RETURNING: Final = {
    # In MariaDB the columns of the row there and of the row offered share a name; bare it means the row there.
    "mysql": "ON DUPLICATE KEY UPDATE {duplicates} = {duplicates} + 1",
    "postgresql": "ON CONFLICT ({instance}, {key}) DO UPDATE SET {duplicates} = {table}.{duplicates} + 1",
    "sqlite": "ON CONFLICT ({instance}, {key}) DO UPDATE SET {duplicates} = {table}.{duplicates} + 1",
}


class EventManager(models.Manager["Event"]):
    def due(self) -> models.QuerySet[Event]:
        """Pending events that wait for nothing but being handled."""
        return self.filter(
            models.Q(retry_at__isnull=True) | models.Q(retry_at__lte=timezone.now()), state=EventState.PENDING
        )

    def store(
        self,
        *,
        instance_id: int,
        type: str,  # noqa: A002 - the column's name
        payload: str,
        key: str | None = None,
        source: str = EventSource.WEBHOOK,
        state: str = EventState.PENDING,
        received_at: datetime | None = None,
        occurred_at: datetime | None = None,
        message_id: str = "",
        chat: str = "",
    ) -> Stored:
        """Insert the event or, where ``key`` is known for the instance, count a duplicate: one statement.

        One statement, because a look first would let two deliveries of the same thing both find nothing, and because
        an ``IntegrityError`` does not say which rule was broken (MariaDB and SQLite raise it for bad values too).
        Texts are stored as :func:`~django_vzaps.models.fields.storable` makes them. Raises what the database raises.
        """
        connection = connections[self._db or router.db_for_write(Event)]
        event = Event(
            instance_id=instance_id,
            type=type,
            payload=payload,
            key=key,
            source=source,
            state=state,
            received_at=received_at or timezone.now(),
            occurred_at=occurred_at,
            message_id=message_id,
            chat=chat,
        )
        fields = [field for field in Event._meta.concrete_fields if not field.primary_key]
        quote = connection.ops.quote_name
        names = {
            "table": quote(Event._meta.db_table),
            "instance": quote("instance_id"),
            "key": quote("key"),
            "duplicates": quote("duplicates"),
        }
        values = [field.get_db_prep_save(_storable(event, field), connection) for field in fields]
        columns = ", ".join(quote(str(field.column)) for field in fields)
        marks = ", ".join(["%s"] * len(fields))
        conflict = _RETURNING[connection.vendor].format(**names)
        statement = (
            f"INSERT INTO {names['table']} ({columns}) VALUES ({marks}) {conflict}"  # noqa: S608 - our own names, quoted
            f" RETURNING {quote('id')}, {names['duplicates']}"
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            pk, duplicates = cursor.fetchone()
        return Stored(pk=pk, is_new=duplicates == 0)


def _storable(event: Event, field: models.Field[Any, Any]) -> Any:
    value = getattr(event, field.attname)
    return storable(value, field.max_length) if isinstance(value, str) else value


class Event(models.Model):
    """The inbox: what arrived about an instance, stored once.

    ``key`` is the SHA-256 of what the event means; a second delivery of the same meaning only counts in
    ``duplicates``. Where no such key exists (Connected, Presence) it is null and every delivery is kept.
    """

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="events", verbose_name=_("instance"))
    type = models.CharField(_("type"), max_length=64, blank=True)
    key = models.CharField(max_length=64, null=True, blank=True, editable=False)  # noqa: DJ001 - null is never equal
    origin_id = NullableExactCharField(max_length=128, null=True, blank=True, editable=False)
    payload = models.TextField(_("payload"))
    received_at = models.DateTimeField(_("received"), default=timezone.now)
    occurred_at = models.DateTimeField(_("occurred"), null=True, blank=True)
    source = models.CharField(_("source"), max_length=16, default=EventSource.WEBHOOK)
    message_id = ExactCharField(_("message id"), max_length=128, blank=True, db_index=True)
    chat = models.CharField(_("chat"), max_length=128, blank=True, db_index=True)
    duplicates = models.PositiveIntegerField(_("duplicates"), default=0)
    state = models.CharField(_("state"), max_length=16, default=EventState.PENDING)
    retry_at = models.DateTimeField(_("next attempt"), null=True, blank=True, editable=False)

    objects = EventManager()

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["instance", "key"], name="vzaps_event_key"),
            models.UniqueConstraint(fields=["instance", "source", "origin_id"], name="vzaps_event_origin"),
        ]
        indexes = [
            models.Index(fields=["instance", "state", "id"], name="vzaps_event_queue"),
            models.Index(fields=["state", "received_at"], name="vzaps_event_state"),
        ]

    def __str__(self) -> str:
        return f"{self.type or self.state_label} #{self.pk}"

    @property
    def state_label(self) -> str:
        """The state in words, or as it is where a newer version wrote it."""
        return str(EventState(self.state).label) if self.state in EventState.values else self.state

    @property
    def body(self) -> Any:
        """The payload decoded; None where it is not JSON."""
        try:
            return json.loads(self.payload)
        except (ValueError, RecursionError):
            return None


class HandlerRun(models.Model):
    """What became of one handler for one event."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="runs", verbose_name=_("event"))
    handler = ExactCharField(_("handler"), max_length=255)
    state = models.CharField(_("state"), max_length=16, default=HandlerRunState.STARTED)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    duration = models.FloatField(_("duration in seconds"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("handler run")
        verbose_name_plural = _("handler runs")
        constraints = [models.UniqueConstraint(fields=["event", "handler"], name="vzaps_handler_run")]

    def __str__(self) -> str:
        return f"{self.handler} #{self.event_id}"
