"""The client: credentials in, resources out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import urlsplit

from ..secret import Secret
from .resources import Auth, Instances, Messages, Sessions, Webhooks
from .tokens import TokenCache
from .transport import Path, Transport, as_secret
from .wire import MAX_BODY


class VZapsClient:
    """The calls of one VZaps account. Make one per account and process, and share it: threads may.

    ``timeout``: seconds to wait for a connection and for an answer (one number: for the answer). ``token_cache`` shares
    access tokens between processes, and must encrypt what it is given. ``retries``: how often a call that changes
    nothing is repeated after a broken connection, 429, 502, 503 or 504; changes are never repeated. ``max_body``: the
    longest answer that is read, in bytes. ``clock`` and ``sleep`` are for tests.

    A call that does not succeed raises :class:`VZapsCallError`; arguments that cannot be sent raise ValueError.
    """

    def __init__(
        self,
        *,
        client_token: Secret | str,
        client_secret: Secret | str,
        base_url: str = "https://api.vzaps.com",
        timeout: tuple[float, float] | float = (5.0, 30.0),
        token_cache: TokenCache | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        max_body: int = MAX_BODY,
        retries: int = 2,
    ) -> None:
        client_token = as_secret(client_token, "client_token")
        client_secret = client_secret if isinstance(client_secret, Secret) else Secret(client_secret)
        if not client_secret:
            raise ValueError("client_secret is required.")
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
            raise ValueError("base_url must look like https://api.vzaps.com.")
        self.base_url = base_url.rstrip("/")
        self._transport = Transport(
            client_token=client_token,
            client_secret=client_secret,
            base_url=self.base_url,
            timeout=timeout if isinstance(timeout, tuple) else (min(5.0, timeout), timeout),
            token_cache=token_cache,
            clock=clock,
            sleep=sleep,
            max_body=max_body,
            retries=retries,
        )
        self.auth = Auth(self._transport)
        self.instances = Instances(self._transport)
        self.sessions = Sessions(self._transport)
        self.webhooks = Webhooks(self._transport)
        self.messages = Messages(self._transport)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the idle connections. A later call opens new ones."""
        self._transport.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        instance_token: Secret | str | None = None,
    ) -> Any:
        """Any other call of the API; the answer is the decoded JSON as VZaps sent it, secrets included.

        ``path`` is percent-encoded by you. Only GET is repeated. Put no secret into ``query``: servers log it.
        """
        if not path.startswith("/"):
            path = f"/{path}"
        read = method.upper() == "GET"
        return self._transport.call(
            method.upper(),
            Path(wire=path, shown=path.partition("?")[0]),
            lambda answer: answer,
            body=body,
            query=query,
            instance_token=instance_token,
            read=read,
            fresh=not read,
        )
