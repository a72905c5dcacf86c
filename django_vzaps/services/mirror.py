"""Putting what VZaps answers about an instance onto our rows, and saying what changed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from django.db import IntegrityError, connections, models, router, transaction
from django.db.models import QuerySet
from django.utils import timezone

from django_vzaps import client, crypto, signals
from django_vzaps.models import (
    Account,
    ConnectionSource,
    Instance,
    InstanceChange,
    Subscription,
    SubscriptionState,
    Webhook,
)
from django_vzaps.models.fields import storable, storable_moment
from django_vzaps.models.subscription import OWED
from django_vzaps.secret import MASK, Secret
from django_vzaps.services import billing, changes, connection
from django_vzaps.services.changes import Changes

Row = TypeVar("Row", bound=models.Model)

INSTANCE_COLUMNS: Final = [
    "account_id",
    "name",
    "token",
    "url",
    "reject_calls",
    "auto_read_messages",
    "labels",
    "status",
    "remote_created_at",
    "remote_updated_at",
    "data",
    "removed_at",
    "missing_walks",
    "synced_at",
    *connection.COLUMNS,
]
SUBSCRIPTION_COLUMNS: Final = ["billing_status", "state", "cancel_at", "expired_at", "refreshed_at"]
WEBHOOK_COLUMNS: Final = ["actual_host_and_path", "actual_events", "checked_at"]

#: How long a webhook's old secret is still accepted once VZaps has the new one: deliveries are under way.
GRACE: Final = timedelta(minutes=10)

#: Not worth a signal: they change with every answer, or must not be shown.
_SILENT: Final = {
    "data",
    "token",
    "synced_at",
    "missing_walks",
    "connection_asked_at",
    "connection_changed_at",
    "connection_source",
}
# A long segment of a path is taken for a secret, ours or somebody else's; a UUID is a name.
_LONG_SEGMENT: Final = re.compile(r"[^/]{24,}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def apply_instance(instance: Instance, answer: client.Instance, *, account: Account, asked_at: datetime) -> Changes:
    """Put ``answer`` on ``instance`` without saving. Returns the changed columns; none for an answer asked for earlier.

    What the answer does not mention stays as it is: VZaps' documents disagree about what it sends (API.md 17.10).
    """
    if any(known is not None and asked_at < known for known in (instance.synced_at, instance.removed_at)):
        if instance.token is not None or answer.token is None:
            return {}
        # A sync was faster than the answer to the creation, and its list showed no token.
        instance.token = answer.token
        return {"token": (None, instance.token)}
    before = {column: getattr(instance, column) for column in INSTANCE_COLUMNS}
    said: dict[str, Any] = {
        "name": storable(answer.name, 255) or None,
        "url": None if answer.url is None else storable(answer.url, 500),
        "reject_calls": answer.reject_calls,
        "auto_read_messages": answer.auto_read_messages,
        "labels": None if answer.labels is None else dict(answer.labels),
        "status": None if answer.status is None else storable(answer.status, 255),
        "remote_created_at": storable_moment(answer.created_at),
        "remote_updated_at": storable_moment(answer.updated_at),
        "data": dict(answer.raw),
    }
    for column, value in said.items():
        if value is not None:
            setattr(instance, column, value)
    instance.account = account
    if answer.token is not None and not _same_secret(instance.token, answer.token):
        instance.token = answer.token
    instance.removed_at = None
    instance.missing_walks = 0
    instance.synced_at = asked_at
    if answer.connected is not None:
        connection.apply(
            instance,
            connected=answer.connected,
            source=ConnectionSource.API,
            asked_at=asked_at,
            connected_at=storable_moment(answer.connected_at),
            profile={"whatsapp_jid": answer.whatsapp_jid, "push_name": answer.push_name},
        )
    return {
        column: (old, getattr(instance, column))
        for column, old in before.items()
        if getattr(instance, column) is not old and (column == "token" or getattr(instance, column) != old)
    }


def apply_subscription(subscription: Subscription, answer: client.Instance, *, asked_at: datetime) -> Changes:
    """Put the billing side of ``answer`` on ``subscription`` without saving. Returns the changed columns."""
    if subscription.refreshed_at is not None and asked_at < subscription.refreshed_at:
        return {}
    billing_status = answer.billing_status
    if billing_status is None:
        # Some of VZaps' documents show the billing state as ``status`` (API.md 17.9).
        known = SubscriptionState.from_billing_status(answer.status or "") != SubscriptionState.UNKNOWN
        billing_status = answer.status if known else None
    if billing_status is None:
        return {}
    before = {column: getattr(subscription, column) for column in SUBSCRIPTION_COLUMNS}
    subscription.billing_status = storable(billing_status, 255)
    subscription.state = SubscriptionState.from_billing_status(subscription.billing_status)
    # VZaps leaves empty fields out: in an answer that speaks of billing, no date means that there is none.
    subscription.cancel_at = storable_moment(answer.cancel_at)
    subscription.expired_at = storable_moment(answer.expired_at)
    subscription.refreshed_at = asked_at
    return {
        column: (old, getattr(subscription, column))
        for column, old in before.items()
        if getattr(subscription, column) != old
    }


def apply_webhook(webhook: Webhook, answer: client.Instance, *, asked_at: datetime) -> Changes:
    """Put the webhook that ``answer`` mentions on ``webhook`` without saving. Returns the changed columns."""
    if answer.webhook is None or (webhook.checked_at is not None and asked_at < webhook.checked_at):
        return {}
    before = {column: getattr(webhook, column) for column in WEBHOOK_COLUMNS}
    webhook.actual_host_and_path = seen_host_and_path(webhook, answer.webhook)
    if answer.events:
        webhook.actual_events = sorted(set(answer.events))
    webhook.checked_at = asked_at
    return {
        column: (old, getattr(webhook, column)) for column, old in before.items() if getattr(webhook, column) != old
    }


def let_old_secrets_die(seen: Iterable[tuple[Webhook, client.Instance]], *, asked_at: datetime) -> None:
    """Where VZaps shows a webhook with its present secret, the one before is accepted for :data:`GRACE` only."""
    shown = {
        webhook.pk: webhook.secret_hash
        for webhook, answer in seen
        if webhook.previous_secret_hash
        and webhook.previous_secret_expires_at is None
        and webhook.checked_at == asked_at  # else a later answer is known
        and crypto.matches(last_segment(answer.webhook or ""), webhook.secret_hash)
    }
    if shown:
        # Only beside the secret that was seen: another one may have been written since.
        same = Webhook.objects.filter(
            pk__in=shown, secret_hash__in=shown.values(), previous_secret_expires_at__isnull=True
        )
        free(same).update(previous_secret_expires_at=timezone.now() + GRACE)


def free(rows: QuerySet[Row]) -> QuerySet[Row]:
    """Those of ``rows`` that nobody else holds, locked as they are updated: an update of these waits for nobody."""
    database = connections[router.db_for_write(rows.model)]
    unheld = rows.select_for_update(
        skip_locked=database.features.has_select_for_update_skip_locked,
        no_key=database.features.has_select_for_no_key_update,
    ).values_list("pk", flat=True)
    # MariaDB locks the rows of an update before it looks into what it selects from.
    pks = list(unheld) if database.vendor == "mysql" else unheld
    return rows.model._default_manager.filter(pk__in=pks)


def store(account: Account, answer: client.Instance, *, asked_at: datetime) -> Instance:
    """Take in one instance, new or known, in the present transaction or one of its own. Sends signals on commit."""
    try:
        return _store(account, answer, asked_at=asked_at)
    except IntegrityError:
        # A sync stored the same new instance at the same moment: it is there now.
        return _store(account, answer, asked_at=asked_at)


def _store(account: Account, answer: client.Instance, *, asked_at: datetime) -> Instance:
    with transaction.atomic():
        instance = Instance.objects.locked().filter(vzaps_id=answer.id).first()
        is_new = instance is None
        instance = instance or Instance(vzaps_id=answer.id, account=account)
        connected_before = instance.connected
        found = apply_instance(instance, answer, account=account, asked_at=asked_at)
        # Each table's other columns are written by others meanwhile.
        instance.save(update_fields=None if is_new else INSTANCE_COLUMNS)
        subscription = Subscription.objects.filter(instance=instance).first() or Subscription(instance=instance)
        billed = apply_subscription(subscription, answer, asked_at=asked_at)
        subscription.save(update_fields=SUBSCRIPTION_COLUMNS if subscription.pk else None)
        webhook = Webhook.objects.filter(instance=instance).first() or Webhook(instance=instance)
        hooked = apply_webhook(webhook, answer, asked_at=asked_at)
        webhook.save(update_fields=WEBHOOK_COLUMNS if webhook.pk else None)
        let_old_secrets_die([(webhook, answer)], asked_at=asked_at)
        instance.subscription, instance.webhook = subscription, webhook
        if not is_new:
            changes.save(history(instance, found, billed, hooked, at=asked_at))
        announce(instance, found, is_new=is_new, connected_before=connected_before)
        announce_subscription(instance, subscription, billed)
        billing.confirm([subscription])
    return instance


def announce(instance: Instance, found: Changes, *, is_new: bool, connected_before: bool | None) -> None:
    """Send the signals that fit ``found`` on commit."""
    told = {column: change for column, change in found.items() if column not in _SILENT}
    if is_new:
        signals.send_on_commit(signals.instance_created, sender=Instance, instance=instance)
    elif told:
        signals.send_on_commit(signals.instance_updated, sender=Instance, instance=instance, changes=told)
    connection.announce(instance, connected_before)


def history(
    instance: Instance, found: Changes, billed: Changes, hooked: Changes, *, at: datetime
) -> list[InstanceChange]:
    """What an answer of VZaps' changed of an instance that was known before."""
    source = ConnectionSource.API
    return [
        *changes.rows(instance.pk, found, changes.INSTANCE_FIELDS, source=source, at=at),
        *changes.rows(instance.pk, billed, changes.SUBSCRIPTION_FIELDS, source=source, at=at),
        *changes.rows(instance.pk, hooked, changes.WEBHOOK_FIELDS, source=source, at=at),
    ]


