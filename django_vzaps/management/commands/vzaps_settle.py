from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_vzaps.management.progress import ProgressLine
from django_vzaps.models import Operation, OperationOutcome
from django_vzaps.services import operations


class Command(BaseCommand):
    """Find out by reading how operations ended. Exit code 1 where a person has to decide about one."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(
            "Find out by reading how operations ended whose answer never came. None of them is repeated."
        )

    def handle(self, **_options: Any) -> None:
        overdue = operations.mark_overdue()
        if overdue:
            self.stdout.write(
                ngettext(
                    "%(count)s operation ran past its deadline: its outcome is unknown.",
                    "%(count)s operations ran past their deadline: their outcome is unknown.",
                    overdue,
                )
                % {"count": overdue}
            )
        line = ProgressLine(self.stderr)
        total, read = Operation.objects.unsettled().count(), 0

        def show(_operation: Operation) -> None:
            nonlocal read
            read += 1
            line.show(_("%(read)s of %(total)s operations") % {"read": read, "total": total})

        report = operations.settle_all(progress=show)
        line.clear()
        self.stdout.write(
            _("%(settled)s settled by reading, %(open)s still open.") % {"settled": report.settled, "open": report.open}
        )
        still_open = Operation.objects.unsettled().select_related("instance", "account", "actor").order_by("pk")
        undecided = [operation for operation in still_open.iterator() if self._tell(operation)]
        if undecided:
            raise CommandError(
                ngettext(
                    "A person has to decide about %(count)s operation.",
                    "A person has to decide about %(count)s operations.",
                    len(undecided),
                )
                % {"count": len(undecided)}
            )

    def _tell(self, operation: Operation) -> bool:
        """Say how an open operation stands; True where a person has to decide about it."""
        is_unknown = operation.outcome == OperationOutcome.UNKNOWN
        self.stdout.write(
            _("  %(operation)s, %(about)s, by %(actor)s, %(when)s: %(outcome)s")
            % {
                "operation": operation,
                "about": operation.instance or operation.parameters.get("name") or operation.account or "-",
                "actor": operation.actor or _("the system"),
                "when": localtime(operation.started_at).strftime("%Y-%m-%d %H:%M"),
                "outcome": operation.outcome_label,
            }
        )
        checkout = (operation.answer or {}).get("url")
        if is_unknown:
            if operation.error:
                self.stdout.write(f"    {operation.error}")
            advice = _("Look in the VZaps web app whether it was carried out, and say so on its page in the admin.")
        elif checkout:
            advice = _("Its checkout waits to be paid: %(url)s") % {"url": checkout}
        else:
            advice = _("It was carried out, but VZaps does not show it yet. There is nothing to decide.")
        self.stdout.write(f"    {advice}")
        return is_unknown
