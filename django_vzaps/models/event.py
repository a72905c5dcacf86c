from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from django.db import IntegrityError, connections, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_vzaps.models.event_queue import EventQueue, Lane
from django_vzaps.models.fields import ExactCharField, NullableExactCharField, storable
from django_vzaps.models.instance import Instance


class EventState(models.TextChoices):
    PENDING = "pending", _("pending")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")
    IGNORED = "ignored", _("ignored")
    UNPARSED = "unparsed", _("unparsed")
    MISDIRECTED = "misdirected", _("for another instance")


class EventSource(models.TextChoices):
    WEBHOOK = "webhook", _("webhook")
    REALTIME = "realtime", _("realtime")
    DELIVERY_LOG = "delivery_log", _("delivery log")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """What :meth:`EventManager.store` did."""

    pk: int
    is_new: bool
    is_ringing: bool
    """Whether the doorbell of the event's queue was ringing when the event was stored: a drain will see it."""


class EventManager(models.Manager["Event"]):
    def due(self) -> models.QuerySet[Event]:
        """Pending events that wait for nothing but being handled."""
        return self.filter(
            models.Q(retry_at__isnull=True) | models.Q(retry_at__lte=timezone.now()), state=EventState.PENDING
        )

    def next_due(self, instance_id: int, lane: str, *, most: int) -> list[int]:
        """The ids of the first due events of a queue, in their order."""
        connection = connections[self._db or router.db_for_write(Event)]
        queue: list[Any] = [instance_id, lane, EventState.PENDING]
        with connection.cursor() as cursor:
            cursor.execute(_next_due_statement(connection.vendor), [*queue, most, *queue, _now(connection), most, most])
            return [pk for (pk,) in cursor.fetchall()]

    def queues_due(self) -> list[tuple[int, str]]:
        """The queues that have due events, as instance id and lane: two looks at the index for each there may be."""
        connection = connections[self._db or router.db_for_write(Event)]
        found: list[tuple[int, str]] = []
        with connection.cursor() as cursor:
            for lane in Lane:
                queue: list[Any] = [lane, EventState.PENDING]
                cursor.execute(_queues_due_statement(connection.vendor), [*queue, *queue, _now(connection)])
                found += [(pk, lane.value) for (pk,) in cursor.fetchall()]
        return found

    def erasable(self, before: datetime) -> models.QuerySet[Event]:
        """What arrived before, oldest first, is not pending, and still has a payload."""
        # In the words of the index's condition, or SQLite does not see that it fits.
        rows = self.exclude(payload="").exclude(state=EventState.PENDING)
        return rows.filter(received_at__lt=before).order_by("received_at")

    def store(
        self,
        *,
        instance_id: int,
        type: str,  # noqa: A002 - the column's name
        payload: str,
        key: str | None = None,
        origin_id: str | None = None,
        source: str = EventSource.WEBHOOK,
        lane: str = Lane.MAIN,
        state: str = EventState.PENDING,
        received_at: datetime | None = None,
        occurred_at: datetime | None = None,
        message_id: str = "",
        chat: str = "",
    ) -> Stored:
        """Insert the event or, where it is known for the instance, count a duplicate: one statement.

        Known is what has the same ``key``, or came from the same ``source`` with the same ``origin_id``. One statement,
        because a look first would let two deliveries of the same thing both find nothing, and because an
        ``IntegrityError`` does not say which rule was broken (MariaDB and SQLite raise it for bad values too). The same
        statement looks at the doorbell. Texts are stored as :func:`~django_vzaps.models.fields.storable` makes them.
        Raises what the database raises.
        """
        alias = self._db or router.db_for_write(Event)
        connection = connections[alias]
        now = _now(connection)
        origin_id = None if origin_id is None else storable(origin_id, 128)
        # No model: making one, and having each field prepare its value, takes longer than the statement itself.
        row: dict[str, Any] = {
            "instance_id": instance_id,
            "type": storable(type, 64),
            "lane": lane,
            "payload": storable(payload),
            "key": key,
            "origin_id": origin_id,
            "source": source,
            "state": state,
            "received_at": (received_at and connection.ops.adapt_datetimefield_value(received_at)) or now,
            "occurred_at": occurred_at and connection.ops.adapt_datetimefield_value(occurred_at),
            "message_id": storable(message_id, 128),
            "chat": storable(chat, 128),
            "duplicates": 0,
        }
        insert = _insert_statement(connection.vendor, tuple(row), by_origin=key is None and origin_id is not None)
        values = [*row.values(), instance_id, lane, now]
        if key is None or origin_id is None:
            return _execute(connection, insert, values)
        try:
            with transaction.atomic(using=alias):
                return _execute(connection, insert, values)
        except IntegrityError:
            # Known by its origin, with another meaning than the first time. MariaDB has counted it above.
            known = self.filter(instance_id=instance_id, source=source, origin_id=origin_id)
            pk = known.values_list("pk", flat=True).first()
            if pk is None:
                raise
            known.update(duplicates=models.F("duplicates") + 1)
            return Stored(pk=pk, is_new=False, is_ringing=False)


