"""The URL that VZaps posts events to."""

from __future__ import annotations

import logging
from functools import cache, partial
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.core.handlers.wsgi import WSGIRequest
from django.db import Error as DatabaseProblem
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse, UnreadablePostError
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables

from django_vzaps import conf, crypto
from django_vzaps.events import dispatch, storing
from django_vzaps.models import Webhook
from django_vzaps.models.webhook import Receiver
from django_vzaps.services import self_test, webhooks

logger = logging.getLogger("django_vzaps.webhook")

_NOBODYS_HASHES: Final = ("0" * 64, "")
_CHUNK: Final = 64 * 1024
_METHODS: Final = ["POST", "GET", "HEAD"]


class _Refused(Exception):
    def __init__(self, status: HTTPStatus) -> None:
        self.status = status


@csrf_exempt
@login_not_required
@transaction.non_atomic_requests
@sensitive_variables()
def webhook(request: HttpRequest, *, public_id: UUID, secret: str) -> HttpResponse:
    """Store the event in the body and answer; handling it is left to a worker (API.md section 6).

    404 for an unknown URL and for a sender that is not let in, whatever is wrong with it, without reading the body;
    400, 411, 413 or 415 for a body that cannot be read; 503 where the database did not take it. Any other authentic
    body is kept and answered with 200. A probe (GET, HEAD) of the right URL is told that it is the right one. The
    test of :mod:`~django_vzaps.services.self_test` passes through the same doors, and gets in with its own body only.
    """
    if request.method not in _METHODS:
        return HttpResponseNotAllowed(_METHODS)
    current = conf.current()
    try:
        if current.webhook_allowed_networks:
            _let_in(request, current.webhook_allowed_networks)
        found, test_id = _authentic(public_id, secret)
        if request.method != "POST":
            return _never_cached(JsonResponse({"status": "ready"}))
        body = _read(request, current.webhook_max_bytes)
        if current.webhook_verifier:
            _verify(request, body, found.webhook_id, current.webhook_verifier)
        if test_id:
            _take_in_test(found, test_id, body)
            return _never_cached(JsonResponse({"status": "ok"}))
        received = storing.receive(
            body,
            instance_id=found.instance_id,
            vzaps_id=found.vzaps_id,
            named=request.META.get("HTTP_X_INSTANCE_ID", ""),
        )
        webhooks.note_arrival(found, secret)
    except _Refused as refused:
        return _never_cached(JsonResponse({"status": refused.status.phrase.lower()}, status=refused.status))
    except DatabaseProblem as error:
        # Its message may quote the row.
        logger.error("An event could not be stored: %s", type(error).__name__)  # noqa: TRY400
        return JsonResponse({"status": "try again"}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    if received.is_waiting:
        dispatch.wake(found.instance_id, received.lane)
    return JsonResponse({"status": "ok"})


def _never_cached(answer: HttpResponse) -> HttpResponse:
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _let_in(request: HttpRequest, allowed: tuple[str, ...]) -> None:
    """Refuse, as an unknown URL, who does not come from one of these networks."""
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:  # a socket of this machine
        logger.warning("An event was refused: the address of its sender is not known.")
        raise _Refused(HTTPStatus.NOT_FOUND) from None
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    if not any(address in network for network in _networks(allowed)):
        logger.warning('An event from %s was refused: see VZAPS["WEBHOOK_ALLOWED_NETWORKS"].', address)
        raise _Refused(HTTPStatus.NOT_FOUND)


@cache
def _networks(allowed: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(network) for network in allowed)


@sensitive_variables()
def _verify(request: HttpRequest, body: bytes, webhook_id: int, verifier: str) -> None:
    """Ask the project's verifier; refuse, as an unknown URL, what it does not take for authentic."""
    found = Webhook.objects.select_related("instance").filter(pk=webhook_id).first()
    if found is None:  # deleted meanwhile
        raise _Refused(HTTPStatus.NOT_FOUND)
    try:
        is_authentic = import_string(verifier)(request, body, found)
    except Exception:
        # Neither authentic nor forged: nothing is stored, and VZaps' delivery log keeps it.
        logger.exception('VZAPS["WEBHOOK_VERIFIER"] failed')
        raise _Refused(HTTPStatus.SERVICE_UNAVAILABLE) from None
    if not is_authentic:
        logger.warning('An event for %s was refused by VZAPS["WEBHOOK_VERIFIER"].', found.instance.vzaps_id)
        raise _Refused(HTTPStatus.NOT_FOUND)


@sensitive_variables()
def _authentic(public_id: UUID, secret: str) -> tuple[Receiver, str]:
    """What is known of the webhook, and the id of the test where that is what comes."""
    found = Webhook.objects.receiver(public_id)
    # The same work for an unknown id, so that its answer takes as long.
    hashes = _NOBODYS_HASHES if found is None else (found.secret_hash, found.previous_secret_hash)
    matches = crypto.matches(secret, *hashes)
    test_id = "" if matches else self_test.named_in(public_id, secret)
    if found is None or not (matches or test_id):
        raise _Refused(HTTPStatus.NOT_FOUND)
    return found, test_id


def _take_in_test(found: Receiver, test_id: str, body: bytes) -> None:
    if not self_test.take_in(found.instance_id, test_id, body):
        raise _Refused(HTTPStatus.BAD_REQUEST)


def _read(request: HttpRequest, limit: int) -> bytes:
    """The body up to ``limit`` bytes. From the stream: ``request.body`` has another limit, for forms."""
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in ("", "identity"):
        raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    announced = _announced_length(request)
    if announced is not None and announced > limit:
        raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    read = request.read
    if announced is None and isinstance(request, WSGIRequest):
        # Django takes a body of unknown length for an empty one.
        if request.environ.get("wsgi.input_terminated"):
            read = partial(_read_chunked, request.environ["wsgi.input"])
        elif "HTTP_TRANSFER_ENCODING" in request.META:
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


def _read_chunked(stream: Any, size: int) -> bytes:
    try:
        return bytes(stream.read(size))
    except Exception as error:
        # Each server has its own for what is not chunked as it should be.
        raise UnreadablePostError(*error.args) from error


def _announced_length(request: HttpRequest) -> int | None:
    """The Content-Length; None for a chunked body."""
    length = request.META.get("CONTENT_LENGTH") or ""
    # Python refuses to read a number of thousands of digits; the first ones tell enough.
    return int(length[:20]) if length.isascii() and length.isdigit() else None
