"""What can go wrong with a call to VZaps. Every class is a :class:`VZapsError`.

No error holds a secret: texts that come from VZaps are cleaned before they get here (:mod:`.refusals`).
"""

from __future__ import annotations

from typing import Any

from ..exceptions import VZapsError


class VZapsCallError(VZapsError):
    """A call to VZaps did not succeed.

    ``may_have_been_carried_out`` is False only when VZaps certainly did not do what was asked: it was never reached, or
    it refused. When it is True, repeating a change could do it twice: read first.
    """

    def __init__(self, message: str, *, may_have_been_carried_out: bool = True, request_id: str = "") -> None:
        super().__init__(message)
        self.may_have_been_carried_out = may_have_been_carried_out
        self.request_id = request_id


class VZapsAPIError(VZapsCallError):
    """VZaps answered, and the answer is an error (also HTTP 200 with ``success: false``; API.md section 16).

    ``code`` is VZaps' own code as text (empty when it sent none), ``message`` its own words, ``details`` the decoded
    body without secrets. ``str()`` puts them into one sentence.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int = 0,
        code: str = "",
        reason: str = "",
        details: Any = None,
        may_have_been_carried_out: bool = False,
        request_id: str = "",
    ) -> None:
        super().__init__(message, may_have_been_carried_out=may_have_been_carried_out, request_id=request_id)
        self.status_code = status_code
        self.code = code
        self.message = reason or message
        self.details = details


class VZapsAuthenticationError(VZapsAPIError):
    """The credentials were refused (401), also after a new access token.

    ``signing_in``: there was no new one, because the client token and secret themselves were refused.
    """

    signing_in: bool = False


class VZapsPermissionError(VZapsAPIError):
    """The credentials are valid but may not do this (403): often the instance belongs to another account."""


class VZapsNotFoundError(VZapsAPIError):
    """VZaps does not know what was asked for (404)."""


class VZapsValidationError(VZapsAPIError):
    """VZaps refused the values that were sent (400, 422)."""


class VZapsRateLimitError(VZapsAPIError):
    """Too many calls (429). ``retry_after`` is the number of seconds VZaps asks to wait, None when it does not say."""

    retry_after: float | None = None


class VZapsServerError(VZapsAPIError):
    """VZaps failed (5xx). What was asked may have been done all the same."""


class VZapsTransportError(VZapsCallError):
    """No answer came: the network, TLS, a proxy, or time ran out."""


class VZapsTimeoutError(VZapsTransportError):
    """VZaps did not accept the connection, or did not answer, in time."""


class VZapsConnectionError(VZapsTransportError):
    """VZaps could not be reached, or the connection broke before the whole answer was there."""


class VZapsAnswerError(VZapsCallError):
    """VZaps said that all is well in an answer that makes no sense: not JSON, too long, or without what matters."""