@cache
def _insert_statement(vendor: str, names: tuple[str, ...], *, by_origin: bool) -> str:
    """INSERT, or count where it is there; returns the id, the count, and whether the doorbell rings.

    The doorbell's row is locked for share while the event is not committed: a drain that silences the bell waits for
    that, and so sees the event when it looks. SQLite has one writer at a time anyway.
    """
    sharing = {"mysql": " LOCK IN SHARE MODE", "postgresql": " FOR SHARE", "sqlite": ""}[vendor]
    mark = "`" if vendor == "mysql" else '"'

    def quoted(name: str) -> str:
        return f"{mark}{name}{mark}"

    table, queue, duplicates = quoted(Event._meta.db_table), quoted(EventQueue._meta.db_table), quoted("duplicates")
    if vendor == "mysql":
        # The columns of the row there and of the row offered share a name; bare it means the row there.
        conflict = f"ON DUPLICATE KEY UPDATE {duplicates} = {duplicates} + 1"
    else:
        known_by = ("instance_id", "source", "origin_id") if by_origin else ("instance_id", "key")
        target = ", ".join(quoted(name) for name in known_by)
        conflict = f"ON CONFLICT ({target}) DO UPDATE SET {duplicates} = {table}.{duplicates} + 1"
    columns = ", ".join(quoted(name) for name in names)
    marks = ", ".join(["%s"] * len(names))
    ringing = " AND ".join(f"{quoted(name)} {sign} %s" for name, sign in _RINGING)
    return (
        f"INSERT INTO {table} ({columns}) VALUES ({marks}) {conflict} "  # noqa: S608 - our own names, quoted
        f"RETURNING {quoted('id')}, {duplicates}, EXISTS (SELECT 1 FROM {queue} WHERE {ringing}{sharing})"
    )


def _waiting(vendor: str, instance: str) -> tuple[str, str]:
    """The pending events of a queue, to be limited by ``retry_at``; and how to sort those of which it is null.

    They are never asked for with OR: those that were set aside and those that were not are each found in the queue's
    index, which is read no further than to the first of them; the databases would read all, or the whole table.
    PostgreSQL takes the index only where its order is asked for in full. MariaDB would sort all rows by a column that
    is null, and prefers the primary key if it is let.
    """
    table, order = Event._meta.db_table, "retry_at, id"
    if vendor == "mysql":
        table, order = f"{table} FORCE INDEX ({_QUEUE_INDEX})", "id"
    return f"FROM {table} WHERE instance_id = {instance} AND lane = %s AND state = %s AND retry_at", order


@cache
def _next_due_statement(vendor: str) -> str:
    waiting, order = _waiting(vendor, "%s")
    return (
        f"SELECT id FROM (SELECT id {waiting} IS NULL ORDER BY {order} LIMIT %s) AS fresh UNION ALL"  # noqa: S608 - our own names
        f" SELECT id FROM (SELECT id {waiting} <= %s ORDER BY retry_at, id LIMIT %s) AS again ORDER BY id LIMIT %s"
    )


