"""What became of an event, in sentences: what happened, what it means, what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from django_vzaps.admin import display
from django_vzaps.models import Event, EventState, HandlerRun, HandlerRunState

_NOTABLE_DELAY: Final = timedelta(minutes=5)
_LONG_WAIT: Final = timedelta(minutes=5)
_LONGEST_REASON: Final = 300

Sentence = SafeString | str


def outcomes(runs: Iterable[HandlerRun]) -> str:
    """How many handlers ended how, e.g. "handlers: 2 done, 1 failed"; empty where none was called."""
    counted = Counter(run.state for run in runs)
    if not counted:
        return ""
    found = [f"{count} {display.label(HandlerRunState, state)}" for state, count in sorted(counted.items())]
    return _("handlers: %(outcomes)s") % {"outcomes": ", ".join(found)}


def delay(event: Event) -> str:
    """How long before its arrival it happened, where that is notable."""
    if event.occurred_at is None or event.received_at - event.occurred_at < _NOTABLE_DELAY:
        return ""
    return _("happened %(delay)s before") % {"delay": timesince(event.occurred_at, event.received_at, depth=1)}


def story(event: Event, runs: list[HandlerRun], *, may_replay: bool) -> list[Sentence]:
    """What became of it, sentence by sentence."""
    match event.state:
        case EventState.PENDING:
            return _pending(event, runs)
        case EventState.DONE:
            done = sum(run.state == HandlerRunState.DONE for run in runs)
            return [
                ngettext("%(count)d handler has handled it.", "%(count)d handlers have handled it.", done)
                % {"count": done},
                *_left_out(runs),
            ]
        case EventState.FAILED:
            return _failed(runs, may_replay=may_replay)
        case EventState.IGNORED if event.revision_of_id is not None:
            return [
                _("It is another copy of a message that came before, and no handler asks for such copies."),
                _("Nothing has to be done."),
            ]
        case EventState.IGNORED:
            return [
                _("No handler of this project wanted it when it came."),
                _("If one should have: see which handlers there are with manage.py vzaps_handlers, then replay it."),
            ]
        case EventState.UNPARSED:
            return [
                _("What came is no JSON object, so no handler was called. It is kept below as it came."),
                _("If VZaps sends more like it, report it to VZaps; if something else posts here, stop that."),
            ]
        case EventState.MISDIRECTED:
            return [
                _("It names another instance: the webhook URL of this one was entered there. It was not acted on."),
                _("Look below for the instance it names, and set that one's webhook."),
            ]
        case _:
            return [_("A newer version of django_vzaps wrote this state.")]


def _pending(event: Event, runs: list[HandlerRun]) -> list[Sentence]:
    since = display.ago(event.received_at)
    by_state: dict[str, list[HandlerRun]] = {}
    for run in runs:
        by_state.setdefault(run.state, []).append(run)
    if started := by_state.get(HandlerRunState.STARTED):
        run = started[0]
        when = display.ago(run.started_at)
        return [format_html(_("Handler {} is at work, since {}."), _name(run), when)]
    if event.retry_at is not None and event.retry_at > timezone.now():
        when = display.moment(event.retry_at)
        if failed := by_state.get(HandlerRunState.FAILED):
            return [
                *(_failure(run) for run in failed),
                format_html(_("It is tried again at {}. Nothing has to be done now."), when),
            ]
        return [format_html(_("It is held back until {}: a fuller copy of the message may come."), when)]
    if by_state.get(HandlerRunState.WAITING):
        sentences: list[Sentence] = [_("Somebody asked for a replay; it waits to be handled again.")]
    else:
        sentences = [format_html(_("It waits to be handled, since it came {}."), since)]
    if timezone.now() - max(event.received_at, event.retry_at or event.received_at) > _LONG_WAIT:
        sentences.append(_("That is long: see that a Celery worker and Celery beat are running."))
    return sentences


def _failed(runs: list[HandlerRun], *, may_replay: bool) -> list[Sentence]:
    failed = [run for run in runs if run.state == HandlerRunState.FAILED]
    interrupted = [run for run in runs if run.state in (HandlerRunState.INTERRUPTED, HandlerRunState.STARTED)]
    sentences: list[Sentence] = [_failure(run) for run in failed]
    sentences += [
        format_html(
            _("Handler {} was interrupted: it may have reached outside (sent a reply) or not. See whether it did."),
            _name(run),
        )
        for run in interrupted
    ]
    if not sentences:
        sentences.append(_("It could not even be offered to handlers: the log of the worker says why."))
    if may_replay and interrupted:
        sentences.append(_("If what it does was not done, press “Replay” and choose what was interrupted too."))
    elif may_replay:
        sentences.append(_("It is not tried again by itself. Mend the cause, then press “Replay”."))
    else:
        sentences.append(_("It is not tried again by itself: somebody with the permission to replay can do it."))
    return [*sentences, *_left_out(runs)]


def _failure(run: HandlerRun) -> Sentence:
    text = ngettext(
        "Handler {} failed after %(count)d attempt: {}", "Handler {} failed after %(count)d attempts: {}", run.attempts
    ) % {"count": run.attempts}
    return format_html(text, _name(run), format_html("<bdi>{}</bdi>", reason(run.error) or _("no reason was given")))


def _left_out(runs: list[HandlerRun]) -> list[Sentence]:
    left = [run for run in runs if run.state == HandlerRunState.SKIPPED]
    return [format_html(_("Handler {} was left out by a replay of others."), _name(run)) for run in left]


def _name(run: HandlerRun) -> SafeString:
    return format_html("<bdi>{}</bdi>", run.handler)


def reason(error: str) -> str:
    """The last line of a traceback, which says what went wrong."""
    lines = [line.strip() for line in error.strip().splitlines() if line.strip()]
    if not lines:
        return ""
    last = lines[-1]
    return last if len(last) <= _LONGEST_REASON else last[:_LONGEST_REASON] + pgettext("text that was cut", "…")


def lateness(event: Event) -> str:
    """How long after it happened it arrived, or that it says to have happened after."""
    if event.occurred_at is None:
        return ""
    if event.occurred_at > event.received_at + _NOTABLE_DELAY:
        return _("after it arrived: a clock is wrong")
    if event.received_at - event.occurred_at < timedelta(minutes=1):
        return _("arrived within a minute")
    return _("arrived %(delay)s later") % {"delay": timesince(event.occurred_at, event.received_at, depth=2)}


def duplicates(event: Event) -> str:
    """How often it came again; empty where it did not."""
    if not event.duplicates:
        return ""
    text = ngettext("came %(count)d time more", "came %(count)d times more", event.duplicates)
    return text % {"count": event.duplicates}
