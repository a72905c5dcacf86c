from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from django_vzaps.events.healing import heal_all, managed
from django_vzaps.management.accounts import add_account_option, chosen_accounts
from django_vzaps.models import HealingRun, Instance


class Command(BaseCommand):
    """What Celery beat has done every 15 minutes. Exit code 1 where a delivery log could not be read."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(
            "Asks VZaps' delivery log for events that it failed to deliver, and takes them in. Run it every 15 minutes "
            "where Celery beat does not."
        )
        parser.add_argument("--instance", metavar="VZ...", help=_("Only the instance with this id on VZaps."))
        add_account_option(parser)

    def handle(self, *, instance: str | None, account: str | None, **_options: Any) -> None:
        accounts = list(chosen_accounts(account))
        if instance is not None and not managed().filter(account__in=accounts, vzaps_id=instance).exists():
            raise CommandError(_("There is no instance “%(id)s” whose webhook this site manages.") % {"id": instance})
        summary = heal_all(accounts, vzaps_id=instance, progress=self._say)
        self.stdout.write(
            _(
                "%(instances)d delivery logs read: %(missing)d deliveries missing, %(recovered)d recovered, "
                "%(present)d had arrived after all, %(unrecoverable)d unrecoverable."
            )
            % {
                "instances": summary.instances - summary.failed,
                "missing": summary.missing,
                "recovered": summary.recovered,
                "present": summary.present,
                "unrecoverable": summary.unrecoverable,
            }
        )
        if summary.paused:
            said = _("Accounts that were left alone for a while, because VZaps fails for them: %(count)d.")
            self.stderr.write(said % {"count": summary.paused})
        if summary.failed:
            raise CommandError(_("Delivery logs that could not be read: %(count)d.") % {"count": summary.failed})
        if summary.paused:
            raise CommandError(_("Not every delivery log was read."))

    def _say(self, instance: Instance, run: HealingRun | None) -> None:
        if run is None:
            return
        self.stdout.write(
            _("%(instance)s: %(missing)d missing, %(recovered)d recovered, %(unrecoverable)d unrecoverable")
            % {
                "instance": instance,
                "missing": run.missing,
                "recovered": run.recovered,
                "unrecoverable": run.unrecoverable,
            }
        )
        for problem in run.problems.splitlines():
            self.stdout.write(f"  {problem}")
