"""A call to VZaps: signing in, sending, repeating where a repeat is harmless, and reading the answer."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import requests

from ..secret import Secret
from .content import Content
from .errors import VZapsAnswerError, VZapsCallError, VZapsConnectionError, VZapsTransportError
from .fields import logger
from .refusals import refusal
from .tokens import AccessToken, AccessTokens, TokenCache, cache_key, sendable
from .wire import Answer, Wire

T = TypeVar("T")

LONGEST_WAIT: Final = 30.0
"""Seconds: the longest pause before a repeat, also when VZaps asks for a longer one."""

_FIRST_WAIT: Final = 0.5
_SHORTEST_SECRET: Final = 16
_BUSY: Final = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A path of the API: as it is sent, and as it is logged."""

    wire: str
    shown: str

    @classmethod
    def of(cls, route: str, **parts: str) -> Self:
        """Fill ``route`` with percent-encoded parts; a phone number is left out of what is logged.

        Raises ValueError for a part that is empty or would change the path.
        """
        for name, part in parts.items():
            if not isinstance(part, str) or part.strip() in ("", ".", ".."):
                raise ValueError(f"{name} is required.")
        encoded = {name: quote(part, safe="", errors="replace") for name, part in parts.items()}
        return cls(wire=route.format(**encoded), shown=route.format(**{**encoded, "phone": "{phone}"}))


class Transport:
    """The calls of one account. May be shared by threads."""

    def __init__(
        self,
        *,
        client_token: Secret,
        client_secret: Secret,
        base_url: str,
        timeout: tuple[float, float],
        token_cache: TokenCache | None,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        max_body: int,
        retries: int,
    ) -> None:
        self._client_token = client_token
        self._client_secret = client_secret
        self._clock = clock
        self._sleep = sleep
        self._retries = retries
        self._wire = Wire(base_url, timeout=timeout, max_body=max_body)
        self.tokens = AccessTokens(
            key=cache_key(base_url, client_token.reveal(), client_secret.reveal()),
            ask=self._sign_in,
            cache=token_cache,
            clock=clock,
        )

    def close(self) -> None:
        self._wire.close()

    def call(
        self,
        method: str,
        path: Path,
        parse: Callable[[Any], T],
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        instance_token: Secret | str | None = None,
        read: bool = False,
        fresh: bool = False,
    ) -> T:
        """Call VZaps and give its decoded answer to ``parse``.

        ``read``: nothing changes by the call, so it may be repeated. ``fresh``: on a new connection, because an idle
        one that VZaps has closed in the meantime would leave it unknown whether the call was carried out.
        A 401 is answered with a new access token and one repeat, for every call: it was not carried out.
        Raises VZapsCallError, or ValueError for an instance token that cannot be sent.
        """
        instance_token = as_secret(instance_token, "instance_token") if instance_token else None
        repeat_on = _BUSY if read else None
        token = self.tokens.current()
        request = self._prepared(method, path, body, query, instance_token=instance_token, token=token, fresh=fresh)
        answer = self._send(request, path, repeat_on, fresh=fresh)
        if answer.status == 401:
            token = self.tokens.after(token)
            request = request.copy()
            request.headers["Authorization"] = _bearer(token)
            answer = self._send(request, path, repeat_on, fresh=fresh)
        secrets = [self._client_token, self._client_secret, token.token, *_secrets_in(body)]
        secrets += [instance_token] if instance_token else []
        content = Content.of(answer.body)
        error = refusal(answer, content, secrets=secrets, now=self._clock())
        if error is not None:
            raise error
        return _read(answer, content, parse)

    def _sign_in(self) -> AccessToken:
        """``POST /token`` (API.md section 2.1), repeated only when the connection failed."""
        asked_at = self._clock()
        path = Path.of("/token")
        credentials = {"client_token": self._client_token, "client_secret": self._client_secret}
        answer = self._send(self._prepared("POST", path, credentials), path, frozenset())
        content = Content.of(answer.body)
        error = refusal(answer, content, secrets=credentials.values(), now=self._clock(), signing_in=True)
        if error is not None:
            raise error
        return _read(answer, content, partial(AccessToken.of, asked_at=asked_at))

    def _prepared(
        self,
        method: str,
        path: Path,
        body: Any,
        query: Mapping[str, Any] | None = None,
        *,
        instance_token: Secret | None = None,
        token: AccessToken | None = None,
        fresh: bool = False,
    ) -> requests.PreparedRequest:
        """The whole request, here and not where it is sent: no frame that can fail later holds a revealed secret."""
        request = self._wire.prepared(method, path.wire, query=query, content=_encoded(body))
        request.headers.update({"Accept": "application/json", "User-Agent": "django-vzaps"})
        if body is not None:
            request.headers["Content-Type"] = "application/json"
        if fresh:
            request.headers["Connection"] = "close"
        if token is not None:
            request.headers["Authorization"] = _bearer(token)
            request.headers["X-Client-Token"] = self._client_token.reveal()
        if instance_token is not None:
            request.headers["X-Instance-Token"] = instance_token.reveal()
        return request

    def _send(
        self, request: requests.PreparedRequest, path: Path, repeat_on: frozenset[int] | None, *, fresh: bool = False
    ) -> Answer:
        """Send once; and again when the connection failed or the status is in ``repeat_on`` (None: never again)."""
        for attempt in count():
            last = repeat_on is None or attempt >= self._retries
            wait = _pause(attempt)
            try:
                answer = self._exchange(request, path, fresh)
            except VZapsTransportError as error:
                # What was sent and not answered in time is not asked again: it has used up the caller's patience.
                if last or not (isinstance(error, VZapsConnectionError) or not error.may_have_been_carried_out):
                    raise
            else:
                if last or answer.status not in (repeat_on or ()):
                    return answer
                asked = answer.retry_after(self._clock())
                wait = wait if asked is None else asked
            self._sleep(min(wait, LONGEST_WAIT))
        raise AssertionError("count() does not end")  # pragma: no cover

    def _exchange(self, request: requests.PreparedRequest, path: Path, fresh: bool) -> Answer:
        started = time.monotonic()
        outcome, request_id = "no answer", ""
        try:
            answer = _without_echo(self._wire.exchange(request, fresh=fresh), request)
        except VZapsCallError as error:
            outcome = type(error).__name__
            raise
        else:
            outcome, request_id = str(answer.status), answer.request_id
            return answer
        finally:
            milliseconds = (time.monotonic() - started) * 1000
            logger.debug("%s %s: %s in %.0f ms [%s]", request.method, path.shown, outcome, milliseconds, request_id)


