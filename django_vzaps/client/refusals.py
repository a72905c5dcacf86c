"""From an answer that says "no" to an error that a person can read and that holds no secret (API.md section 16)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from ..secret import MASK, Secret
from .content import Content
from .errors import (
    VZapsAPIError,
    VZapsAuthenticationError,
    VZapsNotFoundError,
    VZapsPermissionError,
    VZapsRateLimitError,
    VZapsServerError,
    VZapsValidationError,
)
from .fields import Fields, printable, without_secrets, without_urls
from .wire import Answer

_CLASSES: Final[Mapping[int, type[VZapsAPIError]]] = {
    400: VZapsValidationError,
    401: VZapsAuthenticationError,
    403: VZapsPermissionError,
    404: VZapsNotFoundError,
    422: VZapsValidationError,
    429: VZapsRateLimitError,
}
_LONGEST_REASON: Final = 300


def refusal(
    answer: Answer, content: Content, *, secrets: Iterable[Secret], now: float, signing_in: bool = False
) -> VZapsAPIError | None:
    """The error that ``answer`` with its decoded ``content`` amounts to, None when it is none.

    ``secrets`` are taken out of every text VZaps sent, in case it repeats what it was given. ``signing_in``: the call
    was ``POST /token``, where 403 means wrong credentials too (API.md section 2.1).
    """
    body = content.value
    if answer.status < 400 and not (isinstance(body, Mapping) and Fields(body).boolean("success") is False):
        return None
    body = _cleaned(body, [secret.reveal() for secret in secrets])
    fields = Fields(body) if isinstance(body, Mapping) else Fields({})
    # An envelope can say in its code what HTTP does not: {"code": 404, "success": false} under HTTP 200.
    said = fields.integer("code", "error_code")
    status = said if answer.status < 400 and said is not None and 400 <= said < 600 else answer.status
    code = fields.text("code", "error_code") or ""
    reason = _reason(body, fields) or _phrase(answer.status)

    start = "VZaps refused the client token and secret" if signing_in else "VZaps refused the call"
    if status >= 500:
        start = "VZaps failed"
    aside = f" (code {code})" if code and code != str(answer.status) else ""
    ending = f" [request {answer.request_id}]" if answer.request_id else ""
    error = _class(status, signing_in)(
        f"{start}, HTTP {answer.status}: {reason}{aside}{ending}",
        status_code=answer.status,
        code=code,
        reason=reason,
        details=body,
        # 408 and 5xx may come from something in front of VZaps that lost patience, after VZaps did what was asked.
        may_have_been_carried_out=status == 408 or status >= 500,
        request_id=answer.request_id,
    )
    if isinstance(error, VZapsRateLimitError):
        error.retry_after = answer.retry_after(now)
    if isinstance(error, VZapsAuthenticationError):
        error.signing_in = signing_in
    return error


def _class(status: int, signing_in: bool) -> type[VZapsAPIError]:
    if signing_in and status == 403:
        return VZapsAuthenticationError
    return VZapsServerError if status >= 500 else _CLASSES.get(status, VZapsAPIError)


def _cleaned(body: Any, secrets: list[str]) -> Any:
    try:
        return _without_values(without_urls(without_secrets(body)), [secret for secret in secrets if secret])
    except RecursionError:
        return None


def _without_values(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
        return value
    if isinstance(value, Mapping):
        return {_without_values(key, secrets): _without_values(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_values(item, secrets) for item in value]
    return value


def _reason(body: Any, fields: Fields) -> str:
    """VZaps' own words, wherever it put them; a page of HTML has none."""
    nested = [fields.value("errors"), fields.value("error"), fields.value("data")]
    candidates = [body, fields.text("message"), fields.text("error"), fields.text("detail")]
    for item in nested:
        first = item[0] if isinstance(item, list) and item else item
        if isinstance(first, Mapping):
            inner = Fields(first)
            candidates += [inner.text("message"), inner.text("error"), inner.text("detail")]
        elif item is not fields.value("data"):
            candidates.append(first)
    for candidate in candidates:
        if isinstance(candidate, str) and not candidate.lstrip().startswith("<"):
            words = " ".join("".join(c if c.isprintable() else " " for c in printable(candidate)).split())
            if words:
                return words if len(words) <= _LONGEST_REASON else f"{words[:_LONGEST_REASON]}…"
    return ""


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"
