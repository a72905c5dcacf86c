from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from django_vzaps import conf
from django_vzaps.management.accounts import add_account_option, chosen_accounts
from django_vzaps.management.progress import ProgressLine
from django_vzaps.models import Account, Instance
from django_vzaps.services import probes, silence


class Command(BaseCommand):
    """What Celery beat has done every minute. Exit code 1 where VZaps could not be asked."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(
            "Asks VZaps about instances whose connection nobody confirmed for long, as many as "
            "VZAPS['PROBES_PER_MINUTE'] allows. Run it every minute where Celery beat does not."
        )
        add_account_option(parser)
        parser.add_argument(
            "--instance", metavar="VZ...", help=_("Only the instance with this id on VZaps, whatever is known of it.")
        )
        parser.add_argument(
            "--even-if-paused",
            action="store_true",
            help=_("With --instance: ask also while VZaps is left alone because it fails."),
        )

    def handle(self, *, account: str | None, instance: str | None, even_if_paused: bool, **_options: Any) -> None:
        accounts = chosen_accounts(account)
        if instance is not None:
            found = Instance.objects.present().select_related("account")
            one = found.filter(account__in=accounts, vzaps_id=instance).first()
            if one is None:
                raise CommandError(_("There is no instance “%(id)s”. Sync to see what exists.") % {"id": instance})
            reports = [probes.probe_instance(one, even_if_paused=even_if_paused)]
        else:
            silence.learn()
            silence.detect()
            if not conf.current().probes_per_minute:
                self.stdout.write(_("VZAPS['PROBES_PER_MINUTE'] is 0: nothing is asked."))
                return
            reports = [self._probe(found) for found in accounts]
        bad = [report for report in map(self._say, reports) if report.failed or report.paused_until]
        if bad:
            names = ", ".join(report.account for report in bad)
            raise CommandError(
                _("VZaps could not be asked about every instance of: %(accounts)s.") % {"accounts": names}
            )

    def _probe(self, account: Account) -> probes.ProbeReport:
        line = ProgressLine(self.stderr)

        def show(asked: int, due: int) -> None:
            line.show(_("%(account)s: %(asked)s of %(all)s") % {"account": account.name, "asked": asked, "all": due})

        report = probes.probe_account(account, progress=show)
        line.clear()
        return report

    def _say(self, report: probes.ProbeReport) -> probes.ProbeReport:
        self.stdout.write(
            _(
                "%(account)s: %(asked)d asked, %(connected)d connected, %(disconnected)d not connected, %(failed)d "
                "failed; %(left)d left for later."
            )
            % {
                "account": report.account,
                "asked": report.asked,
                "connected": report.connected,
                "disconnected": report.disconnected,
                "failed": report.failed,
                "left": report.left,
            }
        )
        if report.error:
            self.stderr.write(f"  {report.error}")
        if report.paused_until is not None:
            until = localtime(report.paused_until).strftime("%Y-%m-%d %H:%M:%S")
            said = _("VZaps fails for this account and is left alone until %(time)s.") % {"time": until}
            self.stderr.write(f"  {said}")
        return report
