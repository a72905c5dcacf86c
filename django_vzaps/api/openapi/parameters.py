"""What stands in the path, in the query string and in the headers of a request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import django_filters
from drf_spectacular.utils import OpenApiExample, OpenApiParameter

from django_vzaps.api.filters import KeyFilter, MomentFilter
from django_vzaps.api.idempotency import HEADER, PATTERN
from django_vzaps.api.openapi.examples import BATCH_ID, INSTANCE_ID, KEY
from django_vzaps.api.pagination import LARGEST_PAGE, Cursors, Pages

_KEY_IN_ROW: Final = {"type": "integer", "format": "int64", "minimum": 1}
_PATHS: Final[Mapping[str, tuple[dict[str, Any], str, Any]]] = {
    "vzaps_id": ({"type": "string", "minLength": 1, "pattern": r"^[^/]+$"}, "The instance's VZaps id.", INSTANCE_ID),
    "log_id": ({"type": "string", "minLength": 1}, "The `id` of a delivery in VZaps' log.", "whl_71b2"),
    "public_id": ({"type": "string", "format": "uuid"}, "The batch's `id`.", BATCH_ID),
    "id": (_KEY_IN_ROW, "Its `id`.", 1),
    "pk": (_KEY_IN_ROW, "Its `id`.", 1),  # as it is called where SCHEMA_COERCE_PATH_PK is off
}
_SIZE: Final = (
    "page_size",
    {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE},
    "How many rows a page has.",
)
_ROWS: Final[Mapping[type, list[tuple[str, dict[str, Any], str]]]] = {
    Pages: [("page", {"type": "integer", "minimum": 1, "maximum": 10**9 - 1, "default": 1}, "Which page."), _SIZE],
    Cursors: [("cursor", {"type": "string"}, "Where the page begins: take it from `next` or `previous`."), _SIZE],
}
_FILTERS: Final[Mapping[str, str]] = {
    "account": "The id of the account that pays for it.",
    "batch": "The batch that it was part of.",
    "chat": "The chat that it is about, to the letter.",
    "connection": "What can be said of the connection.",
    "kind": "What was asked for.",
    "is_doubtful": "Whether it is called connected, but no event came for much longer than is usual for it.",
    "is_settled": "Whether its outcome, and its effect on billing, is known.",
    "message_id": "The message that it is about.",
    "ordering": "By what the rows are ordered; with `-` before it, backwards.",
    "outcome": "How it ended.",
    "presence": "On VZaps, gone from there, or both. Left out, it is `present`.",
    "received_after": "Received at this moment or later.",
    "received_before": "Received earlier.",
    "started_after": "Begun at this moment or later.",
    "started_before": "Begun earlier.",
    "state": "Where it stands.",
    "subscription": "What VZaps said of the billing.",
    "type": "The type of the event, to the letter.",
    "webhook": "Whether events reach this site.",
}
_LIMITS: Final[Mapping[str, str]] = {
    "despite_subscription": "Delete it although it is or may be paid for.",
    "max_backlog_age": "Seconds that an event may wait to be handled.",
    "max_disconnected": "How many numbers may be disconnected, or not heard of for long.",
    "max_failed_events": "How many events may have failed.",
    "max_sync_age": "Seconds since an account was last synced completely.",
    "max_open_alerts": "How many alerts may be open.",
    "max_unsettled": "How many operations may wait to be settled.",
    "max_untried_age": "Seconds that an event may wait which no handler was offered yet.",
    "page": "Which page of the log.",
    "status": "Those that VZaps calls failed, or all.",
    "watch": "What was answered as `watch` when the pairing began.",
}


def in_path(names: Iterable[str]) -> Iterator[OpenApiParameter]:
    """The parameters of these names."""
    for name in names:
        schema, means, example = _PATHS[name]
        yield OpenApiParameter(
            name,
            schema,
            OpenApiParameter.PATH,
            description=means,
            required=True,
            examples=[OpenApiExample("For example", value=example)],
        )


def of_serializer(schema: Mapping[str, Any]) -> Iterator[OpenApiParameter]:
    """What a serializer with this schema takes in the query string."""
    for name, field in schema.get("properties", {}).items():
        yield _in_query(name, field, _LIMITS[name], required=name in schema.get("required", []))


def of_filters(filterset: Any) -> Iterator[OpenApiParameter]:
    """What a list can be filtered by."""
    for name, each in filterset.base_filters.items():
        means = str(each.extra.get("label") or each.label or _FILTERS[name])
        if isinstance(each, django_filters.OrderingFilter):
            values = [f"{sign}{key}" for key in each.param_map.values() for sign in ("", "-")]
            schema = {"type": "array", "items": {"type": "string", "enum": values}, "minItems": 1}
            yield _in_query(name, schema, means, style="form", explode=False)
        else:
            yield _in_query(name, _filter_schema(each), means)


def of_pages(pagination_class: Any) -> Iterator[OpenApiParameter]:
    """Which page of a list."""
    for name, schema, means in _ROWS[pagination_class] if pagination_class else ():
        default = {"default": pagination_class.page_size} if name == "page_size" else {}
        yield _in_query(name, schema | default, means)


def key() -> OpenApiParameter:
    """The header by which a program says that it asks for the same thing again."""
    return OpenApiParameter(
        HEADER,
        {"type": "string", "pattern": PATTERN, "minLength": 1, "maxLength": 150},
        OpenApiParameter.HEADER,
        description=(
            "Anything that you never used for something else, such as a UUID. Asked again under the same key, the "
            "answer is what became of the first request, and nothing is done twice."
        ),
        examples=[OpenApiExample("For example", value=KEY)],
    )


def _in_query(name: str, schema: Mapping[str, Any], means: str, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(name, dict(schema), OpenApiParameter.QUERY, description=means, **more)


def _filter_schema(each: Any) -> dict[str, Any]:
    match each:
        case django_filters.ChoiceFilter():
            return {"type": "string", "enum": [value for value, _label in each.extra["choices"]]}
        case django_filters.UUIDFilter():
            return {"type": "string", "format": "uuid"}
        case KeyFilter():
            return {"type": "integer", "format": "int64", "minimum": 1, "maximum": 10**18 - 1}
        case MomentFilter():
            return {"type": "string", "format": "date-time"}
        case _:
            return {"type": "string", "minLength": 1}
