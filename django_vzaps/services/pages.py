"""Storing one page of VZaps' list: a constant number of queries, whatever its length."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from django_vzaps import client
from django_vzaps.models import Account, ConnectionSource, Instance, Subscription, Webhook
from django_vzaps.services import billing, mirror


@dataclass(frozen=True, kw_only=True, slots=True)
class PageCounts:
    """How many instances of a page were new, changed, and as they were."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: PageCounts) -> PageCounts:
        return PageCounts(
            created=self.created + other.created,
            updated=self.updated + other.updated,
            unchanged=self.unchanged + other.unchanged,
        )


def store_page(
    account: Account, answers: Sequence[client.Instance], *, asked_at: datetime, dry_run: bool = False
) -> PageCounts:
    """Mirror ``answers`` in one transaction, their rows locked in the order of their keys. Signals go out on commit."""
    with transaction.atomic():
        return _store_page(account, answers, asked_at=asked_at, dry_run=dry_run)


def _store_page(
    account: Account, answers: Sequence[client.Instance], *, asked_at: datetime, dry_run: bool
) -> PageCounts:
    rows = Instance.objects.filter(vzaps_id__in=[answer.id for answer in answers]).order_by("pk")
    known = {row.vzaps_id: row for row in (rows if dry_run else rows.locked())}
    connected_before = {row.vzaps_id: row.connected for row in known.values()}
    new: list[Instance] = []
    changed: list[Instance] = []
    changes: dict[str, mirror.Changes] = {}
    for answer in answers:
        instance = known.get(answer.id)
        if instance is None:
            instance = Instance(vzaps_id=answer.id, account=account)
            new.append(instance)
            known[answer.id] = instance
            mirror.apply_instance(instance, answer, account=account, asked_at=asked_at)
            continue
        found = mirror.apply_instance(instance, answer, account=account, asked_at=asked_at)
        changes[answer.id] = found
        # When it was asked is written for all of them at once; only that is no change.
        if found.keys() - {"synced_at", "connection_asked_at", "connection_source"}:
            changed.append(instance)
    by_instance = {} if dry_run else _store_instances(new, changed, known, asked_at)
    counts = PageCounts(created=len(new), updated=len(changed), unchanged=len(answers) - len(new) - len(changed))
    if dry_run:
        return counts
    _store_subscriptions(answers, known, by_instance, asked_at)
    _store_webhooks(answers, known, by_instance, asked_at)
    made = {instance.vzaps_id for instance in new}
    for instance in known.values():
        mirror.announce(
            instance,
            changes.get(instance.vzaps_id, {}),
            is_new=instance.vzaps_id in made,
            connected_before=connected_before.get(instance.vzaps_id),
        )
    return counts


def _store_instances(
    new: list[Instance], changed: list[Instance], known: dict[str, Instance], asked_at: datetime
) -> dict[int, Instance]:
    Instance.objects.bulk_create(new)
    if changed:
        Instance.objects.bulk_update(changed, mirror.INSTANCE_COLUMNS)
    untouched = {instance.pk for instance in known.values()} - {instance.pk for instance in [*new, *changed]}
    if untouched:
        Instance.objects.filter(pk__in=untouched, synced_at__lt=asked_at).update(synced_at=asked_at)
        said = [row.pk for row in known.values() if row.pk in untouched and row.connection_asked_at == asked_at]
        Instance.objects.filter(pk__in=said).update(
            connection_asked_at=asked_at, connection_source=ConnectionSource.API
        )
    return {instance.pk: instance for instance in known.values()}


def _store_subscriptions(
    answers: Sequence[client.Instance],
    known: dict[str, Instance],
    by_instance: dict[int, Instance],
    asked_at: datetime,
) -> None:
    there = {row.instance_id: row for row in Subscription.objects.filter(instance__in=by_instance)}
    new: list[Subscription] = []
    changed: list[Subscription] = []
    for answer in answers:
        instance = known[answer.id]
        subscription = there.get(instance.pk)
        is_new = subscription is None
        subscription = subscription or Subscription(instance=instance)
        there[instance.pk] = subscription
        before = subscription.state
        found = mirror.apply_subscription(subscription, answer, asked_at=asked_at)
        if is_new:
            new.append(subscription)
        elif found.keys() - {"refreshed_at"}:
            changed.append(subscription)
        mirror.announce_subscription(instance, subscription, before)
    Subscription.objects.bulk_create(new)
    if changed:
        Subscription.objects.bulk_update(changed, mirror.SUBSCRIPTION_COLUMNS)
    Subscription.objects.filter(instance__in=_asked(there.values(), "refreshed_at", asked_at)).update(
        refreshed_at=asked_at
    )
    billing.confirm(list(there.values()))


def _store_webhooks(
    answers: Sequence[client.Instance],
    known: dict[str, Instance],
    by_instance: dict[int, Instance],
    asked_at: datetime,
) -> None:
    there = {row.instance_id: row for row in Webhook.objects.filter(instance__in=by_instance)}
    new: list[Webhook] = []
    changed: list[Webhook] = []
    for answer in answers:
        instance = known[answer.id]
        webhook = there.get(instance.pk)
        is_new = webhook is None
        webhook = webhook or Webhook(instance=instance)
        there[instance.pk] = webhook
        found = mirror.apply_webhook(webhook, answer, asked_at=asked_at)
        if is_new:
            new.append(webhook)
        elif found.keys() - {"checked_at"}:
            changed.append(webhook)
    Webhook.objects.bulk_create(new)
    if changed:
        Webhook.objects.bulk_update(changed, mirror.WEBHOOK_COLUMNS)
    Webhook.objects.filter(instance__in=_asked(there.values(), "checked_at", asked_at)).update(checked_at=asked_at)
    mirror.let_old_secrets_die(((there[known[answer.id].pk], answer) for answer in answers), asked_at=asked_at)


def _asked(rows: Iterable[Subscription | Webhook], column: str, asked_at: datetime) -> list[int]:
    return [row.instance_id for row in rows if getattr(row, column) == asked_at]
