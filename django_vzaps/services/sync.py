"""Walking VZaps' list of instances and bringing the mirror in line with it."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from celery.exceptions import SoftTimeLimitExceeded
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from django_vzaps import client, conf, signals
from django_vzaps.client import VZapsError
from django_vzaps.models import Account, ConnectionSource, Instance
from django_vzaps.models.fields import storable
from django_vzaps.models.instance import InstanceQuerySet
from django_vzaps.services import billing, changes, circuit, mirror, operations
from django_vzaps.services.clients import client_for
from django_vzaps.services.errors import ReadFailed, SyncRunning, in_words
from django_vzaps.services.pages import PageCounts, store_page

logger = logging.getLogger("django_vzaps.sync")

PAGE_SIZE: Final = 100
#: A walk that would remove more of the account's instances than this removes none.
REMOVAL_LIMIT: Final = 0.3
#: In so many complete walks in a row an instance must be missing.
WALKS_MISSING: Final = 2
#: After this part of its lease a walk says that it is alive.
_RENEWED_AFTER: Final = 1 / 60


@dataclass(frozen=True, kw_only=True, slots=True)
class SyncProgress:
    """Where a walk is: instances seen so far, and VZaps' total where it gives one."""

    seen: int
    total: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class SyncReport:
    """What a walk did. ``notes`` are sentences for a person; ``complete`` says whether it saw the whole list."""

    account: str
    seen: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    missing: int = 0
    removed: int = 0
    total: int | None = None
    complete: bool = False
    dry_run: bool = False
    notes: tuple[str, ...] = ()


class _Renew(Protocol):
    """Says that the walk is alive, now or when that is due. Raises :class:`SyncRunning` where another took over."""

    def __call__(self, *, at_once: bool = ...) -> None: ...


@dataclass(slots=True)
class _Walk:
    """What a walk remembers of what it saw: ids, not rows."""

    started_at: datetime
    seen: set[str] = field(default_factory=set)
    total: int | None = None
    has_shrunk: bool = False
    """Whether the list got shorter meanwhile: what moved up from a page to one that was read before was not seen."""

    def note(self, page: client.InstancePage) -> list[client.Instance]:
        """Take in a page, and return those of its instances that were not on an earlier one, each once."""
        if self.total is not None and page.total is not None and page.total < self.total:
            self.has_shrunk = True
        self.total = page.total
        fresh = {answer.id: answer for answer in page.content if answer.id not in self.seen}
        self.seen.update(fresh)
        return list(fresh.values())


def sync_account(
    account: Account,
    *,
    dry_run: bool = False,
    force: bool = False,
    progress: Callable[[SyncProgress], None] | None = None,
) -> SyncReport:
    """Walk the account's list and mirror it; what one page brought stays even if the next one fails.

    ``dry_run`` writes nothing. ``force`` lifts the guard against removing many at once. Raises
    :class:`SyncRunning`, and :class:`ReadFailed`, :class:`~django_vzaps.services.errors.NotConfigured` or, where
    credentials cannot be decrypted, what :mod:`~django_vzaps.crypto` raises (these three also noted on the account).
    """
    if dry_run:
        return _walk(account, dry_run=True, force=force, progress=progress, renew=lambda **_when: None)
    with _lease(account) as renew:
        try:
            report = _walk(account, dry_run=False, force=force, progress=progress, renew=renew)
        except SyncRunning:
            raise
        except VZapsError as error:
            Account.objects.filter(pk=account.pk).update(sync_error=storable(error))
            circuit.note_failure(account, getattr(error, "error", None) or error, about_instance=False)
            raise
        except SoftTimeLimitExceeded:
            late = _("Walking VZaps' list took longer than a task may take. “manage.py vzaps_sync” has no time limit.")
            Account.objects.filter(pk=account.pk).update(sync_error=storable(late))
            raise
        circuit.note_success(account)
        operations.settle_creates(account)
        # Nobody reads the report of a scheduled sync: what it has to say is kept on the account.
        known: dict[str, Any] = {"synced_at": timezone.now()} if report.complete else {}
        Account.objects.filter(pk=account.pk).update(sync_error=storable(" ".join(report.notes)), **known)
    return report


def sync_instance(instance: Instance) -> Instance:
    """Read one instance and mirror it. Raises :class:`ReadFailed`."""
    asked_at = timezone.now()
    try:
        answer = client_for(instance).instances.get(instance.vzaps_id)
    except VZapsError as error:
        raise ReadFailed(in_words(error), error=error) from error
    mirror.store(instance.account, answer, asked_at=asked_at)
    instance.refresh_from_db()
    return instance


def _walk(
    account: Account,
    *,
    dry_run: bool,
    force: bool,
    progress: Callable[[SyncProgress], None] | None,
    renew: _Renew,
) -> SyncReport:
    api = client_for(account)
    walk = _Walk(started_at=timezone.now())
    unsettled = billing.unsettled(account)
    counts = PageCounts()
    number = 0
    while True:
        number += 1
        renew()
        asked_at = timezone.now()
        try:
            page = api.instances.list(page=number, size=PAGE_SIZE)
        except VZapsError as error:
            raise ReadFailed(in_words(error), error=error) from error
        fresh = walk.note(page)
        if fresh:
            counts += _store(account, fresh, asked_at=asked_at, unsettled=unsettled, dry_run=dry_run)
        if progress is not None:
            progress(SyncProgress(seen=len(walk.seen), total=walk.total))
        # A page that brings nothing new ends the walk, also where a server repeats its last page for ever. The total
        # alone is not believed: what it leaves out would count as missing.
        is_last = len(page.content) < PAGE_SIZE and walk.total is not None and len(walk.seen) >= walk.total
        if not fresh or is_last:
            break
    renew(at_once=True)
    report = SyncReport(
        account=account.name,
        seen=len(walk.seen),
        created=counts.created,
        updated=counts.updated,
        unchanged=counts.unchanged,
        total=walk.total,
        dry_run=dry_run,
    )
    return _remove_missing(account, walk, report, force=force)


