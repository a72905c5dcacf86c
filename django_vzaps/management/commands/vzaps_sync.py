from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from django_vzaps.management.accounts import add_account_option, chosen_accounts
from django_vzaps.management.progress import ProgressLine
from django_vzaps.models import Account
from django_vzaps.services import VZapsError, sync


class Command(BaseCommand):
    """Bring the mirror in line with VZaps' list of instances. Exit code 1 where an account could not be walked."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _("Read all instances of the VZaps accounts and store what changed.")
        add_account_option(parser)
        parser.add_argument("--dry-run", action="store_true", help=_("Say what would change and write nothing."))
        parser.add_argument(
            "--force",
            action="store_true",
            help=_("Believe VZaps also where it lists far fewer instances than before."),
        )

    def handle(self, *, account: str | None, dry_run: bool, force: bool, **_options: Any) -> None:
        accounts = chosen_accounts(account)
        good = [self._sync(found, dry_run=dry_run, force=force) for found in accounts]
        if not all(good):
            raise CommandError(
                _("%(failed)s of %(all)s accounts could not be synced completely.")
                % {"failed": good.count(False), "all": len(good)}
            )

    def _sync(self, account: Account, *, dry_run: bool, force: bool) -> bool:
        line = ProgressLine(self.stderr)

        def show(progress: sync.SyncProgress) -> None:
            total = "?" if progress.total is None else progress.total
            line.show(
                _("%(account)s: %(seen)s of %(total)s")
                % {"account": account.name, "seen": progress.seen, "total": total}
            )

        try:
            report = sync.sync_account(account, dry_run=dry_run, force=force, progress=show)
        except VZapsError as error:
            line.clear()
            self.stderr.write(_("%(account)s: not synced. %(why)s") % {"account": account.name, "why": error})
            return False
        line.clear()
        summary = _(
            "%(account)s: %(seen)s seen, %(created)s new, %(updated)s changed, %(unchanged)s as before; "
            "%(missing)s missing, %(removed)s marked as removed."
        ) % {
            "account": account.name,
            "seen": report.seen,
            "created": report.created,
            "updated": report.updated,
            "unchanged": report.unchanged,
            "missing": report.missing,
            "removed": report.removed,
        }
        if dry_run:
            summary += " " + _("Nothing was written.")
        self.stdout.write(summary)
        for note in report.notes:
            self.stdout.write(f"  {note}")
        return report.complete
