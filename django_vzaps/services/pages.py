"""Storing one page of VZaps' list: a constant number of statements, whatever its length.

One reads the rows with their subscriptions and webhooks; where all is as it was, that is all, and nothing is locked.
New rows are one more for each of the three tables, and so are the times of rows that did not change, which are renewed
when they grow too old: see :data:`AGES_KEPT_WITHIN`. Where something is another, the rows that are to be written are
locked and read again, written with one statement for each table concerned, and one more writes the history.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, Final, TypeVar

from django.db import connections, models, router, transaction

from django_vzaps import client, conf
from django_vzaps.models import Account, ConnectionSource, Instance, Subscription, Webhook
from django_vzaps.services import billing, changes, mirror
from django_vzaps.services.changes import Changes

#: The part of ``VZAPS["STALE_AFTER"]`` by which the time of a row that did not change may lag behind the newest look:
#: a row is never called younger than it is, and a walk over what did not change writes little.
AGES_KEPT_WITHIN: Final = 1 / 3

_TIMES: Final = frozenset({"synced_at", "connection_asked_at", "refreshed_at", "checked_at"})
#: When and how it is known is no change.
_AGES: Final = _TIMES | {"connection_source"}

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


class _Need(IntEnum):
    """What is to be written of a row."""

    NOTHING = 0
    AGE = 1
    ROW = 2

    @classmethod
    def of(cls, found: Changes, oldest: timedelta) -> _Need:
        times = [change for column, change in found.items() if column in _TIMES]
        if found.keys() - _AGES or any(old is None for old, _new in times):
            return cls.ROW
        is_due = "connection_source" in found or any(new - old >= oldest for old, new in times)
        return cls.AGE if is_due else cls.NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """One answer, put onto its rows: what it changed of them, and what of that is to be written."""

    answer: client.Instance
    instance: Instance
    subscription: Subscription
    webhook: Webhook
    is_new: bool
    connected_before: bool | None
    found: Changes
    billed: Changes
    hooked: Changes
    needs: tuple[_Need, _Need, _Need]

    @property
    def is_changed(self) -> bool:
        """Whether VZaps says something else than before."""
        return bool((self.found.keys() | self.billed.keys() | self.hooked.keys()) - _AGES)

    @property
    def is_due(self) -> bool:
        """Whether there is something to write, or may be: what it shows of a webhook may end the life of a secret."""
        return bool(max(self.needs)) or self.webhook.has_open_secrets


def store_page(
    account: Account,
    answers: Sequence[client.Instance],
    *,
    asked_at: datetime,
    unsettled: Collection[int],
    dry_run: bool = False,
) -> PageCounts:
    """Mirror ``answers``, each of another instance; all that is to be written is written in one transaction.

    Rows that somebody else holds are left out, and written after that one by one: nobody is waited for while other
    rows are locked. Signals go out on commit. ``unsettled`` are the instances with a billing change whose effect is
    still to be seen. With ``dry_run`` nothing is written. Raises ``IntegrityError`` where somebody else stored one of
    them for the first time meanwhile: nothing was written then.
    """
    taken = _taken_in(account, answers, asked_at=asked_at)
    if not dry_run and (any(one.is_due for one in taken) or unsettled):
        with transaction.atomic():
            held = _write(account, taken, asked_at=asked_at, unsettled=unsettled)
        for answer in held:  # one by one, since this may have to wait
            mirror.store(account, answer, asked_at=asked_at)
    created = sum(one.is_new for one in taken)
    updated = sum(one.is_changed for one in taken if not one.is_new)
    return PageCounts(created=created, updated=updated, unchanged=len(taken) - created - updated)


def _taken_in(
    account: Account, answers: Sequence[client.Instance], *, asked_at: datetime, lock: bool = False
) -> list[_Taken]:
    rows = Instance.objects.filter(vzaps_id__in=[answer.id for answer in answers]).order_by("pk")
    if lock:
        # And then read: what is joined to a row may be older than the moment at which that is locked.
        rows = Instance.objects.filter(pk__in=list(rows.locked(only_free=True).values_list("pk", flat=True)))
    known = {row.vzaps_id: row for row in rows.select_related("subscription", "webhook")}
    return [_take_in(account, answer, known.get(answer.id), asked_at=asked_at) for answer in answers]


def _take_in(account: Account, answer: client.Instance, known: Instance | None, *, asked_at: datetime) -> _Taken:
    instance = known or Instance(vzaps_id=answer.id, account=account)
    # Either may be missing, where a row was made by hand.
    subscription = getattr(known, "subscription", None) or Subscription(instance=instance)
    webhook = getattr(known, "webhook", None) or Webhook(instance=instance)
    connected_before = instance.connected
    found = mirror.apply_instance(instance, answer, account=account, asked_at=asked_at)
    billed = mirror.apply_subscription(subscription, answer, asked_at=asked_at)
    hooked = mirror.apply_webhook(webhook, answer, asked_at=asked_at)
    oldest = timedelta(seconds=conf.current().stale_after * AGES_KEPT_WITHIN)
    return _Taken(
        answer=answer,
        instance=instance,
        subscription=subscription,
        webhook=webhook,
        is_new=known is None,
        connected_before=connected_before,
        found=found,
        billed=billed,
        hooked=hooked,
        needs=(
            _Need.of(found, oldest) if known else _Need.ROW,
            _Need.of(billed, oldest) if subscription.pk else _Need.ROW,
            _Need.of(hooked, oldest) if webhook.pk else _Need.ROW,
        ),
    )


def _write(
    account: Account, taken: list[_Taken], *, asked_at: datetime, unsettled: Collection[int]
) -> list[client.Instance]:
    """Write what is to be written, and return what is said of rows that somebody else holds now."""
    new = [one for one in taken if one.is_new]
    known = [one for one in taken if not one.is_new]
    if any(_Need.ROW in one.needs for one in known):
        # Read again under a lock, since somebody may have written them since.
        answers = [one.answer for one in known if max(one.needs)]
        again = _taken_in(account, answers, asked_at=asked_at, lock=True)
        changed = [one for one in again if not one.is_new]
        held = [one.answer for one in again if one.is_new]
    else:
        changed, held = [], []
        _confirm(known, asked_at=asked_at)
    Instance.objects.bulk_create([one.instance for one in new])
    all_written = [*new, *changed]
    _upsert(Instance, [one.instance for one in changed if one.needs[0]], mirror.INSTANCE_COLUMNS, unique="id")
    _upsert(
        Subscription,
        _without_keys(one.subscription for one in all_written if one.needs[1]),
        mirror.SUBSCRIPTION_COLUMNS,
        unique="instance",
    )
    _upsert(
        Webhook,
        _without_keys(one.webhook for one in all_written if one.needs[2]),
        mirror.WEBHOOK_COLUMNS,
        unique="instance",
    )
    changes.save(
        row for one in changed for row in mirror.history(one.instance, one.found, one.billed, one.hooked, at=asked_at)
    )
    for one in all_written:
        mirror.announce(one.instance, one.found, is_new=one.is_new, connected_before=one.connected_before)
        mirror.announce_subscription(one.instance, one.subscription, one.billed)
    written = {one.answer.id: one for one in all_written}
    latest = [written.get(one.answer.id, one) for one in known]
    mirror.let_old_secrets_die(((one.webhook, one.answer) for one in latest), asked_at=asked_at)
    if waiting := [one.subscription for one in latest if one.instance.pk in unsettled]:
        billing.confirm(waiting)
    return held


def _confirm(known: Sequence[_Taken], *, asked_at: datetime) -> None:
    """Renew the times of rows that are as they were; not of one that somebody wrote since it was read, or holds now."""
    for said in (True, False):
        due = [one for one in known if one.needs[0] and ("connection_asked_at" in one.found) == said]
        times: dict[str, Any] = {"synced_at": asked_at}
        before = {"synced_at__in": {one.found["synced_at"][0] for one in due if "synced_at" in one.found}}
        if said:
            times |= {"connection_asked_at": asked_at, "connection_source": ConnectionSource.API}
            before["connection_asked_at__in"] = {one.found["connection_asked_at"][0] for one in due}
        if due:
            unchanged = Instance.objects.filter(pk__in=[one.instance.pk for one in due], **before)
            mirror.free(unchanged).update(**times)
    if billed := [one for one in known if one.needs[1]]:
        same_bills = Subscription.objects.filter(
            pk__in=[one.subscription.pk for one in billed],
            refreshed_at__in={one.billed["refreshed_at"][0] for one in billed},
        )
        mirror.free(same_bills).update(refreshed_at=asked_at)
    if hooked := [one for one in known if one.needs[2]]:
        same_hooks = Webhook.objects.filter(
            pk__in=[one.webhook.pk for one in hooked],
            checked_at__in={one.hooked["checked_at"][0] for one in hooked},
        )
        mirror.free(same_hooks).update(checked_at=asked_at)


def _upsert(model: type[Row], rows: list[Row], columns: list[str], *, unique: str) -> None:
    """Write ``columns`` of rows that are there, whose other columns stay as they are, and the others whole."""
    features = connections[router.db_for_write(model)].features
    model._default_manager.bulk_create(
        rows,
        update_conflicts=True,
        update_fields=columns,
        # MariaDB takes any unique column for it, and wants none to be named.
        unique_fields=[unique] if features.supports_update_conflicts_with_target else None,
    )


def _without_keys(rows: Iterable[Row]) -> list[Row]:
    """Rows that the database finds by what else is unique: with and without keys in one list are two statements."""
    found = list(rows)
    for row in found:
        row.pk = None
    return found
