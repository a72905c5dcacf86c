"""The URL that VZaps posts events to."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Final
from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.core.handlers.wsgi import WSGIRequest
from django.db import Error as DatabaseProblem
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables

from django_vzaps import conf, crypto
from django_vzaps.events import dispatch, storing
from django_vzaps.models import Webhook
from django_vzaps.services import webhooks

logger = logging.getLogger("django_vzaps.webhook")

_NOBODYS_HASHES: Final = ("0" * 64, "")
_CHUNK: Final = 64 * 1024


class _Refused(Exception):
    def __init__(self, status: HTTPStatus) -> None:
        self.status = status


@csrf_exempt
@login_not_required
@transaction.non_atomic_requests
@sensitive_variables()
def webhook(request: HttpRequest, *, public_id: UUID, secret: str) -> HttpResponse:
    """Store the event in the body and answer; handling it is left to a worker (API.md section 6).

    404 for an unknown URL, whatever is wrong with it, without reading the body; 400, 411, 413 or 415 for a body that
    cannot be read; 503 where the database did not take it. Any other authentic body is kept and answered with 200.
    """
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        found = _authentic(public_id, secret)
        body = _read(request, conf.current().webhook_max_bytes)
        received = storing.receive(
            body,
            instance_id=found.instance_id,
            vzaps_id=found.instance.vzaps_id,
            named=request.headers.get("X-Instance-ID", ""),
        )
        webhooks.note_arrival(found, secret)
    except _Refused as refused:
        return JsonResponse({"status": refused.status.phrase.lower()}, status=refused.status)
    except DatabaseProblem as error:
        # Its message may quote the row.
        logger.error("An event could not be stored: %s", type(error).__name__)  # noqa: TRY400
        return JsonResponse({"status": "try again"}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    if received.is_waiting:
        dispatch.wake(found.instance_id, received.lane)
    return JsonResponse({"status": "ok"})


@sensitive_variables()
def _authentic(public_id: UUID, secret: str) -> Webhook:
    found = (
        Webhook.objects.select_related("instance")
        .only("secret_hash", "previous_secret_hash", "previous_secret_expires_at", "instance__vzaps_id")
        .filter(public_id=public_id)
        .first()
    )
    # The same work for an unknown id, so that its answer takes as long.
    matches = crypto.matches(secret, *(_NOBODYS_HASHES if found is None else found.accepted_hashes()))
    if found is None or not matches:
        raise _Refused(HTTPStatus.NOT_FOUND)
    return found


def _read(request: HttpRequest, limit: int) -> bytes:
    """The body up to ``limit`` bytes. From the stream: ``request.body`` has another limit, for forms."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    announced = _announced_length(request)
    if announced is not None and announced > limit:
        raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    read = request.read
    if announced is None and isinstance(request, WSGIRequest):
        # Django takes a body of unknown length for an empty one.
        if request.environ.get("wsgi.input_terminated"):
            read = request.environ["wsgi.input"].read
        elif "Transfer-Encoding" in request.headers:
            raise _Refused(HTTPStatus.LENGTH_REQUIRED)
    parts, size = [], 0
    try:
        while part := read(min(_CHUNK, limit + 1 - size)):
            parts.append(part)
            size += len(part)
            if size > limit:
                raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except (UnreadablePostError, OSError):
        raise _Refused(HTTPStatus.BAD_REQUEST) from None
    if announced is not None and size < announced:  # the sender hung up midway
        raise _Refused(HTTPStatus.BAD_REQUEST)
    return b"".join(parts)


def _announced_length(request: HttpRequest) -> int | None:
    """The Content-Length; None for a chunked body."""
    length = request.headers.get("Content-Length", "")
    # Python refuses to read a number of thousands of digits; the first ones tell enough.
    return int(length[:20]) if length.isascii() and length.isdigit() else None
