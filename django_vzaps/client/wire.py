"""One request over HTTP and its whole answer: connections, time limits, size limits. Knows nothing of VZaps' JSON.

requests' ``HTTPAdapter`` is used without a ``Session``: a session reads the bodies of redirects without a limit, keeps
cookies, and asks the environment about proxies and netrc on every call. The adapter pools connections, and threads may
share it.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final

import requests
import urllib3.exceptions as urllib3_errors
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import ConnectionPool

from .errors import VZapsAnswerError, VZapsCallError, VZapsConnectionError, VZapsTimeoutError
from .fields import Fields

MAX_BODY: Final = 10 * 1024 * 1024
_CHUNK: Final = 64 * 1024
_POOLED: Final = 32
_PLAIN_URL: Final = re.compile(r"https?://[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?/[/\w-]*", re.ASCII)

_Failures = (requests.RequestException, urllib3_errors.HTTPError, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A complete HTTP answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def request_id(self) -> str:
        """VZaps' name for the call, for its support; empty when it sent none (API.md section 16)."""
        value = self.headers.get("x-request-id", "")
        return value if value.isascii() and value.isprintable() and len(value) <= 128 else ""

    def retry_after(self, now: float) -> float | None:
        """The seconds that the ``Retry-After`` header asks to wait, given in seconds or as a date."""
        value = self.headers.get("retry-after", "").strip()
        seconds = Fields({"seconds": value}).number("seconds")
        if seconds is None:
            try:
                moment = parsedate_to_datetime(value)
            except (ValueError, OverflowError):
                return None
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
        return max(0.0, seconds)


class Wire:
    """The connections to one server. May be shared by threads, and by processes that fork after it was made."""

    def __init__(self, base_url: str, *, timeout: tuple[float, float], max_body: int) -> None:
        self._base_url = base_url
        self._timeout = timeout
        self._max_body = max_body
        # Proxies and certificate authorities of the environment, asked once.
        found = requests.Session().merge_environment_settings(base_url, {}, None, None, None)
        self._options: dict[str, Any] = {key: found[key] for key in ("proxies", "verify", "cert")}
        self._pool, self._process = _Pool(_POOLED), os.getpid()

    def close(self) -> None:
        """Close the idle connections. The wire can be used again."""
        self._pool.close()

    def prepared(
        self, method: str, path: str, *, query: Mapping[str, Any] | None, content: bytes | None
    ) -> requests.PreparedRequest:
        """The request, without headers of ours; ``path`` is percent-encoded and begins with a slash."""
        url = f"{self._base_url}{path}"
        if query or not _PLAIN_URL.fullmatch(url):
            return requests.Request(method, url, params=query, data=content).prepare()
        # To take a URL apart and put it together again is a tenth of a call on loopback, and would not change this one.
        request = requests.PreparedRequest()
        request.prepare_method(method)
        request.url = url
        request.prepare_headers(None)
        request.prepare_body(content, None)
        return request

    def exchange(self, request: requests.PreparedRequest, *, fresh: bool) -> Answer:
        """Send ``request`` and read the whole answer; on a connection of its own when ``fresh``.

        Takes at most the connect timeout and about twice the read timeout: for the answer's head, and for its body.
        Raises VZapsTimeoutError, VZapsConnectionError, or VZapsAnswerError for a body over the limit.
        """
        if not fresh:
            return self._exchange(self._own_pool(), request)
        with closing(_Pool(1)) as pool:
            return self._exchange(pool, request)

    def _exchange(self, pool: _Pool, request: requests.PreparedRequest) -> Answer:
        response = self._sent(pool, request)
        if isinstance(response, VZapsCallError):
            raise response
        with closing(response):
            body = self._body(response)
        if isinstance(body, VZapsCallError):
            if response.status_code < 400:
                raise body
            body = b""  # That it is an error is known; why is not.
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(status=response.status_code, headers=headers, body=body)

    # The next two return their failures, to be raised outside of any ``except``: what requests raises carries headers
    # and bodies, and would stay reachable as the __context__ of ours.

    def _sent(self, pool: _Pool, request: requests.PreparedRequest) -> requests.Response | VZapsCallError:
        try:
            return pool.send(request, stream=True, timeout=self._timeout, **self._options)
        except _Failures as error:
            return self._failure(error)

    def _body(self, response: requests.Response) -> bytes | VZapsCallError:
        body = bytearray()
        deadline = time.monotonic() + self._timeout[1]
        try:
            # read1 gives back what one read of the socket brought: a server that drips cannot hold us for longer.
            while chunk := response.raw.read1(_CHUNK, decode_content=True):
                body += chunk
                if len(body) > self._max_body:
                    return VZapsAnswerError(f"VZaps' answer is longer than {self._max_body:,} bytes; it was not read.")
                if time.monotonic() > deadline:
                    return VZapsTimeoutError(f"VZaps' answer was not complete after {self._timeout[1]:g} s.")
        except urllib3_errors.DecodeError:
            return VZapsAnswerError("VZaps' answer is compressed in a way that cannot be read.")
        except _Failures as error:
            return self._failure(error)
        return bytes(body)

    def _own_pool(self) -> _Pool:
        if self._process != os.getpid():  # A forked worker: two processes must not talk over one connection.
            self._pool, self._process = _Pool(_POOLED), os.getpid()
        return self._pool

    def _failure(self, error: Exception) -> VZapsCallError:
        connect, read = self._timeout
        reason = getattr(error.args[0], "reason", None) if error.args else None
        if isinstance(error, requests.ConnectTimeout):
            return VZapsTimeoutError(
                f"{self._base_url} did not accept a connection within {connect:g} s.", may_have_been_carried_out=False
            )
        if isinstance(error, requests.Timeout | urllib3_errors.TimeoutError | TimeoutError):
            return VZapsTimeoutError(f"{self._base_url} did not answer within {read:g} s.")
        cause = ""
        if isinstance(error, requests.exceptions.ProxyError):
            cause = "the proxy could not be reached"
        elif isinstance(reason, urllib3_errors.NameResolutionError):
            cause = "its name is not known"
        elif isinstance(reason, urllib3_errors.NewConnectionError):
            cause = "it refused the connection or the network is down"
        elif isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
            cause = "its certificate is not valid"
        elif isinstance(error, requests.exceptions.InvalidURL):
            cause = "its address is not valid"
        if cause:
            return VZapsConnectionError(
                f"{self._base_url} cannot be reached: {cause}.", may_have_been_carried_out=False
            )
        return VZapsConnectionError(f"The connection to {self._base_url} broke before the whole answer was there.")


class _Pool(HTTPAdapter):
    """The connections to one server, all with the same options."""

    def __init__(self, size: int) -> None:
        super().__init__(pool_connections=1, pool_maxsize=size)
        self._found: ConnectionPool | None = None

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> ConnectionPool:
        # requests looks for them by URL, proxy and certificates on every call, for a tenth of its time on loopback.
        found = self._found
        if found is None:
            found = self._found = super().get_connection_with_tls_context(*args, **options)
        return found

    def close(self) -> None:
        super().close()
        self._found = None  # urllib3 closes them when nobody holds them any longer
