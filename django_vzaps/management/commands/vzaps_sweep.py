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
            "Wakes instances whose events nobody handled, marks overdue operations as unknown and deletes old events. "
            "Run it every minute where Celery beat does not."
        )

    def handle(self, **_options: Any) -> None:
        report = sweep()
        self.stdout.write(
            _("%(woken)s instances woken, %(overdue)s operations marked unknown, %(pruned)s old events deleted.")
            % {"woken": report.woken, "overdue": report.overdue, "pruned": report.pruned}
        )
        if report.unreachable:
            raise CommandError(
                ngettext(
                    "The broker could not be told of the events of %(count)s instance.",
                    "The broker could not be told of the events of %(count)s instances.",
                    report.unreachable,
                )
                % {"count": report.unreachable}
            )
