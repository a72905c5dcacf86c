from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_vzaps.management.progress import ProgressLine
from django_vzaps.models import Batch
from django_vzaps.services import batches


class Command(BaseCommand):
    """What Celery does with bulk actions. Exit code 1 where something failed or has an unknown outcome."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(
            "Lists the batches (bulk actions and account syncs) that are not finished and carries out what is waiting, "
            "one after the other. For sites without Celery: run it every minute."
        )
        parser.add_argument("--list", action="store_true", dest="only_list", help=_("Only list them."))

    def handle(self, *, only_list: bool, **_options: Any) -> None:
        unfinished = list(Batch.objects.unfinished().select_related("actor").order_by("pk"))
        known = batches.progress_of_each(unfinished)
        for batch in unfinished:
            self._tell(batch, known[batch.pk])
        if not unfinished:
            self.stdout.write(_("No batch is waiting."))
        if only_list:
            return
        troubled = [batch for batch in unfinished if self._is_troubled(batch, known[batch.pk])]
        if troubled:
            raise CommandError(
                ngettext(
                    "In %(count)s batch something failed or has an unknown outcome. Its page in the admin says what.",
                    "In %(count)s batches something failed or has an unknown outcome. Their pages in the admin say "
                    "what.",
                    len(troubled),
                )
                % {"count": len(troubled)}
            )

    def _is_troubled(self, batch: Batch, before: batches.Progress) -> bool:
        """Carry it out; whether something in it went wrong."""
        line = ProgressLine(self.stderr)
        left = before.waiting + before.running
        done = 0

        def show() -> None:
            nonlocal done
            done += 1
            line.show(_("%(batch)s: %(done)s of %(total)s") % {"batch": batch, "done": done, "total": left})

        is_finished = batches.run(batch.pk, seconds=None, progress=show)
        line.clear()
        batch.refresh_from_db()
        after = batches.progress_of(batch)
        self._tell(batch, after)
        if not is_finished:
            self.stdout.write(_("    Another process carries it out."))
        return bool(after.failed or after.unknown)

    def _tell(self, batch: Batch, progress: batches.Progress) -> None:
        self.stdout.write(
            _("  %(batch)s, by %(actor)s, %(when)s: %(progress)s")
            % {
                "batch": batch,
                "actor": batch.actor or _("the system"),
                "when": localtime(batch.created_at).strftime("%Y-%m-%d %H:%M"),
                "progress": progress.in_words,
            }
        )
