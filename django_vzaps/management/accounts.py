"""Which accounts a command is about."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from django_vzaps.models import Account


def add_account_option(parser: ArgumentParser) -> None:
    """Add ``--account NAME``."""
    parser.add_argument("--account", metavar="NAME", help=_("Only this account, even if it is not active."))


def chosen_accounts(name: str | None) -> Sequence[Account]:
    """The account called ``name``, or all active ones. Raises :class:`CommandError` where there is none."""
    Account.objects.from_settings()
    accounts = Account.objects.order_by("name")
    found = list(accounts.filter(is_active=True) if name is None else accounts.filter(name=name))
    if found:
        return found
    known = ", ".join(accounts.values_list("name", flat=True))
    if name is not None and known:
        raise CommandError(_("There is no account “%(name)s”. There are: %(known)s.") % {"name": name, "known": known})
    if known:
        raise CommandError(_("No account is active. There are: %(known)s.") % {"known": known})
    raise CommandError(
        _(
            "There is no account. Put its credentials in VZAPS['CLIENT_TOKEN'] and VZAPS['CLIENT_SECRET'], or add one "
            "in the admin."
        )
    )
