"""Storing one page of VZaps' list: a constant number of statements, whatever its length.

One reads the rows with their subscriptions and webhooks and locks them; then there is one for each of the three tables
in which something is new or another, and one for the history. A page on which nothing changed is only read, until the
times at which its rows were confirmed grow too old: see :data:`AGES_KEPT_WITHIN`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from django.db import connections, models, router, transaction

from django_vzaps import client, conf
from django_vzaps.models import Account, ConnectionSource, Instance, Subscription, Webhook
from django_vzaps.services import billing, changes, mirror
from django_vzaps.services.changes import Changes

#: The part of ``VZAPS["STALE_AFTER"]`` by which the time of a row that did not change may lag behind the newest look:
#: a row is never called younger than it is, and a walk over what did not change writes little.
AGES_KEPT_WITHIN: Final = 1 / 3

#: When it was asked is no change.
_AGES: Final = frozenset({"synced_at", "connection_asked_at", "connection_source", "refreshed_at", "checked_at"})

Row = TypeVar("Row", bound=models.Model)


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


@dataclass(slots=True)
class _Table(Generic[Row]):
    """What is to be written of one table: rows that are new, that changed, and whose age alone is another."""

    oldest: timedelta
    new: list[Row] = field(default_factory=list)
    changed: list[Row] = field(default_factory=list)
    confirmed: list[Row] = field(default_factory=list)

    def sort(self, row: Row, found: Changes) -> None:
        """Put ``row`` where it belongs, after ``found`` was found to be another."""
        if row.pk is None:
            self.new.append(row)
        elif found.keys() - _AGES:
            self.changed.append(row)
        elif "connection_source" in found or any(
            old is None or new - old >= self.oldest for column, (old, new) in found.items() if column in _AGES
        ):
            self.confirmed.append(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """One answer, put onto its rows."""

    answer: client.Instance
    instance: Instance
    subscription: Subscription
    webhook: Webhook
    is_new: bool
    connected_before: bool | None
    found: Changes
    billed: Changes
    hooked: Changes

    @property
    def is_changed(self) -> bool:
        return bool((self.found.keys() | self.billed.keys() | self.hooked.keys()) - _AGES)


def store_page(
    account: Account,
    answers: Sequence[client.Instance],
    *,
    asked_at: datetime,
    unsettled: Collection[int],
    dry_run: bool = False,
) -> PageCounts:
    """Mirror ``answers``, each of another instance, in one transaction. Signals go out on commit.

    The rows are locked in the order of their keys. ``unsettled`` are the instances with a billing change whose effect
    is still to be seen. With ``dry_run`` nothing is locked or written. Raises ``IntegrityError`` where somebody else
    stored one of them for the first time meanwhile: nothing was written then.
    """
    with transaction.atomic():
        rows = Instance.objects.filter(vzaps_id__in=[answer.id for answer in answers]).order_by("pk")
        rows = rows.select_related("subscription", "webhook")
        known = {row.vzaps_id: row for row in (rows if dry_run else rows.locked())}
        taken = [_take_in(account, answer, known.get(answer.id), asked_at=asked_at) for answer in answers]
        if not dry_run:
            _write(taken, asked_at=asked_at)
            _tell(taken, asked_at=asked_at, unsettled=unsettled)
    created = sum(one.is_new for one in taken)
    updated = sum(one.is_changed for one in taken if not one.is_new)
    return PageCounts(created=created, updated=updated, unchanged=len(taken) - created - updated)


def _take_in(account: Account, answer: client.Instance, known: Instance | None, *, asked_at: datetime) -> _Taken:
    instance = known or Instance(vzaps_id=answer.id, account=account)
    # Either may be missing: the one that a foreign row was made for by hand.
    subscription = getattr(known, "subscription", None) or Subscription(instance=instance)
    webhook = getattr(known, "webhook", None) or Webhook(instance=instance)
    return _Taken(
        answer=answer,
        instance=instance,
        subscription=subscription,
        webhook=webhook,
        is_new=known is None,
        connected_before=instance.connected,
        found=mirror.apply_instance(instance, answer, account=account, asked_at=asked_at),
        billed=mirror.apply_subscription(subscription, answer, asked_at=asked_at),
        hooked=mirror.apply_webhook(webhook, answer, asked_at=asked_at),
    )


def _write(taken: Sequence[_Taken], *, asked_at: datetime) -> None:
    oldest = timedelta(seconds=conf.current().stale_after * AGES_KEPT_WITHIN)
    instances, subscriptions, webhooks = _Table[Instance](oldest), _Table[Subscription](oldest), _Table[Webhook](oldest)
    for one in taken:
        instances.sort(one.instance, one.found)
        subscriptions.sort(one.subscription, one.billed)
        webhooks.sort(one.webhook, one.hooked)
    Instance.objects.bulk_create(instances.new)
    if instances.changed:
        _upsert(Instance, [*instances.changed, *instances.confirmed], mirror.INSTANCE_COLUMNS, unique="id")
    elif instances.confirmed:
        _confirm_instances(instances.confirmed, asked_at)
    if subscriptions.new or subscriptions.changed:
        rows = [*subscriptions.new, *subscriptions.changed, *subscriptions.confirmed]
        _upsert(Subscription, _as_new(rows), mirror.SUBSCRIPTION_COLUMNS, unique="instance")
    elif subscriptions.confirmed:
        Subscription.objects.filter(pk__in=_keys(subscriptions.confirmed)).update(refreshed_at=asked_at)
    if webhooks.new or webhooks.changed:
        _upsert(
            Webhook,
            _as_new([*webhooks.new, *webhooks.changed, *webhooks.confirmed]),
            mirror.WEBHOOK_COLUMNS,
            unique="instance",
        )
    elif webhooks.confirmed:
        Webhook.objects.filter(pk__in=_keys(webhooks.confirmed)).update(checked_at=asked_at)


def _confirm_instances(rows: Sequence[Instance], asked_at: datetime) -> None:
    said = [row for row in rows if row.connection_asked_at == asked_at]
    unsaid = [row for row in rows if row.connection_asked_at != asked_at]
    if said:
        Instance.objects.filter(pk__in=_keys(said)).update(
            synced_at=asked_at, connection_asked_at=asked_at, connection_source=ConnectionSource.API
        )
    if unsaid:
        Instance.objects.filter(pk__in=_keys(unsaid)).update(synced_at=asked_at)


def _tell(taken: Sequence[_Taken], *, asked_at: datetime, unsettled: Collection[int]) -> None:
    known = [one for one in taken if not one.is_new]
    changes.save(
        row for one in known for row in mirror.history(one.instance, one.found, one.billed, one.hooked, at=asked_at)
    )
    for one in taken:
        mirror.announce_subscription(one.instance, one.subscription, one.billed)
        mirror.announce(one.instance, one.found, is_new=one.is_new, connected_before=one.connected_before)
    mirror.let_old_secrets_die(((one.webhook, one.answer) for one in known), asked_at=asked_at)
    if waiting := [one.subscription for one in known if one.instance.pk in unsettled]:
        billing.confirm(waiting)


def _upsert(model: type[Row], rows: list[Row], columns: list[str], *, unique: str) -> None:
    """Write ``columns`` of rows that are there, and the others whole; the others' further columns stay as they are."""
    features = connections[router.db_for_write(model)].features
    model._default_manager.bulk_create(
        rows,
        update_conflicts=True,
        update_fields=columns,
        # MariaDB takes any unique column for it, and wants none to be named.
        unique_fields=[unique] if features.supports_update_conflicts_with_target else None,
    )


def _as_new(rows: list[Row]) -> list[Row]:
    """Rows without their keys, which the database says again: with and without in one list are two statements."""
    for row in rows:
        row.pk = None
    return rows


def _keys(rows: Sequence[models.Model]) -> list[int]:
    return [row.pk for row in rows]