def as_secret(value: Secret | str, name: str) -> Secret:
    """``value`` as a secret that can be sent in a header. Raises ValueError, without the value, for any other."""
    value = value if isinstance(value, Secret) else Secret(value)
    if not sendable(value):
        raise ValueError(f"{name} is empty or holds characters that cannot be sent.")
    return value


def _bearer(token: AccessToken) -> str:
    return f"Bearer {token.token.reveal()}"


def _secrets_in(body: Any) -> Iterator[Secret]:
    """The secrets that are sent in a body; of a URL its last segment too, which is the secret of a webhook."""
    for value in body.values() if isinstance(body, Mapping) else ():
        if isinstance(value, Secret):
            yield value
            end = Secret(value.reveal().rstrip("/").rpartition("/")[2])
            # A short one is a word that VZaps may use in its answer.
            if len(end.reveal()) >= _SHORTEST_SECRET:
                yield end


def _without_echo(answer: Answer, request: requests.PreparedRequest) -> Answer:
    """Forget a request id that repeats a credential: it goes into logs and errors."""
    sent = [request.headers.get(name, "") for name in ("Authorization", "X-Client-Token", "X-Instance-Token")]
    if any(secret and secret.removeprefix("Bearer ") in answer.request_id for secret in sent):
        return replace(answer, headers={})
    return answer


def _encoded(body: Any) -> bytes | None:
    return None if body is None else json.dumps(body, allow_nan=False, default=_revealed).encode()


def _revealed(value: Any) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON.")


def _read(answer: Answer, content: Content, parse: Callable[[Any], T]) -> T:
    outcome = _parsed(answer, content, parse)
    if isinstance(outcome, VZapsAnswerError):
        outcome.request_id = answer.request_id
        raise outcome
    return outcome


def _parsed(answer: Answer, content: Content, parse: Callable[[Any], T]) -> T | VZapsAnswerError:
    """Returns its error, without a traceback: the frames of a parser hold tokens, and error pages show frames."""
    if not 200 <= answer.status < 300:
        return VZapsAnswerError(f"VZaps answered with HTTP {answer.status}, which is not followed: check the base URL.")
    if content.flaw:
        return VZapsAnswerError(f"VZaps' answer {content.flaw}.")
    try:
        return parse(content.value)
    except VZapsAnswerError as error:
        return error.with_traceback(None)
    except RecursionError:
        return VZapsAnswerError("VZaps' answer is nested too deeply.")
    except ValueError:
        return VZapsAnswerError("VZaps' answer holds a value that cannot be read.")


def _pause(attempt: int) -> float:
    """0.5 s, 1 s, 2 s ... give or take half, so that many clients do not come back at once."""
    return _FIRST_WAIT * float(2**attempt) * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
