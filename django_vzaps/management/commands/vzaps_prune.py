from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from django_vzaps.events.retention import prune
from django_vzaps.management.progress import ProgressLine


class Command(BaseCommand):
    """What Celery beat has done every hour."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(
            "Erases the payloads of old events and deletes older events, changes of instances and resolved alerts, as "
            "VZAPS['EVENT_PAYLOAD_DAYS'], VZAPS['EVENT_RETENTION_DAYS'] and VZAPS['CHANGE_RETENTION_DAYS'] say. Run it "
            "every hour where Celery beat does not."
        )
        parser.add_argument("--dry-run", action="store_true", help=_("Only say what would be erased and deleted."))

    def handle(self, *, dry_run: bool, **_options: Any) -> None:
        line = ProgressLine(self.stdout)
        report = prune(dry_run=dry_run, progress=lambda done: line.show(_("%(count)s rows so far") % {"count": done}))
        line.clear()
        said = (
            _(
                "Would erase %(payloads)s payloads, delete %(events)s events, %(reports)s reports, %(changes)s changes "
                "and %(alerts)s alerts."
            )
            if dry_run
            else _(
                "%(payloads)s payloads erased; deleted: %(events)s events, %(reports)s reports, %(changes)s changes, "
                "%(alerts)s alerts."
            )
        )
        self.stdout.write(said % asdict(report))
