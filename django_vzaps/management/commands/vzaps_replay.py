from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from django_vzaps.events.replay import ReplayReport, UnknownHandler, replay
from django_vzaps.management.progress import ProgressLine
from django_vzaps.models import Event, EventState


class Command(BaseCommand):
    """Have stored events handled again: those named, or those that a filter finds."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(
            "Has stored events handled again: by the handlers that failed and those that never ran, unless you ask for "
            "more."
        )
        parser.add_argument("--event", metavar="ID", type=int, action="append", help=_("This event; may be repeated."))
        parser.add_argument("--instance", metavar="VZ...", help=_("Events of the instance with this id on VZaps."))
        parser.add_argument("--type", metavar="TYPE", help=_("Events of this type."))
        parser.add_argument(
            "--state",
            choices=[EventState.FAILED, EventState.DONE, EventState.IGNORED],
            help=_("Events in this state; failed ones where no event is named."),
        )
        parser.add_argument("--since", metavar="TIME", type=_time, help=_("Received at this time or later."))
        parser.add_argument("--until", metavar="TIME", type=_time, help=_("Received before this time."))
        parser.add_argument(
            "--handler", metavar="NAME", action="append", default=[], help=_("Only this handler; may be repeated.")
        )
        parser.add_argument("--interrupted", action="store_true", help=_("Also handlers whose process died midway."))
        parser.add_argument("--again", action="store_true", help=_("Also handlers that are done: they do it again."))
        parser.add_argument("--dry-run", action="store_true", help=_("Only say what would be run."))
        parser.add_argument("--no-input", "--noinput", action="store_false", dest="interactive", help=_("Do not ask."))

    def handle(self, *, dry_run: bool, interactive: bool, **options: Any) -> None:
        events = _chosen(options)
        how = {"names": options["handler"], "interrupted": options["interrupted"], "again": options["again"]}
        line = ProgressLine(self.stdout)

        def show(done: int) -> None:
            line.show(_("Events so far: %(count)s") % {"count": done})

        try:
            if dry_run or interactive:
                planned = replay(events, dry_run=True, progress=show, **how)
                line.clear()
                self._say(_("Events that would be replayed: %(count)d."), planned)
            if dry_run or (interactive and not (planned.events and self._is_sure())):
                return
            done = replay(events, progress=show, **how)
        except UnknownHandler as error:
            raise CommandError(str(error)) from error
        line.clear()
        self._say(_("Events replayed: %(count)d."), done)

    def _say(self, text: str, report: ReplayReport) -> None:
        self.stdout.write(text % {"count": report.events})
        for name, count in sorted(report.runs.items()):
            self.stdout.write(f"  {name}: {count}")
        for reason, count in report.skipped.items():
            self.stdout.write(_("  left out, %(reason)s: %(count)d") % {"reason": reason.label, "count": count})

    def _is_sure(self) -> bool:
        try:
            answer = input(_("Type “yes” to go on: "))
        except EOFError:
            answer = ""
        if answer.strip().lower() in ("yes", _("yes")):
            return True
        raise CommandError(_("Nothing was replayed. Without a terminal, use --no-input."))


def _time(text: str) -> datetime:
    try:
        at = parse_datetime(text)
        if at is None and (day := parse_date(text)):
            at = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the site's time zone, below
    except ValueError:
        at = None
    if at is None:
        raise ArgumentTypeError(_("“%(text)s” is no time: write 2026-09-20 or 2026-09-20T11:00.") % {"text": text})
    return timezone.make_aware(at) if timezone.is_naive(at) else at


def _chosen(options: dict[str, Any]) -> QuerySet[Event]:
    events = Event.objects.all()
    filters = {
        "pk__in": options["event"],
        "instance__vzaps_id": options["instance"],
        "type": options["type"],
        "received_at__gte": options["since"],
        "received_at__lt": options["until"],
        "state": options["state"],
    }
    given = {name: value for name, value in filters.items() if value is not None}
    if not given:
        raise CommandError(_("Say which events: --event, --instance, --type, --state, --since or --until."))
    if options["event"] is None:
        given.setdefault("state", EventState.FAILED)
    return events.filter(**given)
