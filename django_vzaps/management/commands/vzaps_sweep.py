from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_vzaps.events.sweep import sweep


class Command(BaseCommand):
    help = (
        "Wakes instances whose events nobody handled, marks overdue operations as unknown and deletes old events. "
        "Run it every minute where Celery beat does not."
    )

    def handle(self, **options: Any) -> None:
        report = sweep()
        self.stdout.write(
            f"{report.woken} instances woken, {report.overdue} operations marked unknown, "
            f"{report.pruned} old events deleted."
        )
        if report.unreachable:
            raise CommandError(f"The broker could not be told of the events of {report.unreachable} instances.")
