"""Errors as RFC 9457 problem details: what happened, at which field, and what VZaps said to it."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
)
from django.core.signals import got_request_exception
from django.http import Http404
from django.utils.log import log_response
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from django_vzaps import scope, services
from django_vzaps.api.serializers.operations import OperationSerializer
from django_vzaps.models import Instance, Operation
from django_vzaps.services import VZapsError
from django_vzaps.services.failures import FailureKind, failure_of

MEDIA_TYPE: Final = "application/problem+json"
#: What every ``type`` begins with. What follows never changes its meaning.
TYPE: Final = "urn:django-vzaps:problem:"


class Kind(NamedTuple):
    """A kind of problem: the status it is answered with, and what it is called."""

    status: int
    title: Any


KINDS: Final[Mapping[str, Kind]] = {
    "invalid": Kind(400, gettext_lazy("The request is not valid")),
    "not-json": Kind(400, gettext_lazy("The body is not JSON")),
    "not-authenticated": Kind(401, gettext_lazy("Not logged in")),
    "permission-denied": Kind(403, gettext_lazy("Not permitted")),
    "read-only": Kind(403, gettext_lazy("This site is set to read only")),
    "not-found": Kind(404, gettext_lazy("Not found")),
    "method-not-allowed": Kind(405, gettext_lazy("No such method here")),
    "not-acceptable": Kind(406, gettext_lazy("Only JSON is answered")),
    "already-subscribed": Kind(409, gettext_lazy("There is a subscription already")),
    "subscription-active": Kind(409, gettext_lazy("The instance is or may be paid for")),
    "operation-in-progress": Kind(409, gettext_lazy("An earlier change is not settled yet")),
    "operation-failed": Kind(409, gettext_lazy("The attempt under this key failed before")),
    "change-refused": Kind(409, gettext_lazy("The change was not made")),
    "foreign-webhook": Kind(409, gettext_lazy("The webhook was set by somebody else")),
    "instance-removed": Kind(409, gettext_lazy("The instance is gone from VZaps")),
    "pairing-in-progress": Kind(409, gettext_lazy("The instance is being paired already")),
    "sync-running": Kind(409, gettext_lazy("Another sync is under way")),
    "in-use": Kind(409, gettext_lazy("Other rows refer to it")),
    "unknown-to-vzaps": Kind(409, gettext_lazy("VZaps does not know the instance")),
    "unsupported-media-type": Kind(415, gettext_lazy("The body is of another type than JSON")),
    "idempotency-key-reused": Kind(422, gettext_lazy("The idempotency key stands for another change")),
    "vzaps-refused": Kind(422, gettext_lazy("VZaps refused")),
    "throttled": Kind(429, gettext_lazy("Too many requests")),
    "vzaps-rate-limited": Kind(429, gettext_lazy("VZaps asks to slow down")),
    "internal-error": Kind(500, gettext_lazy("An error in this program")),
    "vzaps-credentials-refused": Kind(502, gettext_lazy("VZaps did not accept the account's credentials")),
    "vzaps-unreachable": Kind(502, gettext_lazy("VZaps could not be reached")),
    "vzaps-failed": Kind(502, gettext_lazy("VZaps failed")),
    "not-configured": Kind(503, gettext_lazy("A setting is missing")),
    "vzaps-timeout": Kind(504, gettext_lazy("VZaps did not answer in time")),
}

#: What stands behind what a service raises.
_FAILURES: Final[Mapping[FailureKind, str]] = {
    FailureKind.CREDENTIALS: "vzaps-credentials-refused",
    FailureKind.UNKNOWN_INSTANCE: "unknown-to-vzaps",
    FailureKind.REFUSED: "vzaps-refused",
    FailureKind.RATE_LIMITED: "vzaps-rate-limited",
    FailureKind.TIMEOUT: "vzaps-timeout",
    FailureKind.UNREACHABLE: "vzaps-unreachable",
    FailureKind.FAILED: "vzaps-failed",
    FailureKind.NOT_CONFIGURED: "not-configured",
}
_SERVICES: Final[Mapping[type[VZapsError], str]] = {
    services.ReadOnly: "read-only",
    services.AlreadySubscribed: "already-subscribed",
    services.SubscriptionIsActive: "subscription-active",
    services.ForeignWebhook: "foreign-webhook",
    services.IdempotencyKeyReused: "idempotency-key-reused",
    services.AccountInUse: "in-use",
    services.OperationInProgress: "operation-in-progress",
    services.SyncRunning: "sync-running",
}
#: What a program says to have it done all the same: services speak of buttons.
_PARAMETERS: Final[Mapping[str, Any]] = {
    "subscription-active": gettext_lazy("A program says so with “despite_subscription”."),
    "foreign-webhook": gettext_lazy("To have it overwritten, say “overwrite”."),
}
_FRAMEWORK: Final[Mapping[type[exceptions.APIException], str]] = {
    exceptions.ParseError: "not-json",
    exceptions.NotAuthenticated: "not-authenticated",
    exceptions.AuthenticationFailed: "not-authenticated",
    exceptions.PermissionDenied: "permission-denied",
    exceptions.NotFound: "not-found",
    exceptions.MethodNotAllowed: "method-not-allowed",
    exceptions.NotAcceptable: "not-acceptable",
    exceptions.UnsupportedMediaType: "unsupported-media-type",
    exceptions.Throttled: "throttled",
}


class Problem(Exception):
    """A problem of one of the :data:`KINDS`; ``operation`` is what it is about."""

    def __init__(self, kind: str, detail: str, *, operation: Operation | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.operation = operation


class InvalidQuery(exceptions.ValidationError):
    """What is wrong stands in the query string."""

    place = "query"


class InvalidHeader(exceptions.ValidationError):
    """What is wrong stands in a header."""

    place = "header"


def answer(error: Exception, context: Mapping[str, Any]) -> Response:
    """The answer to what a view raised: the exception handler of every view of the API.

    What nobody expected is logged as Django does it, and answered without a word of it.
    """
    request: Request = context["request"]
    match error:
        case Problem():
            return _problem(error.kind, str(error), **_operation(error.operation, request))
        case VZapsError():
            return _of_service(error, request)
        case exceptions.ValidationError():
            errors = list(_fields(error.detail, getattr(error, "place", "body")))
            return _problem("invalid", _first(errors), errors=errors)
        case Http404():
            return _problem("not-found", _("There is nothing here, or nothing that you may see."))
        case PermissionDenied():
            return _problem("permission-denied", _("You do not have the permission to do this."))
        case SuspiciousOperation():
            return _suspicious(error, request)
        case exceptions.APIException():
            return _of_framework(error)
        case _:
            return _unexpected(error, context)


def _of_service(error: VZapsError, request: Request) -> Response:
    behind = getattr(error, "error", None)
    operation = getattr(error, "operation", None)
    kind = next((kind for known, kind in _SERVICES.items() if isinstance(error, known)), None)
    more: dict[str, Any] = _operation(operation, request)
    retry_after = None
    if behind is not None:
        failure = failure_of(behind)
        kind = kind or _FAILURES[failure.kind]
        if failure.kind != FailureKind.NOT_CONFIGURED:
            more["vzaps"] = {
                "status": failure.status,
                "code": failure.code or None,
                "message": failure.message or None,
                "request_id": failure.request_id or None,
            }
        retry_after = failure.retry_after
    if kind is None:
        kind = "change-refused" if isinstance(error, services.ChangeFailed) else "not-configured"
    detail = f"{error} {_PARAMETERS[kind]}" if kind in _PARAMETERS else str(error)
    return _problem(kind, detail, retry_after=retry_after, **more)


def _of_framework(error: exceptions.APIException) -> Response:
    kind = next((kind for known, kind in _FRAMEWORK.items() if isinstance(error, known)), None)
    detail = str(error.detail)
    if kind is None:  # one of the project's own, such as of its authentication
        title = detail if len(detail) < 80 else _("Refused")
        return _response(
            {"type": "about:blank", "title": title, "status": error.status_code, "detail": detail},
            status=error.status_code,
        )
    if kind == "not-json":
        detail = _("The body must be JSON: %(why)s") % {"why": detail}
    response = _problem(kind, detail, status=error.status_code, retry_after=getattr(error, "wait", None), errors=None)
    if challenge := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = challenge
    return response


def _suspicious(error: SuspiciousOperation, request: Request) -> Response:
    """What Django refuses by itself, such as more than the project's limits; logged as Django does it."""
    logger = logging.getLogger(f"django.security.{type(error).__name__}")
    logger.error(str(error), exc_info=error, extra={"status_code": 400, "request": request._request})
    match error:
        case RequestDataTooBig():
            place, words = "body", _("This is longer than this site takes.")
        case TooManyFieldsSent():
            place, words = "query", _("These are more parameters than this site takes.")
        case _:
            place, words = "header", _("This site does not take such a request.")
    return _problem("invalid", words, errors=[{"in": place, "field": "", "code": "invalid", "detail": words}])


