"""The rows that admin.py looks at: realistic in their spread, the same on every run but for the time they are made."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count, islice
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connections, models, transaction
from django.utils import timezone

from django_vzaps.models import (
    Account,
    Batch,
    BatchItem,
    Event,
    EventQueue,
    FailedDelivery,
    HandlerRun,
    HealingRun,
    Instance,
    Lane,
    Operation,
    Subscription,
    Webhook,
)

ACCOUNTS = 20
#: Of an event's kinds and states, and of an instance's, how many in a hundred.
TYPES = {"Message": 60, "ReadReceipt": 32, "Connected": 3, "Disconnected": 3, "GroupParticipantsAdd": 2}
EVENT_STATES = {"done": 950, "failed": 20, "ignored": 20, "unparsed": 4, "pending": 5, "misdirected": 1}
BILLING = {"active": 60, "trialing": 22, "past_due": 5, "unpaid": 2, "canceled": 8, "unknown": 3}
CONNECTIONS = {"connected": 70, "stale": 10, "disconnected": 10, "never_paired": 7, "unknown": 3}
WEBHOOKS = {"ok": 83, "failing": 3, "drifted": 2, "unmanaged": 4, "not_set": 3, "unchecked": 5}
OUTCOMES = {"succeeded": 93, "failed": 5, "unknown": 2}
KINDS = ("instance.restart", "webhook.set", "subscription.subscribe", "instance.create")
PLACES = ("Shop", "Branch", "Clinic", "Front desk", "Support", "Sales", "Warehouse", "School", "Kitchen", "Garage")
CITIES = ("Manaus", "Recife", "Curitiba", "Bogotá", "Quito", "Lima", "Porto", "São Paulo", "Natal", "Cusco")

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How many there are; of what is not named here, as many as go with it."""

    instances: int
    events: int

    @property
    def users(self) -> int:
        return max(20, self.instances // 10)

    def __str__(self) -> str:
        return f"{self.instances:,} instances, {self.events:,} events"


class Filler:
    """Fills one database, with ids from 1 so that rows can refer to each other unread."""

    def __init__(self, alias: str, size: Size) -> None:
        self.size, self.now = size, timezone.now()
        self._connection = connections[alias]
        self._chance = random.Random(1)  # noqa: S311 - the same rows each time

    def fill(self) -> float:
        """Make all rows; returns the seconds it took."""
        began = time.monotonic()
        with transaction.atomic(using=self._connection.alias):
            # One by one where it is few.
            user = get_user_model()
            self._insert(user, self._users())
            self._insert(Account, ({"name": f"account {number:02}"} for number in range(ACCOUNTS)))
            self._insert(Instance, map(self._instance, range(self.size.instances)))
            self._insert(Subscription, map(self._subscription, self._instances()))
            self._insert(Webhook, map(self._webhook, self._instances()))
            lanes = ({"instance_id": pk, "lane": lane} for pk in self._instances() for lane in Lane.values)
            self._insert(EventQueue, lanes)
            self._insert(Event, map(self._event, range(self.size.events)))
            self._insert(HandlerRun, map(self._run, range(1, self.size.events // 50)))
            self._insert(Operation, map(self._operation, self._instances()))
            self._insert(HealingRun, map(self._healing, islice(self._instances(), self.size.instances // 10)))
            self._insert(FailedDelivery, map(self._delivery, islice(self._instances(), self.size.instances // 10)))
            batches = range(1, self.size.instances // 100 + 1)
            self._insert(Batch, ({"kind": "restart", "total": 50, "finished_at": self.now} for _ in batches))
            self._insert(BatchItem, (self._item(batch) for batch in batches for _ in range(50)))
        with self._connection.cursor() as cursor:
            # What autovacuum does to a table that people work with.
            for statement in {"postgresql": ["VACUUM ANALYZE"], "sqlite": ["ANALYZE"]}[self._connection.vendor]:
                cursor.execute(statement)
        return time.monotonic() - began

    def _insert(self, model: type[models.Model], rows: Iterable[Row]) -> None:
        prepared = self._prepared(model, rows)
        columns, first = next(prepared)
        names = ", ".join(f'"{name}"' for name in columns)
        table = model._meta.db_table
        with self._connection.cursor() as cursor:
            if self._connection.vendor == "postgresql":
                with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                    copy.write_row(first)
                    for _columns, values in prepared:
                        copy.write_row(values)
                cursor.execute(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"  # noqa: S608
                )
            else:
                insert = f"INSERT INTO {table} ({names}) VALUES ({', '.join(['%s'] * len(columns))})"  # noqa: S608
                cursor.execute(insert, first)
                cursor.executemany(insert, (values for _columns, values in prepared))

    def _prepared(self, model: type[models.Model], rows: Iterable[Row]) -> Iterator[tuple[list[str], list[Any]]]:
        """Each row's columns and values, with the defaults of those that it does not name."""
        fields = [field for field in model._meta.concrete_fields if not field.generated and not field.primary_key]
        columns = ["id", *(field.column for field in fields)]
        for pk, row in zip(count(1), rows, strict=False):
            given = (row[field.attname] if field.attname in row else field.get_default() for field in fields)
            values = (
                field.get_db_prep_save(value, self._connection) for field, value in zip(fields, given, strict=True)
            )
            yield columns, [pk, *values]

    def _one_of(self, shares: dict[str, int]) -> str:
        return self._chance.choices(list(shares), list(shares.values()))[0]

    def _ago(self, days: float) -> datetime:
        return self.now - timedelta(days=self._chance.uniform(0, days))

    def _instances(self) -> Iterator[int]:
        return iter(range(1, self.size.instances + 1))

    def _users(self) -> Iterator[Row]:
        for number in range(self.size.users):
            yield {
                "username": f"user{number}" if number else "admin",
                "is_staff": True,
                "is_superuser": number == 0,
                "password": "!",
            }

    def _instance(self, number: int) -> Row:
        state = self._one_of(CONNECTIONS)
        paired = state not in ("never_paired", "unknown")
        phone = f"55{11 + number % 80}9{number:08}" if paired else ""
        asked_at = {"connected": self._ago(0.9), "unknown": None, "stale": self.now - timedelta(days=3)}
        has_owner = self._chance.random() < 0.6
        return {
            "account_id": 1 + number % ACCOUNTS,
            "owner_id": self._chance.randint(2, self.size.users) if has_owner else None,
            "vzaps_id": f"VZ{number:08}",
            "name": f"{self._chance.choice(PLACES)} {self._chance.choice(CITIES)} {number}",
            "connected": {"connected": True, "stale": True, "unknown": None}.get(state, False),
            "connected_at": self._ago(90) if paired else None,
            "phone": phone,
            "whatsapp_jid": f"{phone}@s.whatsapp.net" if paired else "",
            "push_name": "Shop" if paired else "",
            "profile": {"profile_picture_url": f"https://pictures.example/{number}.jpg"} if paired else {},
            "connection_source": "" if state == "unknown" else "api",
            "connection_asked_at": asked_at.get(state, self._ago(3)),
            "last_event_at": self._ago(30) if paired else None,
            "synced_at": self._ago(0.1),
            "removed_at": self._ago(60) if self._chance.random() < 0.05 else None,
            "data": {"id": f"VZ{number:08}", "note": "x" * 400},
        }

    def _subscription(self, pk: int) -> Row:
        state = self._one_of(BILLING)
        ends = {"trialing": 30, "canceled": -30, "active": 60 if self._chance.random() < 0.05 else 0}.get(state, 0)
        return {
            "instance_id": pk,
            "billing_status": state.upper(),
            "state": state,
            "cancel_at": self.now + timedelta(days=self._chance.uniform(0, ends)) if ends else None,
            "refreshed_at": self._ago(0.1),
        }

    def _webhook(self, pk: int) -> Row:
        health = self._one_of(WEBHOOKS)
        is_managed = health in ("ok", "failing", "drifted")
        wanted = "example.com/vzaps/webhook/***" if is_managed else ""
        found = {"not_set": "", "unmanaged": "other.example/hook", "drifted": "other.example/hook"}.get(health, wanted)
        return {
            "instance_id": pk,
            "desired_host_and_path": wanted,
            "desired_events": ["Connected", "Disconnected", "Message", "ReadReceipt"] if is_managed else None,
            "actual_host_and_path": found,
            "actual_events": ["Connected", "Disconnected", "Message", "ReadReceipt"],
            "checked_at": None if health == "unchecked" else self._ago(0.1),
            "last_failure_at": self._ago(0.9) if health == "failing" else None,
        }

    def _event(self, number: int) -> Row:
        # Half of all are those of one instance in a hundred; among them are the ones that lag behind.
        is_busy = self._chance.random() < 0.5
        instance = self._chance.randint(1, max(1, self.size.instances // 100) if is_busy else self.size.instances)
        state = self._one_of(EVENT_STATES)
        age = 0.1 if state == "pending" else 30 * (1 - number / self.size.events)
        chat = f"5511{self._chance.randint(90_000_000, 99_999_999)}@s.whatsapp.net"
        return {
            "instance_id": instance,
            "type": self._one_of(TYPES),
            "lane": "bulk" if number % 10 == 0 else "main",
            "key": f"{number:064x}",
            "payload": f'{{"type": "Message", "info": {{"chat": "{chat}"}}, "text": "{"x" * 300}"}}',
            "received_at": self.now - timedelta(days=age),
            "message_id": f"3EB0{number:012X}",
            "chat": chat,
            "state": state,
        }

    def _run(self, number: int) -> Row:
        # Every fiftieth event, the last one first.
        return {
            "event_id": self.size.events - 50 * (number - 1),
            "handler": "shop.handlers.reply",
            "state": "done",
            "attempts": 1,
        }

    def _operation(self, pk: int) -> Row:
        started = self._ago(60)
        return {
            "kind": self._chance.choice(
                ["instance.restart", "webhook.set", "subscription.subscribe", "instance.create"]
            ),
            "instance_id": pk,
            "account_id": 1 + pk % ACCOUNTS,
            "actor_id": self._chance.randint(1, self.size.users),
            "parameters": {"name": "x"},
            "started_at": started,
            "deadline": started + timedelta(minutes=5),
            "finished_at": started + timedelta(seconds=1),
            "outcome": self._one_of(OUTCOMES),
            "request_id": f"req_{pk}",
        }

    def _healing(self, pk: int) -> Row:
        return {"instance_id": pk, "started_at": self._ago(30), "finished_at": self.now, "missing": 1, "recovered": 1}

    def _delivery(self, pk: int) -> Row:
        return {"instance_id": pk, "run_id": pk, "log_id": f"log{pk}", "outcome": "recovered", "event_id": pk}

    def _item(self, batch: int) -> Row:
        return {
            "batch_id": batch,
            "instance_id": self._chance.randint(1, self.size.instances),
            "state": "succeeded",
            "finished_at": self.now,
        }
