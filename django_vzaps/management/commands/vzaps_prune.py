from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from django_vzaps.events.retention import prune
from django_vzaps.management.progress import ProgressLine


class Command(BaseCommand):
    """What Celery beat has done every hour."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(
            "Erases the payloads of old events and deletes older events, as VZAPS['EVENT_PAYLOAD_DAYS'] and "
            "VZAPS['EVENT_RETENTION_DAYS'] say. Run it every hour where Celery beat does not."
        )
        parser.add_argument("--dry-run", action="store_true", help=_("Only say what would be erased and deleted."))

    def handle(self, *, dry_run: bool, **_options: Any) -> None:
        line = ProgressLine(self.stdout)
        report = prune(dry_run=dry_run, progress=lambda done: line.show(_("%(count)s rows so far") % {"count": done}))
        line.clear()
        said = (
            _("Would erase %(payloads)s payloads, delete %(events)s events and %(reports)s reports.")
            if dry_run
            else _("%(payloads)s payloads erased, %(events)s events and %(reports)s reports deleted.")
        )
        self.stdout.write(said % {"payloads": report.payloads, "events": report.events, "reports": report.reports})
