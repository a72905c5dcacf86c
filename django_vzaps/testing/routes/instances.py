"""Instances (API.md sections 3.1 to 3.8)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django_vzaps.testing.clock import rfc3339
from django_vzaps.testing.routes import billing, sessions
from django_vzaps.testing.routes.table import route
from django_vzaps.testing.routes.tokens import instance_of
from django_vzaps.testing.state import EVENT_NAMES, FakeInstance
from django_vzaps.testing.wire import Answer, Refusal, Request

if TYPE_CHECKING:
    from django_vzaps.testing.fake import FakeVZaps

DEFAULT_PAGE_SIZE = 20

SORT_KEYS: dict[str, Callable[[FakeInstance], tuple[Any, int]]] = {
    "createdAt": lambda instance: (instance.created_at, instance.number),
    "updatedAt": lambda instance: (instance.updated_at, instance.number),
    "name": lambda instance: (instance.name.casefold(), instance.number),
}


@route("create", "PUT", "/instances/create", "owner")
def create(fake: FakeVZaps, request: Request) -> Answer:
    """Make an instance. Nothing makes a repeat harmless: sent twice, it makes two."""
    body = request.json()
    events = body.get("events_subscribe", body.get("eventsSubscribe"))
    assert request.caller is not None  # noqa: S101 - the route takes an access token
    instance = fake.add_instance(
        name=valid_name(body.get("name")),
        account=request.caller,
        webhook=valid_url(body["webhook"]) if body.get("webhook") else "",
        events=valid_events(events) if events is not None else (),
        reject_calls=valid_flag(body, "reject_calls"),
        auto_read_messages=valid_flag(body, "auto_read_messages"),
        labels=valid_labels(body),
    )
    return Answer.json(summary(fake, instance), fake.variants.created_status)


@route("list", "POST", "/instances/list", "owner")
def list_page(fake: FakeVZaps, request: Request) -> Answer:
    """One page of the caller's instances, newest first unless asked otherwise. Past the last page it is empty."""
    body = request.json()
    page, size = _positive(body, "page", 1), _positive(body, "size", DEFAULT_PAGE_SIZE)
    size = min(size, fake.variants.max_page_size or size)
    found = _search([item for item in fake.instances.values() if item.account is request.caller], body.get("filter"))
    sort = {"created_at": "createdAt", "updated_at": "updatedAt"}.get(key := body.get("sort") or "createdAt", key)
    if sort not in SORT_KEYS:
        raise Refusal(400, "validation_error", f"sort must be one of {', '.join(SORT_KEYS)}.")
    descending = body.get("sortDesc", body.get("sort_desc", not body.get("sort")))
    found.sort(key=SORT_KEYS[sort], reverse=bool(descending))
    rows = found[(page - 1) * size : page * size]
    connected = sum(item.connected for item in found)
    answer = {
        "page": page,
        "size": size,
        "total": len(found),
        "total_pages": math.ceil(len(found) / size),
        "content": [summary(fake, item) for item in rows],
        "summary": {"total": len(found), "connected": connected, "disconnected": len(found) - connected},
    }
    return Answer.json({key: value for key, value in answer.items() if key not in fake.variants.omit_from_list})


@route("get", "POST", "/instances/get", "owner")
def get(fake: FakeVZaps, request: Request) -> Answer:
    """One instance, by the id in the body."""
    if not isinstance(request.json().get("id"), str):
        raise Refusal(400, "validation_error", "id is required.")
    return Answer.json(summary(fake, instance_of(fake, request)))


@route("update", "PATCH", "/instances/{id}")
def update(fake: FakeVZaps, request: Request) -> Answer:
    """Change what the body names: ``name``, ``reject_calls``, ``auto_read_messages``, ``labels``."""
    body = request.json()
    if not body:
        raise Refusal(400, "validation_error", "The body names nothing to change.")
    instance = instance_of(fake, request)
    name = valid_name(body["name"]) if "name" in body else instance.name
    reject_calls = valid_flag(body, "reject_calls", instance.reject_calls)
    auto_read_messages = valid_flag(body, "auto_read_messages", instance.auto_read_messages)
    labels = valid_labels(body, instance.labels)
    instance.name, instance.labels = name, labels
    instance.reject_calls, instance.auto_read_messages = reject_calls, auto_read_messages
    instance.updated_at = fake.clock()
    return Answer.json(summary(fake, instance))


