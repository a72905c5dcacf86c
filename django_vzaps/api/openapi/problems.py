"""Errors, by what can lead to them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import groupby
from typing import Any, Final

from django_vzaps.api.problems import KINDS, TYPE

#: Every operation has these: any of them can be throttled by the project.
EVERYWHERE: Final = frozenset({"invalid", "not-authenticated", "permission-denied", "not-acceptable", "throttled"})
WITH_BODY: Final = frozenset({"not-json", "unsupported-media-type"})
#: Where VZaps is asked while one waits.
ASKING: Final = frozenset(
    {
        "instance-removed",
        "unknown-to-vzaps",
        "vzaps-refused",
        "vzaps-rate-limited",
        "vzaps-credentials-refused",
        "vzaps-unreachable",
        "vzaps-failed",
        "vzaps-timeout",
        "not-configured",
    }
)
#: Where something on VZaps is changed.
CHANGING: Final = ASKING | {"read-only", "change-refused", "operation-in-progress"}
#: Where an idempotency key is taken.
KEYED: Final = frozenset({"operation-failed", "idempotency-key-reused"})


def problem_schema(operation: Mapping[str, Any], nullable: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """What all problems have in common; ``operation`` is the schema of an operation."""
    return {
        "type": "object",
        "description": "A problem as RFC 9457 has it. Members that say nothing here are left out.",
        "properties": {
            "type": {
                "type": "string",
                "format": "uri",
                "description": "What kind of problem it is. It never changes its meaning.",
            },
            "title": {"type": "string", "description": "The kind in words, in the language of the request."},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "description": "What happened this time, and what to do."},
            "errors": {
                "type": "array",
                "description": "What is wrong with the request, one after the other.",
                "items": {
                    "type": "object",
                    "properties": {
                        "in": {"type": "string", "enum": ["body", "query", "header"]},
                        "field": {
                            "type": "string",
                            "description": "The field at fault, such as `instances.2`; empty for the whole.",
                        },
                        "code": {"type": "string"},
                        "detail": {"type": "string"},
                    },
                    "required": ["in", "field", "code", "detail"],
                },
            },
            "operation": operation,
            "vzaps": {
                "type": "object",
                "description": "What VZaps answered.",
                "properties": {
                    "status": nullable({"type": "integer"}),
                    "code": nullable({"type": "string"}),
                    "message": nullable({"type": "string"}),
                    "request_id": nullable({"type": "string"}),
                },
                "required": ["status", "code", "message", "request_id"],
            },
            "retry_after": {"type": "integer", "minimum": 1, "description": "In so many seconds, as `Retry-After`."},
        },
        "required": ["type", "title", "status", "detail"],
    }


def by_status(kinds: Collection[str]) -> dict[int, list[str]]:
    """Which kinds are answered with which status."""
    in_order = sorted(kinds, key=lambda kind: (KINDS[kind].status, list(KINDS).index(kind)))
    return {status: list(group) for status, group in groupby(in_order, key=lambda kind: KINDS[kind].status)}


def in_words(kinds: Collection[str]) -> str:
    """What these kinds are called."""
    return "; ".join(str(KINDS[kind].title) for kind in kinds) + "."


def example(kind: str) -> dict[str, Any]:
    """A problem of this kind."""
    title = str(KINDS[kind].title)
    detail = _DETAILS.get(kind, f"{title}.")
    return {
        "type": TYPE + kind,
        "title": title,
        "status": KINDS[kind].status,
        "detail": detail,
        **_MORE.get(kind, {}),
    }


_DETAILS: Final[Mapping[str, str]] = {
    "invalid": "name: This field is required.",
    "not-authenticated": "Authentication credentials were not provided.",
    "permission-denied": "This takes the permission django_vzaps.view_instance + django_vzaps.bill_instance.",
    "not-found": "There is nothing here, or nothing that you may see.",
    "vzaps-refused": "VZaps did not accept the values. Correct them and try again. (VZaps says: name is too long)",
    "vzaps-timeout": "VZaps did not answer in time.",
    "throttled": "Request was throttled. Expected available in 42 seconds.",
}
_MORE: Final[Mapping[str, Mapping[str, Any]]] = {
    "invalid": {
        "errors": [{"in": "body", "field": "name", "code": "required", "detail": "This field is required."}],
    },
    "vzaps-refused": {
        "vzaps": {"status": 422, "code": "VALIDATION_ERROR", "message": "name is too long", "request_id": "req_9c1f"},
    },
    "throttled": {"retry_after": 42},
}
