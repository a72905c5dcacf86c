"""What a batch does to one of its items, and who may have that done. Billing is not among it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_vzaps.models import Account, BatchItem, BatchKind, Instance
from django_vzaps.services import instances, sync, webhooks
from django_vzaps.services.attempts import Actor
from django_vzaps.services.errors import ChangeFailed
from django_vzaps.services.sync import SyncProgress, SyncReport

#: How often a sync writes down how far it is.
SECONDS_BETWEEN_NOTES: Final = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Doing:
    """An item at work. ``sign_of_life`` is called now and then by what takes long; it raises where others took over."""

    item: BatchItem
    actor: Actor
    parameters: Mapping[str, Any]
    sign_of_life: Callable[[], None]

    @property
    def instance(self) -> Instance:
        """What it is done to."""
        if self.item.instance is None:
            raise ChangeFailed(_("The instance is no longer known here."))
        return self.item.instance

    @property
    def account(self) -> Account:
        """What it is done to."""
        if self.item.account is None:
            raise ChangeFailed(_("The account is no longer known here."))
        return self.item.account


@dataclass(frozen=True, kw_only=True, slots=True)
class Verb:
    """A kind of batch. ``carry_out`` returns what there is to say about a success.

    ``changes``: something on VZaps, so that it is refused where the site is read only, and never repeated by itself.
    """

    permission: str
    carry_out: Callable[[Doing], str]
    changes: bool = True
    is_about_accounts: bool = False


def verb_of(kind: str) -> Verb:
    """The verb; ``ValueError`` for a kind that this version does not know."""
    return _VERBS[BatchKind(kind)]


def permission_for(kind: str) -> str:
    """The permission that whoever asks for such a batch must have, also when it is carried out; empty for unknown."""
    verb = _VERBS.get(kind)
    return "" if verb is None else verb.permission


def may_ask(user: Any, kind: str) -> bool:
    """Whether ``user`` may have this done."""
    permission = permission_for(kind)
    return bool(permission) and bool(user.has_perm(permission))


def _sync(doing: Doing) -> str:
    sync.sync_instance(doing.instance)
    return ""


def _restart(doing: Doing) -> str:
    instances.restart(_present(doing.instance), actor=doing.actor)
    return ""


def _delete(doing: Doing) -> str:
    despite = bool(doing.parameters.get("despite_subscription"))
    instances.delete(_present(doing.instance), actor=doing.actor, despite_subscription=despite)
    return ""


def _set_webhook(doing: Doing) -> str:
    instance = _present(doing.instance)
    if not doing.parameters.get("overwrite"):
        webhooks.refuse_foreign(instance)
    operation = webhooks.set(instance, actor=doing.actor, events=doing.parameters.get("events"))
    if doubt := webhooks.doubt(operation):
        return doubt
    if not webhooks.was_read_back(operation):
        return _("VZaps accepted the webhook, but it could not be read back. “Check now” tries again.")
    return _("VZaps accepted the webhook, but shows something else.") if instance.webhook.drift else ""


def _sync_account(doing: Doing) -> str:
    noted_at = -SECONDS_BETWEEN_NOTES
    latest = SyncProgress(seen=0, total=None)

    def note() -> None:
        BatchItem.objects.filter(pk=doing.item.pk).update(seen=latest.seen, expected=latest.total)

    def progress(now: SyncProgress) -> None:
        nonlocal noted_at, latest
        latest = now
        if time.monotonic() - noted_at >= SECONDS_BETWEEN_NOTES:
            doing.sign_of_life()
            note()
            noted_at = time.monotonic()

    try:
        report = sync.sync_account(doing.account, progress=progress)
    finally:
        note()
    return in_words(report)


def in_words(report: SyncReport) -> str:
    """What a sync found, as a sentence."""
    counts = ngettext(
        "%(seen)d instance read from VZaps; %(created)d new, %(updated)d changed, %(removed)d gone.",
        "%(seen)d instances read from VZaps; %(created)d new, %(updated)d changed, %(removed)d gone.",
        report.seen,
    ) % {"seen": report.seen, "created": report.created, "updated": report.updated, "removed": report.removed}
    return " ".join([counts, *report.notes])


def _present(instance: Instance) -> Instance:
    if instance.removed_at is not None:
        raise ChangeFailed(_("This instance is gone from VZaps: it can only be looked at."))
    return instance


_VERBS: Final[Mapping[str, Verb]] = {
    BatchKind.SYNC: Verb(permission="django_vzaps.change_instance", carry_out=_sync, changes=False),
    BatchKind.RESTART: Verb(permission="django_vzaps.restart_instance", carry_out=_restart),
    BatchKind.SET_WEBHOOK: Verb(permission="django_vzaps.set_webhook_instance", carry_out=_set_webhook),
    BatchKind.DELETE: Verb(permission="django_vzaps.delete_instance", carry_out=_delete),
    BatchKind.SYNC_ACCOUNT: Verb(
        permission="django_vzaps.change_instance", carry_out=_sync_account, changes=False, is_about_accounts=True
    ),
}
