"""What became another one, kept: the history of an instance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from django_vzaps.models import Account, ChangedField, Instance, InstanceChange
from django_vzaps.secret import MASK

Changes = dict[str, tuple[Any, Any]]

INSTANCE_FIELDS: Final[Mapping[str, ChangedField]] = {
    "account_id": ChangedField.ACCOUNT,
    "name": ChangedField.NAME,
    "token": ChangedField.TOKEN,
    "url": ChangedField.URL,
    "reject_calls": ChangedField.REJECT_CALLS,
    "auto_read_messages": ChangedField.AUTO_READ_MESSAGES,
    "labels": ChangedField.LABELS,
    "status": ChangedField.STATUS,
    "connected": ChangedField.CONNECTED,
    "phone": ChangedField.PHONE,
    "whatsapp_jid": ChangedField.WHATSAPP_JID,
    "push_name": ChangedField.PUSH_NAME,
    "removed_at": ChangedField.REMOVED,
}
SUBSCRIPTION_FIELDS: Final[Mapping[str, ChangedField]] = {
    "billing_status": ChangedField.BILLING_STATUS,
    "state": ChangedField.SUBSCRIPTION_STATE,
    "cancel_at": ChangedField.CANCEL_AT,
    "expired_at": ChangedField.EXPIRED_AT,
}
WEBHOOK_FIELDS: Final[Mapping[str, ChangedField]] = {
    "actual_host_and_path": ChangedField.WEBHOOK_HOST_AND_PATH,
    "actual_events": ChangedField.WEBHOOK_EVENTS,
}


def rows(
    instance_id: int,
    changes: Changes,
    fields: Mapping[str, ChangedField],
    *,
    source: str,
    at: datetime,
) -> Iterator[InstanceChange]:
    """What ``changes`` (column: before, after) adds to the history of an instance, not saved yet."""
    for column, (old, new) in changes.items():
        field = fields.get(column)
        if field is None:
            continue
        match field:
            case ChangedField.TOKEN:
                # That the first one became known is no change, and what it is concerns nobody.
                if old is None or new is None:
                    continue
                old = new = MASK
            case ChangedField.REMOVED:
                old, new = old is not None, new is not None
                if old == new:
                    continue
        yield InstanceChange(instance_id=instance_id, field=field, old=old, new=new, source=source, at=at)


def save(found: Iterable[InstanceChange]) -> None:
    """Keep them, in one statement; none where there is nothing to keep."""
    found = list(found)
    moved = [row for row in found if row.field == ChangedField.ACCOUNT]
    if moved:
        names = dict(
            Account.objects.filter(pk__in={pk for row in moved for pk in (row.old, row.new)}).values_list("pk", "name")
        )
        for row in moved:
            row.old, row.new = names.get(row.old), names.get(row.new)
    if found:
        InstanceChange.objects.bulk_create(found)


def record_instance(instance: Instance, changes: Changes, *, source: str, at: datetime) -> None:
    """Keep what changed of one instance's own facts."""
    save(rows(instance.pk, changes, INSTANCE_FIELDS, source=source, at=at))
