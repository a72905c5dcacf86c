"""Having stored events handled again: what failed, what never ran and, when asked to, what is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from typing import Final

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_vzaps import conf
from django_vzaps.events import dispatch, handlers, inbound
from django_vzaps.events.handlers import Handler
from django_vzaps.exceptions import VZapsError
from django_vzaps.models import Event, EventState, HandlerRun, HandlerRunState

_BATCH: Final = 200


class UnknownHandler(VZapsError):
    """A handler was named that is not registered."""


class Skipped(StrEnum):
    """Why an event is not replayed."""

    PENDING = "pending"
    UNPARSED = "unparsed"
    MISDIRECTED = "misdirected"
    ERASED = "erased"
    NOTHING = "nothing"

    @property
    def label(self) -> str:
        """In words."""
        return str(_LABELS[self])


_LABELS: Final = {
    Skipped.PENDING: gettext_lazy("waiting to be handled anyway"),
    Skipped.UNPARSED: gettext_lazy("could not be parsed"),
    Skipped.MISDIRECTED: gettext_lazy("of another instance"),
    Skipped.ERASED: gettext_lazy("their payload was erased"),
    Skipped.NOTHING: gettext_lazy("no handler has anything to do"),
}


@dataclass(kw_only=True, slots=True)
class ReplayReport:
    """What is replayed: events, how often each handler is called, and events left out by the reason for it."""

    events: int = 0
    runs: Counter[str] = field(default_factory=Counter)
    skipped: Counter[Skipped] = field(default_factory=Counter)


def replay(
    events: QuerySet[Event],
    *,
    names: Collection[str] = (),
    interrupted: bool = False,
    again: bool = False,
    dry_run: bool = False,
    progress: Callable[[int], None] | None = None,
    replayed: Callable[[Event], object] | None = None,
) -> ReplayReport:
    """Have these events handled again by the handlers registered now, in the order of their arrival.

    Called are the handlers that failed and those that never ran. ``interrupted`` adds those whose process died in the
    middle: they may have reached outside. ``again`` adds those that are done; what they did they do again, also a
    reply, which otherwise is never sent twice. ``names`` limits all this to some handlers. With ``dry_run`` nothing
    is changed. Signals are not sent again, and the connection facts do not follow old events again. ``replayed`` is
    called with each event that is not left out, before it is handled. Safe to interrupt, and while workers run: what
    waits already is left to them. Raises :class:`UnknownHandler`.
    """
    chosen = _chosen(names)
    report = ReplayReport()
    for batch in _batches(events):
        queues = set()
        for pk in batch:
            # One by one: a payload may be as large as VZAPS["WEBHOOK_MAX_BYTES"].
            record = Event.objects.select_related("instance__account").filter(pk=pk).first()
            if record is not None and _replay(
                record, chosen, report, names=names, interrupted=interrupted, again=again, dry_run=dry_run
            ):
                queues.add((record.instance_id, record.lane))
                if replayed is not None:
                    replayed(record)
        if not dry_run:
            for instance_id, lane in sorted(queues):
                dispatch.wake(instance_id, lane)
        if progress is not None:
            progress(report.events + report.skipped.total())
    return report


def _replay(
    record: Event,
    chosen: tuple[Handler, ...],
    report: ReplayReport,
    *,
    names: Collection[str],
    interrupted: bool,
    again: bool,
    dry_run: bool,
) -> bool:
    if reason := _why_not(record):
        report.skipped[reason] += 1
        return False
    event = inbound.from_record(record)
    found = {run.handler: run for run in record.runs.all()}
    over = {HandlerRunState.FAILED, HandlerRunState.WAITING, HandlerRunState.SKIPPED}
    if interrupted or again:
        over |= {HandlerRunState.INTERRUPTED, HandlerRunState.STARTED}
    if again:
        over.add(HandlerRunState.DONE)
    wanted = [handler.name for handler in chosen if handler.wants(event)]
    due = [name for name in wanted if name not in found or found[name].state in over]
    if not due:
        report.skipped[Skipped.NOTHING] += 1
        return False
    if not dry_run:
        # Who was not named must not run because the event is opened again for others.
        others = [handler.name for handler in handlers.registered() if names and handler.wants(event)]
        if not _open(record, found, due, [name for name in others if name not in due], again=again):
            report.skipped[Skipped.PENDING] += 1
            return False
    report.events += 1
    report.runs.update(due)
    return True


def _open(record: Event, found: dict[str, HandlerRun], due: list[str], left_out: list[str], *, again: bool) -> bool:
    with transaction.atomic():
        # Only a pending event is handled: who finds it in the state it was read in is the only one to touch its runs.
        closed = Event.objects.filter(pk=record.pk, state=record.state)
        if not closed.update(state=EventState.PENDING, retry_at=None):
            return False
        runs = HandlerRun.objects.filter(event=record)
        runs.filter(handler__in=due).update(state=HandlerRunState.WAITING, replays=F("replays") + int(again))
        _keep_from_running(runs.filter(handler__in=left_out))
        HandlerRun.objects.bulk_create(
            HandlerRun(event=record, handler=name, state=state)
            for names, state in ((due, HandlerRunState.WAITING), (left_out, HandlerRunState.SKIPPED))
            for name in names
            if name not in found
        )
    return True


def _keep_from_running(runs: QuerySet[HandlerRun]) -> None:
    runs.filter(state=HandlerRunState.WAITING).update(state=HandlerRunState.SKIPPED)
    # Attempts may be left: another number was allowed when they were made. Then they count as used up.
    allowed = conf.current().handler_attempts
    left = (allowed - F("attempts") % allowed) % allowed
    runs.filter(state=HandlerRunState.FAILED).update(attempts=F("attempts") + left)


def _why_not(record: Event) -> Skipped | None:
    match record.state:
        case EventState.PENDING:
            return Skipped.PENDING
        case EventState.UNPARSED:
            return Skipped.UNPARSED
        case EventState.MISDIRECTED:
            return Skipped.MISDIRECTED
    return None if record.payload else Skipped.ERASED


def _chosen(names: Collection[str]) -> tuple[Handler, ...]:
    registered = handlers.registered()
    known = [handler.name for handler in registered]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.4)
            said = [_("There is no handler “%(name)s”.") % {"name": name}]
            if near:
                said.append(_("Is it %(near)s?") % {"near": near[0]})
            raise UnknownHandler(" ".join(said))
    return tuple(handler for handler in registered if not names or handler.name in names)


def _batches(events: QuerySet[Event]) -> Iterator[list[int]]:
    """In the order of arrival, by id and not by what the query asks for: replaying changes that."""
    last = 0
    while pks := list(events.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:_BATCH]):
        yield pks
        last = pks[-1]
