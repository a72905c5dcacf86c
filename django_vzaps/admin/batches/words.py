"""What is said of a batch: who asked for what, how far it is, and how it stands."""

from __future__ import annotations

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from django_vzaps.admin import display
from django_vzaps.models import Batch, BatchItem, BatchKind
from django_vzaps.services.batches import Progress


def not_done(progress: Progress) -> int:
    """How many can be asked for again: it is certain that nothing was done."""
    return progress.failed + progress.stopped


def who(batch: Batch) -> str:
    """Who asked for it."""
    if batch.actor is not None:
        return str(batch.actor)
    return _("the system") if batch.by_system else _("somebody who is no longer a user")


def walked(item: BatchItem) -> str:
    """How far an account's sync is; empty where nothing is known of that."""
    if not item.seen and item.expected is None:
        return ""
    seen = number_format(item.seen, force_grouping=True)
    if item.expected is None:
        return _("%(seen)s read") % {"seen": seen}
    return _("%(seen)s of %(expected)s read") % {
        "seen": seen,
        "expected": number_format(item.expected, force_grouping=True),
    }


def state_of(batch: Batch, progress: Progress) -> SafeString:
    """Whether anything is still to happen, and whether a person should look at what did."""
    if batch.finished_at is None:
        is_held = bool(batch.lease_holder) and batch.lease_until is not None and batch.lease_until > timezone.now()
        tone, words = "quiet", _("running") if is_held or progress.running else _("waits for a worker")
    elif progress.unknown:
        tone, words = "warning", _("finished, outcomes unknown")
    elif progress.failed:
        tone, words = "bad", _("finished, with failures")
    elif progress.stopped:
        tone, words = "warning", _("stopped")
    else:
        tone, words = "good", pgettext("batch", "finished")
    return display.framed(tone, words)


def in_words(batch: Batch) -> list[str]:
    """What was asked for beside the kind itself."""
    given = batch.parameters or {}
    found = []
    if batch.kind == BatchKind.SET_WEBHOOK:
        events = given.get("events")
        found.append(
            _("Events: %(events)s.") % {"events": ", ".join(map(str, events))}
            if events
            else _("Each keeps its events.")
        )
        if given.get("overwrite"):
            found.append(_("Webhooks that this site did not set are overwritten."))
    if given.get("despite_subscription"):
        found.append(_("Despite subscriptions."))
    return found