@route("delete", "DELETE", "/instances/{id}")
def delete(fake: FakeVZaps, request: Request) -> Answer:
    """Remove an instance. What becomes of its subscription is undocumented; here it simply ends."""
    del fake.instances[instance_of(fake, request).id]
    return Answer(status=204)


@route("restart", "POST", "/instances/{id}/restart")
def restart(fake: FakeVZaps, request: Request) -> Answer:
    """Start the instance's worker anew; one that is paired comes back connected."""
    instance = instance_of(fake, request)
    sessions.come_back(fake, instance)
    return Answer.json({"instance_id": instance.id, "status": "restarting", "details": "Instance restart requested."})


def summary(fake: FakeVZaps, instance: FakeInstance) -> dict[str, Any]:
    """An instance as create, list, get and update show it (API.md section 3.2)."""
    variants, commercial = fake.variants, billing.shown(instance)
    shown: dict[str, Any] = {
        "id": instance.id,
        "name": instance.name,
        "token": instance.token,
        "url": f"https://app.vzaps.com/instances/{instance.id}",
        "webhook": instance.webhook or None,
        "events_subscribe": instance.events if variants.event_list == "array" else ",".join(instance.events),
        "reject_calls": instance.reject_calls,
        "auto_read_messages": instance.auto_read_messages,
        "labels": instance.labels,
        "connected": instance.connected,
        "connected_at": _moment(instance.connected_at),
        "whatsapp_push_name": instance.push_name or None,
        "whatsapp_jid": instance.whatsapp_jid or None,
        "created_at": _moment(instance.created_at),
        "updated_at": _moment(instance.updated_at),
        "cancel_at": _moment(commercial.cancel_at),
        "expired_at": _moment(commercial.expired_at),
    }
    if not variants.echo_webhook:
        del shown["webhook"]
    keys = ("billing_status", "status") if variants.billing_key == "both" else (variants.billing_key,)
    return shown | dict.fromkeys(keys, commercial.status)


def valid_name(name: object) -> str:
    """A name of 3 to 255 characters (API.md section 3.1)."""
    if not isinstance(name, str) or not 3 <= len(name) <= 255:
        raise Refusal(400, "validation_error", "name must have 3 to 255 characters.")
    return name


def valid_events(events: object) -> list[str]:
    """Event names, from an array or from a text that joins them with commas; each spelled exactly (API.md 5.2)."""
    names = events.split(",") if isinstance(events, str) else events
    if not isinstance(names, list):
        raise Refusal(400, "validation_error", "Events must be an array or names joined by commas.")
    for name in names:
        if name not in EVENT_NAMES:
            raise Refusal(400, "invalid_event", f"{name!r} is not an event name.")
    return list(dict.fromkeys(names))


def valid_url(url: object) -> str:
    """An http or https URL."""
    if not isinstance(url, str) or urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).netloc:
        raise Refusal(400, "validation_error", "The webhook must be an http or https URL.")
    return url


def valid_flag(body: dict[str, Any], key: str, default: bool = False) -> bool:
    """A boolean of the body, or what it was."""
    value = body.get(key, default)
    if not isinstance(value, bool):
        raise Refusal(400, "validation_error", f"{key} must be true or false.")
    return value


def valid_labels(body: dict[str, Any], default: dict[str, Any] | None = None) -> dict[str, Any]:
    """The labels of the body, an object of any shape, or what they were."""
    labels = body.get("labels", default or {})
    if not isinstance(labels, dict):
        raise Refusal(400, "validation_error", "labels must be an object.")
    return labels


def _positive(body: dict[str, Any], key: str, default: int) -> int:
    value = body.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Refusal(400, "validation_error", f"{key} must be a number from 1.")
    return value


def _search(instances: list[FakeInstance], criteria: object) -> list[FakeInstance]:
    query = str(criteria.get("query") or "").strip().casefold() if isinstance(criteria, dict) else ""
    if not query:
        return instances
    return [item for item in instances if query in f"{item.name}\n{item.id}\n{item.phone}".casefold()]


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
