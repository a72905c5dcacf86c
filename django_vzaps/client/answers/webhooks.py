"""The configured webhook, and VZaps' own record of what it delivered (API.md section 5)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

from ...secret import MASK
from ..errors import VZapsAnswerError
from ..fields import Fields, logger, plain, without_urls

#: What the rows of a page, and the payload in a row, may be called: documented is only the first of each.
_ROWS: Final = ("content", "items", "logs", "data", "results", "records", "rows")
_PAYLOAD: Final = ("payload", "request_payload", "request_body", "body", "json_data", "event_data", "data", "content")
_PLAIN_PAYLOAD: Final = frozenset(plain(name) for name in _PAYLOAD)
_EMPTY: Final[tuple[Any, ...]] = (None, "", {}, [])

#: Where a record of a request may have what was posted, and how deep.
_IN_A_REQUEST: Final = ("body", "payload", "data")
_DEEPEST: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """Where VZaps sends events, and which (API.md sections 5.1 and 5.2).

    ``webhook`` carries the secret of the receiver in its path, so it is not shown by ``repr`` and masked in ``raw``.
    """

    webhook: str | None = field(repr=False)
    events: tuple[str, ...]
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, answer: Any) -> Self:
        return cls._read(Fields.of(answer, "the webhook settings"))

    @classmethod
    def of_change(cls, answer: Any) -> Self:
        return cls._read(Fields.of_change(answer, "the webhook settings"))

    @classmethod
    def _read(cls, fields: Fields) -> Self:
        return cls(
            webhook=fields.text("webhook", "webhook_url"),
            events=fields.names("subscribe", "events", "events_subscribe"),
            raw=fields.raw,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookLog:
    """One delivery as VZaps recorded it (API.md section 5.3; the names of its fields are not documented).

    ``payload`` is what was sent to the receiver, as VZaps keeps it: an object or JSON text, under a known name or
    under any that has what looks like an event; None where there is nothing. ``raw`` is without it, and without any
    URL: the receiver's carries a secret.
    """

    id: str
    status: str | None
    payload: Any = field(repr=False)
    attempts: int | None
    created_at: datetime | None
    event_type: str | None
    response_code: int | None
    """What the receiver answered, as HTTP has it."""
    error: str | None
    """Why it failed, in VZaps' words, without any URL."""
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, answer: Any) -> Self:
        """Raises VZapsAnswerError when the answer is no log with an id."""
        return cls._read(Fields.of(answer, "a delivery log"))

    @classmethod
    def _read(cls, fields: Fields) -> Self:
        log_id = fields.text("id", "log_id", "uuid", "delivery_id", "webhook_log_id", "message_log_id")
        if log_id is None:
            raise VZapsAnswerError("VZaps sent a delivery log without an id.")
        attempts = fields.value("attempts")
        return cls(
            id=log_id,
            status=fields.text("status", "state", "result", "delivery_status"),
            payload=_payload(fields),
            attempts=len(attempts) if isinstance(attempts, list) else fields.integer("attempts"),
            created_at=fields.moment("created_at", "sent_at", "delivered_at", "attempted_at", "timestamp", "date"),
            event_type=fields.text("event_type", "event_name", "event", "type"),
            response_code=fields.integer("response_code", "response_status", "status_code", "http_status", "http_code"),
            error=without_urls(fields.text("error", "error_message", "last_error", "reason", "message")),
            raw=without_urls({key: MASK if _is_payload(key, value) else value for key, value in fields.raw.items()}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookLogPage:
    """One page of the delivery log. ``page``, ``size``, ``total`` and ``total_pages`` are None when not told."""

    page: int | None
    size: int | None
    total: int | None
    total_pages: int | None
    content: tuple[WebhookLog, ...]
    without_id: int
    """How many rows were left out because no id could be found in them."""
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, answer: Any) -> Self:
        """A row without an id is logged and left out. Raises VZapsAnswerError when there is no list of rows at all."""
        fields = Fields.of(answer, "a page of the delivery log")
        content, without_id = [], 0
        name = next((name for name in _ROWS if fields.has(name)), _ROWS[0])
        for row in fields.rows(name, "delivery logs"):
            try:
                content.append(WebhookLog._read(row))
            except VZapsAnswerError:
                without_id += 1
                logger.warning("VZaps listed a delivery log without an id; it was left out.")
        return cls(
            page=fields.integer("page"),
            size=fields.integer("size", "page_size"),
            total=fields.integer("total", "total_elements", "total_items", "total_count"),
            total_pages=fields.integer("total_pages"),
            content=tuple(content),
            without_id=without_id,
            raw=fields.raw_without(name),
        )


def _payload(fields: Fields) -> Any:
    known = [value for name in _PAYLOAD if (value := fields.value(name)) not in _EMPTY]
    events = (_event_in(value) for value in (*known, *fields.values()))
    return next((event for event in events if event is not None), known[0] if known else None)


def _is_payload(name: str, value: Any) -> bool:
    return plain(name) in _PLAIN_PAYLOAD or _event_in(value) is not None


def _event_in(value: Any, depth: int = _DEEPEST) -> Any:
    """The body of an event in a value, as it is there: the value itself, or part of it; None where there is none."""
    read = _decoded(value)
    if not isinstance(read, Mapping) or not depth:
        return None
    fields = Fields(read)
    if _is_event(fields):
        return value
    inner = (_event_in(fields.value(name), depth - 1) for name in _IN_A_REQUEST)
    return next((event for event in inner if event is not None), None)


def _is_event(fields: Fields) -> bool:
    # Not by a type alone: that may be the type of an error, or of anything else.
    return any(isinstance(_decoded(fields.value(name)), Mapping) for name in ("event", "json_data"))


def _decoded(value: Any) -> Any:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
