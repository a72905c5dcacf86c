"""Encryption at rest: Fernet keys from ``VZAPS["ENCRYPTION_KEYS"]``, and a secret that opens when it is used."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from functools import lru_cache
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from django_vzaps import conf
from django_vzaps.exceptions import VZapsError
from django_vzaps.secret import Secret

WEBHOOK_SECRET_BYTES: Final = 32


class EncryptionKeyError(VZapsError):
    """``VZAPS["ENCRYPTION_KEYS"]`` is missing, or one of its keys is not a Fernet key."""


class DecryptionError(VZapsError):
    """A stored secret was encrypted with a key that is not in ``VZAPS["ENCRYPTION_KEYS"]``."""


@sensitive_variables()
def encrypt(text: str) -> str:
    """Encrypt with the first key. Raises :class:`EncryptionKeyError`."""
    return _fernet(conf.current().encryption_keys).encrypt(text.encode(errors="surrogatepass")).decode()


@sensitive_variables()
def decrypt(ciphertext: str) -> str:
    """Decrypt with whichever key fits. Raises :class:`DecryptionError` or :class:`EncryptionKeyError`."""
    try:
        text = _fernet(conf.current().encryption_keys).decrypt(ciphertext.encode())
    except InvalidToken:
        raise DecryptionError(
            _(
                "A stored secret cannot be decrypted with the present ENCRYPTION_KEYS. Put the key it was encrypted "
                "with back at the end of the list, or enter the secret again."
            )
        ) from None
    return text.decode(errors="surrogatepass")


@sensitive_variables()
def rotate(ciphertext: str) -> str:
    """The same text encrypted with the first key. Raises as :func:`decrypt` does."""
    try:
        return _fernet(conf.current().encryption_keys).rotate(ciphertext.encode()).decode()
    except InvalidToken:
        raise DecryptionError(_("A stored secret cannot be decrypted with the present ENCRYPTION_KEYS.")) from None


class EncryptedSecret(Secret):
    """A secret as the database has it: decrypted each time it is revealed, never before.

    So that one row with a lost key does not break a list of a hundred.
    """

    __slots__ = ("ciphertext",)

    def __init__(self, ciphertext: str) -> None:
        self.ciphertext = ciphertext

    def reveal(self) -> str:
        """The text. Raises :class:`DecryptionError` when no present key fits."""
        return decrypt(self.ciphertext)

    def __bool__(self) -> bool:
        return True


def new_webhook_secret() -> Secret:
    """A random secret for a webhook URL: 256 bits, safe in a path."""
    return Secret(secrets.token_urlsafe(WEBHOOK_SECRET_BYTES))


def hash_secret(secret: Secret | str) -> str:
    """SHA-256 in hex. Enough for a random 256-bit secret: there is nothing to guess that a slow hash would protect."""
    text = secret.reveal() if isinstance(secret, Secret) else secret
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def matches(secret: str, *hashes: str) -> bool:
    """Whether ``secret`` has one of ``hashes``. Every hash is compared, each in constant time."""
    found = False
    candidate = hash_secret(secret)
    for known in hashes:
        found |= hmac.compare_digest(candidate, known)
    return found


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    if not keys:
        raise EncryptionKeyError(_("VZAPS['ENCRYPTION_KEYS'] is empty: nothing can be stored encrypted."))
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise EncryptionKeyError(
            _("VZAPS['ENCRYPTION_KEYS'] holds a key that is not 32 url-safe base64-encoded bytes.")
        ) from None
