"""Values that must not be printed, and answers with such values taken out.

Imports nothing of Django, so that :mod:`django_vzaps.client` can be used without it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Self

MASK: Final = "********"

# Names as they are compared: lower case, without underscores and dashes.
SECRET_KEYS: Final = frozenset(
    {
        "token",
        "instancetoken",
        "clienttoken",
        "clientsecret",
        "accesstoken",
        "xclienttoken",
        "xinstancetoken",
        "authorization",
        "clientsecretkey",
        "secret",
        "secretkey",
        "webhooksecret",
        "refreshtoken",
        "apikey",
        "xapikey",
        "password",
        "qrcode",
        "qrcodes",
        "qrcodebase64",
        "qrbase64",
        "qr",
        "linkingcode",
        "paircode",
        "pairingcode",
    }
)


class Secret:
    """A string that hides itself: ``str``, ``repr`` and ``format`` show a mask.

    ``reveal()`` returns the text. Two secrets are compared in constant time. A secret refuses to be pickled, so it
    cannot end up in a message queue or a cache by accident; a copy is the secret itself, which never changes.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself. Call it where the text is used, and keep the result nowhere."""
        return self._value

    @property
    def hint(self) -> str:
        """The last four characters, for a person to recognise a long secret by; a mask for a short one."""
        text = self.reveal()
        return f"…{text[-4:]}" if len(text) >= 12 else MASK

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"{type(self).__name__}({MASK})"

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self.reveal())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        # A text that cannot be encoded would be shown by the error that says so.
        mine, theirs = (secret.reveal().encode(errors="surrogatepass") for secret in (self, other))
        return hmac.compare_digest(mine, theirs)

    # Hashing would let a secret be a dictionary key, compared by hash and not in constant time.
    __hash__ = None  # type: ignore[assignment]

    # Models are copied deeply, by Django's setUpTestData for one.
    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("A Secret cannot be pickled: pass the primary key of what holds it instead.")


def redacted(value: Any) -> Any:
    """A copy of decoded JSON in which every value under a secret's name is masked, at any depth.

    Names are compared without case, underscores and dashes (VZaps spells them in several ways: API.md section 17).
    Empty values stay as they are: they say that nothing was there.
    """
    if isinstance(value, Mapping):
        return {key: MASK if is_secret_name(key) and is_there(item) else redacted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    return value


def is_there(value: Any) -> bool:
    """Whether a value is one to be masked."""
    return value not in (None, "", [], {})


def is_secret_name(key: object) -> bool:
    """Whether what stands under this name is a secret, however the name is spelled."""
    name = str(key)
    # A stranger may send names of any length: those are not remembered.
    return (_named_secret if len(name) < _USUAL_LENGTH else _named_secret.__wrapped__)(name)


@lru_cache(maxsize=4096)
def _named_secret(name: str) -> bool:
    return name.lower().replace("_", "").replace("-", "") in SECRET_KEYS


_USUAL_LENGTH: Final = 64
