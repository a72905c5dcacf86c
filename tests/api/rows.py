"""Rows for tests of the API, and who sees them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from django_vzaps.models import (
    Account,
    Batch,
    BatchItem,
    BatchItemState,
    BatchKind,
    Event,
    Instance,
    Operation,
    OperationKind,
    OperationOutcome,
)


def make(account: Account, name: str, **columns: Any) -> Instance:
    return Instance.objects.create(account=account, **{"vzaps_id": f"VZ{name}", "name": name} | columns)


def event(instance: Instance, **columns: Any) -> Event:
    return Event.objects.create(instance=instance, **{"type": "Message", "payload": "{}"} | columns)


def operation(instance: Instance | None, **columns: Any) -> Operation:
    """One that succeeded, but for ``columns``."""
    return Operation.objects.create(
        **{
            "kind": OperationKind.RESTART,
            "outcome": OperationOutcome.SUCCEEDED,
            "instance": instance,
            "account": instance.account if instance else None,
            "deadline": timezone.now() + timedelta(minutes=5),
            **columns,
        }
    )


def unsettled_charge(instance: Instance, **columns: Any) -> Operation:
    """A charge of unknown outcome."""
    unknown = {"kind": OperationKind.SUBSCRIBE, "outcome": OperationOutcome.UNKNOWN}
    return operation(instance, **unknown | {"lock": f"billing:{instance.pk}"} | columns)


def batch(*instances: Instance, state: str = BatchItemState.FAILED, **columns: Any) -> Batch:
    """A restart of ``instances``, of which each ended so."""
    open_ = state in (BatchItemState.WAITING, BatchItemState.RUNNING)
    ended = {} if open_ else {"finished_at": timezone.now(), "counts": {state: len(instances)}}
    made = Batch.objects.create(**{"kind": BatchKind.RESTART, "total": len(instances)} | ended | columns)
    for instance in instances:
        BatchItem.objects.create(batch=made, instance=instance, state=state)
    return made


def theirs(user: Any, instances: QuerySet[Instance]) -> QuerySet[Instance]:
    """A scope: whose it is may see it."""
    return instances.filter(owner=user)


def scope_by_owner(settings: Any) -> None:
    """From here on, everybody sees what they own."""
    settings.VZAPS = {**settings.VZAPS, "INSTANCE_SCOPE": "tests.api.rows.theirs"}