@cache
def _queues_due_statement(vendor: str) -> str:
    waiting, order = _waiting(vendor, "instance.id")
    return (
        f"SELECT id FROM {Instance._meta.db_table} instance"  # noqa: S608 - our own names
        f" WHERE (SELECT id {waiting} IS NULL ORDER BY {order} LIMIT 1) IS NOT NULL"
        f" OR (SELECT retry_at {waiting} IS NOT NULL ORDER BY retry_at, id LIMIT 1) <= %s"
    )


def _now(connection: BaseDatabaseWrapper) -> Any:
    return connection.ops.adapt_datetimefield_value(timezone.now())


_QUEUE_INDEX: Final = "vzaps_event_queue"
_RINGING: Final = (("instance_id", "="), ("lane", "="), ("rung_until", ">"))


def _execute(connection: BaseDatabaseWrapper, statement: str, values: list[Any]) -> Stored:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        pk, duplicates, is_ringing = cursor.fetchone()
    return Stored(pk=pk, is_new=duplicates == 0, is_ringing=bool(is_ringing))


class Event(models.Model):
    """The inbox: what arrived about an instance, stored once.

    ``key`` is the SHA-256 of what the event means; a second delivery of the same meaning only counts in
    ``duplicates``. Where no such key exists (Connected, Presence) it is null and every delivery is kept.
    """

    instance = models.ForeignKey(
        Instance,
        on_delete=models.CASCADE,
        related_name="events",
        verbose_name=_("instance"),
        db_index=False,  # the constraints' indexes begin with it
    )
    type = models.CharField(_("type"), max_length=64, blank=True)
    lane = models.CharField(max_length=8, default=Lane.MAIN, editable=False)
    key = models.CharField(max_length=64, null=True, blank=True, editable=False)  # noqa: DJ001 - null is never equal
    origin_id = NullableExactCharField(max_length=128, null=True, blank=True, editable=False)
    payload = models.TextField(_("payload"))
    received_at = models.DateTimeField(_("received"), default=timezone.now)
    occurred_at = models.DateTimeField(_("occurred"), null=True, blank=True)
    source = models.CharField(_("source"), max_length=16, default=EventSource.WEBHOOK)
    message_id = ExactCharField(_("message id"), max_length=128, blank=True)
    chat = models.CharField(_("chat"), max_length=128, blank=True)
    duplicates = models.PositiveIntegerField(_("duplicates"), default=0)
    state = models.CharField(_("state"), max_length=16, default=EventState.PENDING)
    retry_at = models.DateTimeField(_("next attempt"), null=True, blank=True, editable=False)
    # Without index and constraint: only the row with the link is ever asked for it, and the first may be pruned before.
    revision_of = models.ForeignKey(
        "self",
        on_delete=models.DO_NOTHING,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        db_index=False,
        db_constraint=False,
        verbose_name=_("revision of"),
    )

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
            models.Index(fields=["instance", "lane", "state", "retry_at", "id"], name=_QUEUE_INDEX),
            # With the instance, so that counting whose events failed reads nothing but this.
            models.Index(fields=["state", "received_at", "instance"], name="vzaps_event_state"),
            models.Index(fields=["type"], name="vzaps_event_type"),
            # Not by db_index, which makes a second one for LIKE on PostgreSQL: each costs the receiver.
            models.Index(fields=["message_id"], name="vzaps_event_message_id"),
            models.Index(fields=["chat"], name="vzaps_event_chat", opclasses=["varchar_pattern_ops"]),
            # What can be erased. MariaDB ignores the condition, and reads there what is erased already.
            models.Index(
                fields=["received_at"],
                name="vzaps_event_payload",
                condition=~models.Q(payload="") & ~models.Q(state=EventState.PENDING),
            ),
        ]
        permissions = [("replay_event", _("Can have events handled again"))]

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
