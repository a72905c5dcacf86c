"""Webhook configuration and the delivery log (API.md section 5)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from django_vzaps.testing.clock import rfc3339
from django_vzaps.testing.routes.instances import valid_events, valid_url
from django_vzaps.testing.routes.table import route
from django_vzaps.testing.routes.tokens import instance_of
from django_vzaps.testing.state import FakeInstance, LogEntry
from django_vzaps.testing.wire import Answer, Refusal, Request

if TYPE_CHECKING:
    from django_vzaps.testing.fake import FakeVZaps


@route("webhook_get", "GET", "/instances/{id}/webhook")
def get(fake: FakeVZaps, request: Request) -> Answer:
    """Where events go, and which."""
    instance = instance_of(fake, request)
    return _envelope({"webhook": instance.webhook, "subscribe": instance.events})


@route("webhook_set", "POST", "/instances/{id}/webhook")
def set_webhook(fake: FakeVZaps, request: Request) -> Answer:
    """Change the URL and, where the body has ``events``, the list; without them the list stays as it is."""
    body = request.json()
    instance = instance_of(fake, request)
    url = valid_url(body.get("webhookURL", body.get("webhook_url")))
    events = valid_events(body["events"]) if body.get("events") is not None else instance.events
    instance.webhook, instance.events, instance.updated_at = url, events, fake.clock()
    return _envelope({"webhook": url, "events": ",".join(events)})


@route("logs_search", "POST", "/instances/{id}/webhook/logs/search")
def search_logs(fake: FakeVZaps, request: Request) -> Answer:
    """Deliveries, newest first, by ``status`` if asked. Filters and paging keys beyond that are our guess."""
    body = request.json()
    instance = instance_of(fake, request)
    page, size = body.get("page", 1), body.get("size", body.get("page_size", 20))
    if not isinstance(page, int) or not isinstance(size, int) or page < 1 or size < 1:
        raise Refusal(400, "validation_error", "page and size must be numbers from 1.")
    wanted = body.get("status")
    found = [entry for entry in reversed(instance.logs) if wanted in (None, "", entry.status)]
    rows = found[(page - 1) * size : page * size]
    answer = {
        "page": page,
        "size": size,
        "total": len(found),
        "total_pages": math.ceil(len(found) / size),
        "content": [_shown(entry) for entry in rows],
    }
    return _envelope({key: value for key, value in answer.items() if key not in fake.variants.omit_from_list})


@route("log_get", "GET", "/instances/{id}/webhook/logs/{log_id}")
def get_log(fake: FakeVZaps, request: Request) -> Answer:
    """One delivery."""
    return _envelope(_shown(_entry(instance_of(fake, request), request)))


@route("log_retry", "POST", "/instances/{id}/webhook/logs/{log_id}/retry")
def retry_log(fake: FakeVZaps, request: Request) -> Answer:
    """Deliver once more, to the URL that is configured now."""
    instance = instance_of(fake, request)
    entry = _entry(instance, request)
    fake.deliveries.retry(instance, entry)
    return _envelope({"id": entry.id, "status": "queued"})


def _entry(instance: FakeInstance, request: Request) -> LogEntry:
    for entry in instance.logs:
        if entry.id == request.parameters["log_id"]:
            return entry
    raise Refusal(404, "log_not_found", "There is no such delivery.")


def _shown(entry: LogEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "status": entry.status,
        "event_type": entry.event_type,
        "url": entry.url,
        "attempts": entry.attempts,
        "response_code": entry.response_code,
        "error": entry.error or None,
        "payload": entry.payload,
        "created_at": rfc3339(entry.created_at),
    }


def _envelope(data: dict[str, Any]) -> Answer:
    return Answer.json({"code": 200, "success": True, "data": data})
