from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_vzaps.management.accounts import add_account_option, chosen_accounts
from django_vzaps.models import Instance
from django_vzaps.services import ReadOnly, VZapsError, webhooks


class Command(BaseCommand):
    """Give webhooks a new secret, one after the other; safe to stop.

    Exit code 1 where one was not rotated, or VZaps was not seen to have its new URL.
    """

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(
            "Gives webhooks that this site manages a new secret: VZaps is told the new URL, which is read back; the "
            "old one is accepted for ten more minutes."
        )
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument(
            "--instance",
            metavar="VZ...",
            dest="ids",
            action="append",
            help=_("The instance with this id on VZaps; may be repeated."),
        )
        which.add_argument("--all", action="store_true", help=_("Every instance whose webhook this site manages."))
        add_account_option(parser)
        parser.add_argument(
            "--no-input", "--noinput", action="store_false", dest="interactive", help=_("Do not ask before --all.")
        )

    def handle(self, *, ids: list[str] | None, account: str | None, interactive: bool, **_options: Any) -> None:
        instances = Instance.objects.filter(account__in=chosen_accounts(account)).order_by("pk")
        chosen = self._all(instances, interactive=interactive) if ids is None else _named(instances, ids)
        failed = sum(not self._rotate(pk, f"[{number}/{len(chosen)}]") for number, pk in enumerate(chosen, start=1))
        if failed:
            raise CommandError(
                ngettext(
                    "%(failed)d of %(all)d secrets is not rotated, or was not seen to be.",
                    "%(failed)d of %(all)d secrets are not rotated, or were not seen to be.",
                    failed,
                )
                % {"failed": failed, "all": len(chosen)}
            )

    def _all(self, instances: QuerySet[Instance], *, interactive: bool) -> list[int]:
        there = instances.filter(removed_at__isnull=True)
        managed = list(there.filter(webhook__desired_events__isnull=False).values_list("pk", flat=True))
        left_alone = there.count() - len(managed)
        if left_alone:
            self.stdout.write(
                _("Instances without a webhook that this site manages, left alone: %(count)d.") % {"count": left_alone}
            )
        if not managed:
            self.stdout.write(_("There is no webhook whose secret could be rotated."))
        elif interactive:
            self._ask(len(managed))
        return managed

    def _ask(self, count: int) -> None:
        question = ngettext(
            "VZaps is given a new URL for the webhook of %(count)d instance. Type “yes” to go on: ",
            "VZaps is given new URLs for the webhooks of %(count)d instances. Type “yes” to go on: ",
            count,
        )
        try:
            answer = input(question % {"count": count})
        except EOFError:
            answer = ""
        if answer.strip().lower() not in ("yes", _("yes")):
            raise CommandError(_("Nothing was sent. Without a terminal, use --no-input."))

    def _rotate(self, pk: int, position: str) -> bool:
        instance = Instance.objects.select_related("account").get(pk=pk)
        name = f"{position} {instance.vzaps_id} {instance}"
        try:
            doubt = webhooks.doubt(webhooks.rotate(instance, actor=None))
        except ReadOnly as error:  # the same for every one
            raise CommandError(str(error)) from error
        except VZapsError as error:
            self.stderr.write(f"{name}: {error}")
            return False
        if doubt:
            self.stderr.write(f"{name}: {doubt}")
            return False
        self.stdout.write(f"{name}: " + _("VZaps has the new URL."))
        return True


def _named(instances: QuerySet[Instance], ids: list[str]) -> list[int]:
    found = dict(instances.filter(vzaps_id__in=ids).values_list("vzaps_id", "pk"))
    missing = [vzaps_id for vzaps_id in ids if vzaps_id not in found]
    if missing:
        raise CommandError(
            _(
                "No such instance in the accounts looked at: %(ids)s. Nothing was sent. Run manage.py vzaps_sync if "
                "it should be there."
            )
            % {"ids": ", ".join(missing)}
        )
    return [found[vzaps_id] for vzaps_id in dict.fromkeys(ids)]
