from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from django_vzaps.events import built_in, handlers, inbound, runs
from django_vzaps.events.handlers import Handler
from django_vzaps.events.parsing import TYPES, normalised
from django_vzaps.models import Event, EventState, HandlerRun, HandlerRunState


class Command(BaseCommand):
    """Which functions handle events, in the order in which they are called."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _("Lists the handlers that are registered, and what would run for an event.")
        parser.add_argument("--type", metavar="TYPE", help=_("Only those that get events of this type."))
        parser.add_argument("--event", metavar="ID", type=int, help=_("Say what would run for this stored event."))

    def handle(self, *, type: str | None, event: int | None, **_options: Any) -> None:  # noqa: A002 - the option
        registered = [*built_in.handlers(), *handlers.registered()]
        if type is not None:
            registered = [each for each in registered if not each.types or normalised(type) in each.types]
        if event is not None:
            self._explain(event, registered)
        else:
            self._table([(each.name, _types(each), _filters(each)) for each in registered])
        if not handlers.registered():
            self.stdout.write(
                _(
                    "The project has no handlers. They are looked for in the module “%(module)s” of every installed "
                    "app and of the project's package."
                )
                % {"module": handlers.MODULE}
            )

    def _explain(self, pk: int, registered: list[Handler]) -> None:
        record = Event.objects.select_related("instance__account").filter(pk=pk).first()
        if record is None:
            raise CommandError(_("There is no event %(id)s.") % {"id": pk})
        found = {run.handler: run for run in record.runs.all()}
        typed = inbound.from_record(record)
        self.stdout.write(f"{record}: {record.state_label}")
        if record.state in (EventState.UNPARSED, EventState.MISDIRECTED):
            self.stdout.write(_("No handler is called for it, whatever is registered."))
            return
        if record.state != EventState.PENDING and not record.payload:
            self.stdout.write(_("It cannot be replayed: its payload was erased."))
        self._table([(each.name, _verdict(each, typed, found.get(each.name))) for each in registered])

    def _table(self, rows: list[tuple[str, ...]]) -> None:
        if rows:
            widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
            for row in rows:
                self.stdout.write(
                    "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                )


def _types(handler: Handler) -> str:
    documented = [name for name in TYPES if normalised(name) in handler.types]
    others = sorted(handler.types - {normalised(name) for name in documented})
    return ", ".join([*documented, *others]) or _("every type")


def _filters(handler: Handler) -> str:
    said = [] if handler.atomic else ["atomic=False"]
    for name, wanted in (("instance", handler.instances), ("account", handler.accounts)):
        if wanted:
            said.append(f"{name}={', '.join(sorted(wanted))}")
    for name, choice in (("from_me", handler.from_me), ("group", handler.group)):
        if choice is not None:
            said.append(f"{name}={choice}")
    if handler.revisions:
        said.append("revisions=True")
    return "  ".join(said)


def _verdict(handler: Handler, event: inbound.InboundEvent, run: HandlerRun | None) -> str:
    if reason := handler.why_not(event):
        return _("is not called: %(filter)s") % {"filter": reason}
    is_open = event.record.state == EventState.PENDING
    if run is None or run.state in (HandlerRunState.STARTED, HandlerRunState.WAITING):
        return _("would run") if is_open else _("runs only if the event is replayed")
    if run.state == HandlerRunState.DONE:
        return _("is done (attempts: %(count)d)") % {"count": run.attempts}
    if run.state == HandlerRunState.INTERRUPTED:
        return _("was interrupted: it is not run again by itself")
    if run.state == HandlerRunState.SKIPPED:
        return _("was left out by a replay")
    if is_open and runs.may_run(run):
        return _("failed (attempts: %(count)d): it will be tried again") % {"count": run.attempts}
    return _("failed (attempts: %(count)d): it is not run again by itself") % {"count": run.attempts}
