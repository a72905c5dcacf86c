"""What concerns an account as a whole."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils.translation import gettext as _

from django_vzaps.client import VZapsError
from django_vzaps.models import Account
from django_vzaps.services.clients import client_for
from django_vzaps.services.errors import AccountInUse, ReadFailed, in_words


def check_credentials(account: Account) -> int | None:
    """Try the account's credentials by reading; returns how many instances VZaps says it has, None if it does not say.

    Raises :class:`NotConfigured` where there are none, and :class:`ReadFailed` with what is wrong in words.
    """
    api = client_for(account)
    try:
        return api.instances.list(page=1, size=1).total
    except VZapsError as error:
        raise ReadFailed(in_words(error), error=error) from error


def delete(account: Account) -> None:
    """Forget the account here; VZaps is told nothing. Raises :class:`AccountInUse`."""
    try:
        with transaction.atomic():
            # A creation refers to it, and so waits for this lock, or is seen.
            Account.objects.select_for_update().get(pk=account.pk)
            if account.operations.open_creations().exists():
                raise AccountInUse(
                    _("It is not known yet whether an instance was created with this account, so it stays.")
                )
            account.delete()
    except (ProtectedError, IntegrityError):  # an instance may have come at the same moment
        raise AccountInUse(_("The account has instances here, so it stays.")) from None