def _unexpected(error: Exception, context: Mapping[str, Any]) -> Response:
    if settings.DEBUG_PROPAGATE_EXCEPTIONS:
        raise error
    request = context["request"]._request
    got_request_exception.send(sender=type(context["view"]), request=request)
    response = _problem("internal-error", _("The request failed, and the log says why. What was sent stays recorded."))
    log_response("%s: %s", "Internal Server Error", request.path, response=response, request=request, exception=error)
    return response


def _problem(
    kind: str, detail: str, *, status: int | None = None, retry_after: float | None = None, **more: Any
) -> Response:
    status = status or KINDS[kind].status
    body: dict[str, Any] = {
        "type": TYPE + kind,
        "title": str(KINDS[kind].title),
        "status": status,
        "detail": detail,
        **{name: value for name, value in more.items() if value is not None},
    }
    response = _response(body, status=status)
    if retry_after is not None:
        body["retry_after"] = seconds = max(1, math.ceil(retry_after))
        response["Retry-After"] = str(seconds)
    return response


def _response(body: dict[str, Any], *, status: int) -> Response:
    response = Response(body, status=status, content_type=MEDIA_TYPE)
    response.exception = True
    return response


def _operation(operation: Operation | None, request: Request) -> dict[str, Any]:
    if operation is None or not _may_see(request.user, operation):
        return {}
    return {"operation": OperationSerializer(operation, context={"request": request}).data}


def _may_see(user: Any, operation: Operation) -> bool:
    """Whether it is, still, about an instance of theirs: a key may be older than that."""
    if not scope.is_set():
        return True
    rows = Operation.objects.filter(pk=operation.pk)
    return scope.about(user, rows, Instance.objects.all(), actor_lookup="actor").exists()


def _fields(detail: Any, place: str, path: str = "") -> Iterator[dict[str, str]]:
    """One error after the other, each with its field: "labels.color", "instances.2"; empty for the whole of it."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            if name == "non_field_errors":
                yield from _fields(inner, place, path)
            else:
                yield from _fields(inner, place, f"{path}.{name}" if path else str(name))
    elif isinstance(detail, list):
        for inner in detail:
            yield from _fields(inner, place, path)
    elif detail:
        yield {"in": place, "field": path, "code": str(getattr(detail, "code", "invalid")), "detail": str(detail)}


def _first(errors: list[dict[str, str]]) -> str:
    if not errors:
        return _("The request is not valid")
    first = errors[0]
    return f"{first['field']}: {first['detail']}" if first["field"] else first["detail"]
