"""What concerns an account as a whole."""

from __future__ import annotations

from django_vzaps.client import VZapsError
from django_vzaps.models import Account
from django_vzaps.services.clients import client_for
from django_vzaps.services.errors import ReadFailed, in_words


def check_credentials(account: Account) -> int | None:
    """Try the account's credentials by reading; returns how many instances VZaps says it has, None if it does not say.

    Raises :class:`NotConfigured` where there are none, and :class:`ReadFailed` with what is wrong in words.
    """
    api = client_for(account)
    try:
        return api.instances.list(page=1, size=1).total
    except VZapsError as error:
        raise ReadFailed(in_words(error), error=error) from error
