"""One API client per account and process."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import Any, Final

from django.core.cache import cache
from django.utils.translation import gettext as _

from django_vzaps import conf, crypto
from django_vzaps.client import VZapsClient
from django_vzaps.models import Account, Instance
from django_vzaps.secret import Secret
from django_vzaps.services.errors import NotConfigured

_KEPT: Final = 128
#: Seconds to connect and to read, at most, of who is not patient.
_SHORT_TIMEOUT: Final = (5.0, 10.0)
_clients: OrderedDict[tuple[object, ...], VZapsClient] = OrderedDict()
_lock = threading.Lock()


class SharedTokenCache:
    """Access tokens in Django's cache, encrypted, so that all processes share one."""

    prefix: Final = "django_vzaps:access_token:"

    def get(self, key: str) -> str | None:
        """The token, or None. Raises what the cache or the decryption raise; the client goes on without."""
        stored = cache.get(self.prefix + key)
        return crypto.decrypt(stored) if isinstance(stored, str) else None

    def set(self, key: str, value: str, seconds: float) -> None:
        """Keep the token for ``seconds``."""
        cache.set(self.prefix + key, crypto.encrypt(value), timeout=max(1, int(seconds)))

    def delete(self, key: str) -> None:
        """Forget the token."""
        cache.delete(self.prefix + key)


def client_for(owner: Instance | Account, *, patient: bool = True) -> VZapsClient:
    """The client of an account, or of an instance's account.

    One that is not ``patient`` asks once and waits ten seconds at most, for those who come again by themselves.
    Kept per process and credentials, so that connections and access tokens are reused. Raises
    :class:`~django_vzaps.services.errors.NotConfigured` where the account has no credentials, and
    :class:`~django_vzaps.crypto.DecryptionError` where they cannot be decrypted.
    """
    account = owner.account if isinstance(owner, Instance) else owner
    token, secret = account.credentials
    if not (token and secret):
        raise NotConfigured(
            _(
                "The account “%(account)s” has no credentials. Enter its client token and client secret, or put "
                "them in VZAPS['CLIENT_TOKEN'] and VZAPS['CLIENT_SECRET']."
            )
            % {"account": account.name}
        )
    settings = conf.current()
    credentials = crypto.hash_secret(f"{token.reveal()}\n{secret.reveal()}")
    # The process id: a socket that was open before a fork must not be shared by parent and child.
    key = (os.getpid(), settings.base_url, settings.timeout, credentials, patient)
    how: dict[str, Any] = {"timeout": settings.timeout}
    if not patient:
        connect, read = (min(pair) for pair in zip(settings.timeout, _SHORT_TIMEOUT, strict=True))
        how = {"timeout": (connect, read), "retries": 0}
    with _lock:
        client = _clients.get(key)
        if client is None:
            client = _clients[key] = VZapsClient(
                client_token=token,
                client_secret=secret,
                base_url=settings.base_url,
                token_cache=SharedTokenCache(),
                **how,
            )
            while len(_clients) > _KEPT:
                _clients.popitem(last=False)
        else:
            _clients.move_to_end(key)
        return client


def forget_clients() -> None:
    """Drop every kept client with its connections and access tokens; for tests."""
    with _lock:
        _clients.clear()


def token_of(instance: Instance) -> Secret | None:
    """The instance's token, or None where it is missing or cannot be decrypted: the account's credential suffices."""
    if instance.token is None:
        return None
    try:
        return Secret(instance.token.reveal())
    except (crypto.DecryptionError, crypto.EncryptionKeyError):
        return None
