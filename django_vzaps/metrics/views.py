"""The URL that Prometheus scrapes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus

from django.contrib.auth.decorators import login_not_required
from django.db import Error as DatabaseProblem
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import cache_control
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_safe

from django_vzaps import conf

logger = logging.getLogger("django_vzaps.metrics")


@login_not_required
@transaction.non_atomic_requests
@cache_control(no_store=True)
@require_safe
@sensitive_variables()
def metrics(request: HttpRequest) -> HttpResponse:
    """The metrics of :mod:`~django_vzaps.metrics.collector`, in the format that the scraper prefers.

    404 where ``VZAPS["METRICS_TOKEN"]`` is empty; 401 for whoever does not send it as a bearer token; 501 without
    prometheus-client; 503 where the database cannot be read, so that Prometheus' own ``up`` is 0.
    """
    token = conf.current().metrics_token
    if not token:
        return _refused(HTTPStatus.NOT_FOUND, "Not found.")
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not constant_time_compare(given.strip(), token):
        return _refused(HTTPStatus.UNAUTHORIZED, "The bearer token is wrong.", {"WWW-Authenticate": "Bearer"})
    try:
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import choose_encoder

        from django_vzaps.metrics.collector import SiteCollector
    except ModuleNotFoundError:
        why = 'prometheus-client is not installed: python -m pip install "django-vzaps[metrics]"'
        return _refused(HTTPStatus.NOT_IMPLEMENTED, why)
    registry = CollectorRegistry()
    registry.register(SiteCollector())
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    try:
        return HttpResponse(encode(registry), content_type=content_type)
    except DatabaseProblem as error:
        # Its message may name the server and the user.
        logger.error("The metrics could not be read: %s", type(error).__name__)  # noqa: TRY400
        return _refused(HTTPStatus.SERVICE_UNAVAILABLE, "The database cannot be read.")


def _refused(status: HTTPStatus, why: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return HttpResponse(f"{why}\n", status=status, content_type="text/plain; charset=utf-8", headers=headers)
