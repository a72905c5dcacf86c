"""Access tokens: kept per process, asked for once at a time, shared through a cache (API.md section 2.1)."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self
from weakref import WeakValueDictionary

from ..secret import Secret
from .errors import VZapsAnswerError, VZapsCallError
from .fields import Fields

logger = logging.getLogger("django_vzaps.client")

EARLY: Final = 60.0
"""Seconds before its end at which a token is replaced."""


class TokenCache(Protocol):
    """Where access tokens are shared between processes. What is handed in must encrypt the values.

    An exception of its own is logged and otherwise ignored: without a cache, work goes on.
    """

    def get(self, key: str) -> str | None: ...
    def set(self, key: str, value: str, seconds: float) -> None: ...
    def delete(self, key: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token and the moment it ends, in seconds of the client's clock."""

    token: Secret
    expires_at: float

    @classmethod
    def of(cls, answer: Any, *, asked_at: float) -> Self:
        """Read the answer of ``POST /token``. Raises VZapsAnswerError when it holds no usable token."""
        fields = Fields.of(answer, "an access token")
        token, lifetime = fields.secret("access_token"), fields.number("expires_in")
        if token is None or lifetime is None or lifetime <= 0 or not sendable(token):
            raise VZapsAnswerError("VZaps signed us in but sent no usable access token.")
        return cls(token=token, expires_at=asked_at + lifetime)


class _Turn:
    """Who asks for a token, and how the last one who asked fared. One per account and process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.taken = 0
        self.failure: VZapsCallError | None = None


_turns: WeakValueDictionary[str, _Turn] = WeakValueDictionary()
_turns_lock = threading.Lock()


class AccessTokens:
    """The access token of one account. ``ask`` fetches a new one from VZaps.

    An error of these methods always says that the call they were made for was not carried out.
    """

    def __init__(
        self, *, key: str, ask: Callable[[], AccessToken], cache: TokenCache | None, clock: Callable[[], float]
    ) -> None:
        self._key = key
        self._ask = ask
        self._cache = cache
        self._clock = clock
        self._token: AccessToken | None = None
        with _turns_lock:
            self._turn = _turns.setdefault(key, _Turn())

    def current(self) -> AccessToken:
        """A token that is good for another minute at least, unless VZaps gives out shorter ones."""
        return self._usable(self._token) or self._next(rejected=None)

    def after(self, rejected: AccessToken) -> AccessToken:
        """A newer token than ``rejected``, which VZaps did not accept."""
        return self._usable(self._token, rejected) or self._next(rejected)

    def _next(self, rejected: AccessToken | None) -> AccessToken:
        turn = self._turn
        taken = turn.taken
        with turn.lock:
            token = self._usable(self._token, rejected) or self._usable(self._cached(), rejected)
            if token is None:
                if turn.failure is not None and turn.taken != taken:
                    # It failed for another thread while this one waited. Asking again, one thread after the other,
                    # would make the last of them wait for all their timeouts.
                    raise copy.copy(turn.failure)
                token = self._asked()
            self._token = token
            return token

    def _asked(self) -> AccessToken:
        self._turn.taken += 1
        self._turn.failure = None
        try:
            token = self._ask()
        except VZapsCallError as error:
            error.may_have_been_carried_out = False
            self._turn.failure = copy.copy(error)
            raise
        self._share(token)
        return token

    def _usable(self, token: AccessToken | None, rejected: AccessToken | None = None) -> AccessToken | None:
        if token is None or token.expires_at - EARLY <= self._clock():
            return None
        newer = rejected is None or (token.token != rejected.token and token.expires_at >= rejected.expires_at)
        return token if newer else None

    def _cached(self) -> AccessToken | None:
        if self._cache is None:
            return None
        try:
            kept = json.loads(self._cache.get(self._key) or "null")
            return AccessToken(token=Secret(str(kept["token"])), expires_at=float(kept["expires_at"])) if kept else None
        except Exception as error:  # noqa: BLE001 - a cache may fail in any way, and none of them may stop the work
            _log_cache_failure("read", error)
            return None

    def _share(self, token: AccessToken) -> None:
        seconds = token.expires_at - EARLY - self._clock()
        if self._cache is None:
            return
        try:
            if seconds > 0:
                value = json.dumps({"token": token.token.reveal(), "expires_at": token.expires_at})
                self._cache.set(self._key, value, seconds)
            else:
                self._cache.delete(self._key)
        except Exception as error:  # noqa: BLE001 - as above
            _log_cache_failure("written", error)


def cache_key(*parts: str) -> str:
    """A name for the tokens of one account that gives nothing away, and changes when a credential does."""
    return f"django_vzaps:access-token:{hashlib.sha256(json.dumps(parts).encode()).hexdigest()}"


def sendable(secret: Secret) -> bool:
    """Whether the secret can stand in an HTTP header."""
    text = secret.reveal()
    return bool(text) and text.isascii() and text.isprintable() and text == text.strip()


def _log_cache_failure(verb: str, error: Exception) -> None:
    # The type only: the text could hold the value.
    logger.warning("The cache of access tokens could not be %s (%s); going on without it.", verb, type(error).__name__)