def _store(account: Account, answers: Sequence[client.Instance], **how: Any) -> PageCounts:
    try:
        return store_page(account, answers, **how)
    except IntegrityError:
        # An instance of this page was created here at the same moment: it is there now.
        return store_page(account, answers, **how)


def _remove_missing(account: Account, walk: _Walk, report: SyncReport, *, force: bool) -> SyncReport:
    if walk.total is None:
        return replace(report, notes=(_("VZaps did not say how many instances there are: nothing was removed."),))
    if len(walk.seen) < walk.total:
        note = _("VZaps says that there are %(total)s instances but listed %(seen)s: nothing was removed.")
        return replace(report, notes=(note % {"total": walk.total, "seen": len(walk.seen)},))
    report = replace(report, complete=True)
    known = Instance.objects.present().filter(account=account)
    if walk.has_shrunk:
        note = _("VZaps' list got shorter while it was read: nothing was removed. The next sync looks again.")
        return replace(report, notes=(note,))
    if not walk.seen:
        note = _("VZaps listed no instances: nothing was removed.")
        return replace(report, notes=(note,) if known.exists() else ())
    # One that was created here while we walked may have been missing from a page that was read before.
    candidates = known.filter(first_seen_at__lt=walk.started_at).exclude(synced_at__gte=walk.started_at)
    missing = [
        (pk, walks)
        for pk, vzaps_id, walks in candidates.values_list("pk", "vzaps_id", "missing_walks").iterator()
        if vzaps_id not in walk.seen
    ]
    if not missing:
        return report
    report = replace(report, missing=len(missing))
    present = known.count()
    if len(missing) > present * REMOVAL_LIMIT and not force:
        note = _(
            "%(missing)s of %(present)s instances are missing from VZaps' list: too many to believe, none removed. "
        )
        hint = _("Run the sync again with --force if it is true.")
        return replace(report, notes=(note % {"missing": len(missing), "present": present} + hint,))
    gone = [pk for pk, walks in missing if walks + 1 >= WALKS_MISSING]
    waiting = [pk for pk, walks in missing if walks + 1 < WALKS_MISSING]
    if report.dry_run:
        return replace(report, removed=len(gone))
    removed = 0
    for pks in _batches(gone):
        removed += _remove(pks, walk.started_at)
    for pks in _batches(waiting):
        with transaction.atomic():
            mirror.free(_unseen(pks, walk.started_at)).update(missing_walks=1)
    return replace(report, removed=removed)


def _unseen(pks: Sequence[int], walk_started_at: datetime) -> InstanceQuerySet:
    """Those of ``pks`` that nobody else has seen since the walk began."""
    never_or_before = Q(synced_at__isnull=True) | Q(synced_at__lt=walk_started_at)
    return Instance.objects.present().filter(never_or_before, pk__in=pks)


def _remove(pks: Sequence[int], walk_started_at: datetime) -> int:
    with transaction.atomic():
        # One that somebody holds now is found missing by the next walk as well.
        rows = list(_unseen(pks, walk_started_at).locked(only_free=True))
        # As old as the walk, so that an answer asked for since then can still say that it is there.
        Instance.objects.filter(pk__in=[row.pk for row in rows]).update(
            removed_at=walk_started_at, connected=None, missing_walks=WALKS_MISSING
        )
        found = {"removed_at": (None, walk_started_at)}
        changes.save(
            change
            for row in rows
            for change in changes.rows(
                row.pk, found, changes.INSTANCE_FIELDS, source=ConnectionSource.API, at=walk_started_at
            )
        )
        for row in rows:
            row.removed_at, row.connected = walk_started_at, None
            signals.send_on_commit(signals.instance_removed, sender=Instance, instance=row)
    return len(rows)


def _batches(pks: Sequence[int], size: int = 500) -> Iterator[Sequence[int]]:
    for start in range(0, len(pks), size):
        yield pks[start : start + size]


@contextmanager
def _lease(account: Account) -> Iterator[_Renew]:
    """One walk an account at a time. A holder that died is waited for until its lease ends, not longer."""
    holder = secrets.token_hex(16)
    mine = Account.objects.filter(pk=account.pk, sync_lease_holder=holder)
    renewed = time.monotonic()

    def until() -> datetime:
        return timezone.now() + timedelta(seconds=conf.current().sync_lease)

    def renew(*, at_once: bool = False) -> None:
        nonlocal renewed
        if not at_once and time.monotonic() < renewed + conf.current().sync_lease * _RENEWED_AFTER:
            return
        if not mine.update(sync_lease_until=until()):
            raise SyncRunning(_("This sync was slow, and another one of “%s” took over.") % account.name)
        renewed = time.monotonic()

    free = Q(sync_lease_until__isnull=True) | Q(sync_lease_until__lt=timezone.now())
    if not Account.objects.filter(free, pk=account.pk).update(sync_lease_holder=holder, sync_lease_until=until()):
        raise SyncRunning(_("The account “%s” is being synced already.") % account.name)
    try:
        yield renew
    finally:
        mine.update(sync_lease_holder="", sync_lease_until=None)
