"""What stands behind a call to VZaps that failed, told apart for those who may not know the client's errors."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from django_vzaps.client import (
    VZapsAPIError,
    VZapsAuthenticationError,
    VZapsCallError,
    VZapsError,
    VZapsNotFoundError,
    VZapsPermissionError,
    VZapsRateLimitError,
    VZapsServerError,
    VZapsTimeoutError,
    VZapsTransportError,
    VZapsValidationError,
)


class FailureKind(StrEnum):
    """Whose fault it was, roughly."""

    CREDENTIALS = "credentials"
    UNKNOWN_INSTANCE = "unknown_instance"
    REFUSED = "refused"
    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    FAILED = "failed"
    #: VZaps was not even asked: credentials are missing, or cannot be decrypted.
    NOT_CONFIGURED = "not_configured"


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """VZaps' own words and numbers; ``status`` is None where no answer came. ``retry_after`` is in seconds."""

    kind: FailureKind
    status: int | None = None
    code: str = ""
    message: str = ""
    request_id: str = ""
    retry_after: float | None = None


def failure_of(error: VZapsError) -> Failure:
    """What ``error``, the ``error`` of what a service raised, tells."""
    request_id = getattr(error, "request_id", "")
    if not isinstance(error, VZapsAPIError):
        return Failure(kind=_kind(error), request_id=request_id)
    return Failure(
        kind=_kind(error),
        status=error.status_code or None,
        code=error.code,
        message=error.message,
        request_id=request_id,
        retry_after=error.retry_after if isinstance(error, VZapsRateLimitError) else None,
    )


def _kind(error: VZapsError) -> FailureKind:
    match error:
        case _ if not isinstance(error, VZapsCallError):
            return FailureKind.NOT_CONFIGURED
        case VZapsAuthenticationError():
            return FailureKind.CREDENTIALS
        case VZapsNotFoundError():
            return FailureKind.UNKNOWN_INSTANCE
        case VZapsRateLimitError():
            return FailureKind.RATE_LIMITED
        case VZapsTimeoutError():
            return FailureKind.TIMEOUT
        case VZapsTransportError():
            return FailureKind.UNREACHABLE
        case VZapsValidationError() | VZapsPermissionError():
            return FailureKind.REFUSED
        case VZapsAPIError() if not isinstance(error, VZapsServerError) and error.status_code < 500:
            return FailureKind.REFUSED
        case _:
            return FailureKind.FAILED
