from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_vzaps.events.sweep import sweep


class Command(BaseCommand):
    """What Celery beat has done every minute. Exit code 1 where the broker could not be told of waiting events."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(
            "Wakes instances whose events nobody handled and batches that nobody carries out, asks VZaps about "
            "connections that are in doubt and marks overdue operations as unknown. Run it every minute "
            "where Celery beat does not."
        )

    def handle(self, **_options: Any) -> None:
        report = sweep()
        self.stdout.write(
            _("%(woken)s queues woken, %(doubted)s connections in doubt, %(overdue)s operations marked unknown.")
            % {"woken": report.woken, "doubted": report.doubted, "overdue": report.overdue}
        )
        if report.batches:
            self.stdout.write(
                ngettext("%(count)s batch woken.", "%(count)s batches woken.", report.batches)
                % {"count": report.batches}
            )
        if report.unreachable:
            raise CommandError(
                ngettext(
                    "The broker could not be told of the events in %(count)s queue.",
                    "The broker could not be told of the events in %(count)s queues.",
                    report.unreachable,
                )
                % {"count": report.unreachable}
            )
