"""What a site has after a while of use, and the addresses of all its pages."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from datetime import timedelta
from typing import Any, Final

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from django_vzaps.models import (
    Account,
    Alert,
    AlertKind,
    Batch,
    BatchItem,
    BatchItemState,
    BatchKind,
    ChangedField,
    ConnectionSource,
    Event,
    EventState,
    FailedDelivery,
    HandlerRun,
    HandlerRunState,
    HealingOutcome,
    HealingRun,
    Instance,
    InstanceChange,
    Operation,
    OperationKind,
    OperationOutcome,
    Webhook,
)
from django_vzaps.testing import FakeVZaps
from tests.admin.test_every_url import NOBODY, PAGES
from tests.end_to_end.site import Manage

#: As strangers write: markup, writing from right to left, marks that turn it round, and no end.
HOSTILE: Final = "<script>alert(1)</script> \u202eevil\u202c مرحبا " + "W" * 180

TEXTS: Final = (
    "Hello, are you open today?",
    "Obrigada!",
    "¿A qué hora abren?",
    "My order 4711 has not arrived",
    HOSTILE,
)


def populated(fake: FakeVZaps, manage: Manage) -> dict[str, str]:
    """Fill the site; returns the path of every page of the console that can be looked at, by its name."""
    fake.seed_demo(24)
    said = manage("shell", "-c", "from tests.end_to_end import populate; populate.populate(); populate.tell()")
    return dict(re.findall(r"^page (\S+) (\S+)$", said, re.MULTILINE))


def tell() -> None:
    """Print name and path of each page, of the first row where it is about one."""
    for model, model_admin in admin.site._registry.items():
        if model._meta.app_label != "django_vzaps":
            continue
        row = model._default_manager.order_by("pk").first()
        for pattern in model_admin.get_urls():
            name = (pattern.name or "").removeprefix("django_vzaps_")
            if name and PAGES[name].method == "GET" and PAGES[name].needs != (NOBODY,):
                known = {"object_id": row and row.pk, "operation_id": _charge(row)}
                given = {argument: known[argument] for argument in pattern.pattern.converters}
                print("page", name, reverse(f"admin:{pattern.name}", kwargs=given))  # noqa: T201


def _charge(row: object) -> int | None:
    charges = Operation.objects.filter(kind=OperationKind.SUBSCRIBE)
    charge = charges.filter(instance=row).first() if isinstance(row, Instance) else None
    return None if charge is None else charge.pk


def populate() -> None:
    """Instances, events of a day, handlers that failed, operations of every outcome, batches and healing."""
    call_command("vzaps_sync")
    chance = random.Random(1)
    instances = list(Instance.objects.present().order_by("pk"))
    _age(instances)
    for instance in instances:
        _webhook(instance, chance)
        _events(instance, chance)
        _operations(instance, chance)
    _batch(instances)
    _healing(instances[0])
    _alerts(instances)
    _history(instances)


def _alerts(instances: list[Instance]) -> None:
    """Of each kind one, also about what a stranger named; and accounts that fail."""
    now = timezone.now()
    other = Account.objects.create(
        name="Agência São Paulo",
        failing_since=now - timedelta(hours=3),
        failure_kind="credentials",
        paused_until=now + timedelta(minutes=9),
    )
    of_account = (AlertKind.CREDENTIALS_REJECTED, AlertKind.ACCOUNT_UNREADABLE)
    for number, kind in enumerate(AlertKind):
        about: dict[str, Any] = {"account": other} if kind in of_account else {"instance": instances[-number // 2]}
        since = now - timedelta(minutes=31 * number + 5)
        over = {"resolved_at": now - timedelta(minutes=2)} if number % 4 == 3 else {}
        Alert.objects.create(kind=kind, since=since, raised_at=since + timedelta(minutes=4), **about, **over)
    Alert.objects.create(kind=AlertKind.EVENTS_WAITING)


def _history(instances: list[Instance]) -> None:
    """A change of every field, and a number that is silent for too long."""
    now = timezone.now()
    values: dict[str, tuple[Any, Any]] = {
        ChangedField.CONNECTED: (True, False),
        ChangedField.NAME: ("Front desk", HOSTILE),
        ChangedField.LABELS: ({}, {"customer": "4711", HOSTILE: HOSTILE}),
        ChangedField.CANCEL_AT: (None, str(now + timedelta(days=9))),
        ChangedField.SUBSCRIPTION_STATE: ("active", "past_due"),
        ChangedField.WEBHOOK_EVENTS: (["Message"], ["Message", "Connected", "Disconnected", "ReadReceipt"]),
        ChangedField.WEBHOOK_HOST_AND_PATH: ("example.com/vzaps/webhook/********", "old.example.net/in"),
        ChangedField.TOKEN: ("********", "********"),
    }
    for number, (field, (old, new)) in enumerate(values.items()):
        for instance in (instances[0], instances[-1]):
            at = now - timedelta(hours=5 * (len(values) - number))
            source = ConnectionSource.WEBHOOK if field == ChangedField.CONNECTED else ConnectionSource.API
            InstanceChange.objects.create(instance=instance, field=field, old=old, new=new, source=source, at=at)
    silent = now - timedelta(hours=5)
    Instance.objects.filter(pk=instances[0].pk).update(
        connected=True,
        connection_asked_at=now,
        connection_source=ConnectionSource.API,
        connection_changed_at=now - timedelta(days=2),
        last_event_at=silent,
        silent_since=silent,
        usual_silence=timedelta(minutes=40),
    )


def _age(instances: list[Instance]) -> None:
    now = timezone.now()
    for number, instance in enumerate(instances):
        columns: dict[str, Any] = {"last_event_at": now - timedelta(minutes=7 * number)}
        if instance.connected and number % 3 == 0:
            columns |= {
                "connection_asked_at": now - timedelta(hours=3),
                "connection_source": ConnectionSource.WEBHOOK,
            }
        Instance.objects.filter(pk=instance.pk).update(**columns)
    user = get_user_model()._default_manager.get(username="admin")
    Instance.objects.filter(pk=instances[0].pk).update(owner=user, push_name=HOSTILE)
    Instance.objects.filter(pk=instances[-1].pk).update(name=HOSTILE)


def _webhook(instance: Instance, chance: random.Random) -> None:
    Webhook.objects.filter(instance=instance).update(
        desired_host_and_path="example.com/vzaps/webhook/********",
        desired_events=["Connected", "Disconnected", "Message", "ReadReceipt"],
        actual_host_and_path=chance.choice(("example.com/vzaps/webhook/********",) * 4 + ("old.example.net/in",)),
        actual_events=["Connected", "Disconnected", "Message", "ReadReceipt"],
        checked_at=timezone.now() - timedelta(minutes=12),
    )


def _events(instance: Instance, chance: random.Random) -> None:
    now = timezone.now()
    for number in range(chance.randrange(4, 14)):
        state = chance.choice([EventState.DONE] * 8 + [EventState.FAILED, EventState.PENDING])
        phone = f"55119{chance.randrange(10**8):08d}"
        event = Event.objects.create(
            instance=instance,
            type=chance.choice(("Message", "Message", "Message", "ReadReceipt", "Connected")),
            payload=json.dumps(_message(phone, chance.choice(TEXTS), f"3EB0{chance.randrange(16**16):016X}")),
            message_id=f"3EB0{chance.randrange(16**16):016X}",
            chat=f"{phone}@s.whatsapp.net",
            state=state,
            received_at=now - timedelta(minutes=chance.randrange(1380)),
            occurred_at=now - timedelta(minutes=chance.randrange(1380, 1500)),
            duplicates=number % 2,
        )
        failed = state == EventState.FAILED
        if state != EventState.PENDING:
            HandlerRun.objects.create(
                event=event,
                handler="shop.vzaps_handlers.keep_message",
                state=HandlerRunState.FAILED if failed else HandlerRunState.DONE,
                attempts=5 if failed else 1,
                started_at=now,
                duration=0.0123,
                error='Traceback (most recent call last):\n  …\nKeyError: "order"' if failed else "",
            )


def _message(phone: str, text: str, message_id: str) -> dict[str, Any]:
    return {
        "type": "Message",
        "event": {
            "info": {
                "id": message_id,
                "chat": f"{phone}@s.whatsapp.net",
                "sender": f"{phone}@s.whatsapp.net",
                "push_name": HOSTILE,
                "timestamp": "2026-11-20T12:00:00Z",
            },
            "message": {"conversation": text},
        },
    }


def _operations(instance: Instance, chance: random.Random) -> None:
    now = timezone.now()
    user = get_user_model()._default_manager.get(username="admin")
    kinds = (OperationKind.RESTART, OperationKind.SET_WEBHOOK, OperationKind.UPDATE, OperationKind.SUBSCRIBE)
    for kind in kinds:
        outcome = chance.choice([OperationOutcome.SUCCEEDED] * 5 + [OperationOutcome.FAILED, OperationOutcome.UNKNOWN])
        started = now - timedelta(minutes=chance.randrange(6000))
        Operation.objects.create(
            kind=kind,
            instance=instance,
            account=instance.account,
            actor=chance.choice((user, None)),
            parameters={"note": HOSTILE} if kind == OperationKind.UPDATE else {},
            outcome=outcome,
            started_at=started,
            finished_at=started + timedelta(seconds=2),
            deadline=started + timedelta(minutes=5),
            error="" if outcome == OperationOutcome.SUCCEEDED else "VZaps did not answer in time.",
            request_id=f"req_{chance.randrange(10**9)}",
        )


def _batch(instances: list[Instance]) -> None:
    now = timezone.now()
    states = [BatchItemState.SUCCEEDED] * 6 + [BatchItemState.FAILED, BatchItemState.UNKNOWN]
    for kind, is_over in ((BatchKind.RESTART, True), (BatchKind.SYNC, False)):
        batch = Batch.objects.create(
            kind=kind,
            actor=get_user_model()._default_manager.get(username="admin"),
            total=len(instances),
            counts=Counter(states[number % len(states)] for number in range(len(instances))) if is_over else {},
            created_at=now - timedelta(minutes=3),
            finished_at=now if is_over else None,
        )
        for number, instance in enumerate(instances):
            is_done = is_over or number < len(instances) // 2
            state = states[number % len(states)] if is_done else BatchItemState.WAITING
            failed = state in (BatchItemState.FAILED, BatchItemState.UNKNOWN)
            BatchItem.objects.create(
                batch=batch,
                instance=instance,
                state=state,
                detail="VZaps did not answer in time." if failed else "",
                started_at=now if is_done else None,
                finished_at=now if is_done else None,
            )


def _healing(instance: Instance) -> None:
    run = HealingRun.objects.create(
        instance=instance,
        finished_at=timezone.now(),
        missing=2,
        recovered=1,
        unrecoverable=1,
        problems="The delivery log was read up to page 50; there are more.",
    )
    for number, result in enumerate((HealingOutcome.RECOVERED, HealingOutcome.UNRECOVERABLE)):
        FailedDelivery.objects.create(
            instance=instance,
            run=run,
            log_id=f"whl_{number:08d}",
            outcome=result,
            detail=HOSTILE if number else "",
            event=instance.events.first(),
            failed_at=timezone.now() - timedelta(hours=2),
        )