def announce_subscription(instance: Instance, subscription: Subscription, billed: Changes) -> None:
    """Send the signals that fit the changes of a subscription on commit."""
    state_before, _now = billed.get("state", (subscription.state, None))
    if subscription.state != state_before:
        signals.send_on_commit(
            signals.subscription_changed,
            sender=Subscription,
            instance=instance,
            subscription=subscription,
            old=str(state_before),
            new=str(subscription.state),
        )
    if subscription.state in OWED and state_before not in OWED:
        signals.send_on_commit(
            signals.subscription_past_due, sender=Subscription, instance=instance, subscription=subscription
        )


def host_and_path(url: str) -> str:
    """A webhook URL as it may be shown: host and path, without query and credentials, long secrets masked."""
    try:
        parts = urlsplit(url)
    except ValueError:  # It may be anything: somebody else's, typed by hand.
        return MASK
    host = parts.netloc.rpartition("@")[2]
    path = _LONG_SEGMENT.sub(lambda found: found[0] if _UUID.fullmatch(found[0]) else MASK, parts.path)
    return storable(f"{host}{path}", 500)


def last_segment(url: str) -> str:
    """The end of the URL's path: where it is one of ours, its secret."""
    return re.split(r"[?#]", url, maxsplit=1)[0].rstrip("/").rpartition("/")[2]


def seen_host_and_path(webhook: Webhook, url: str) -> str:
    """As :func:`host_and_path`; where only the secret is not one that ``webhook`` accepts, it says so in its place."""
    shown = host_and_path(url)
    if not webhook.is_managed or shown != webhook.desired_host_and_path:
        return shown
    is_ours = crypto.matches(last_segment(url), *webhook.accepted_hashes())
    return shown if is_ours else shown.replace(MASK, "another-secret")


def _same_secret(known: Secret | None, new: Secret) -> bool:
    try:
        return known is not None and known == new
    except crypto.DecryptionError:
        return False
