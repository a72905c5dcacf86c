"""What schemathesis cannot make up: ids that there are. Loaded by it, through SCHEMATHESIS_HOOKS."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any
from zlib import crc32

import schemathesis
from schemathesis import Case, HookContext
from schemathesis.core.parameters import ParameterLocation

#: By what the path calls them; "spare" are the instances that may be lost on the way, "unknown" operations to decide.
KNOWN: dict[str, Sequence[Any]] = json.loads(os.environ["CONTRACT_IDS"])
_numbers = count()
_POOLS = {
    "vzaps_instances_destroy": "spare",
    "vzaps_sessions_disconnect": "spare",
    "vzaps_operations_decide": "unknown",
}


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Most of the made up ids become real ones; what is wrong on purpose stays wrong."""
    if case.meta is None or not case.meta.is_negative_at(ParameterLocation.PATH):
        _replace_path(case)
    if isinstance(case.body, dict):
        _replace_body(case, case.body)
    headers: Any = case.headers or {}
    key = headers.get("Idempotency-Key")
    if _is_text(key, 100) and _chosen(next(_numbers), 10):
        # The description's own example would stand for the first change only.
        headers["Idempotency-Key"] = f"{key}-{next(_numbers)}"


def _replace_path(case: Case[Any]) -> None:
    room = case.operation.path.split("/")[3]
    for key, value in (case.path_parameters or {}).items():
        pool = KNOWN.get(_POOLS.get(_name(case), room if key == "id" else key))
        if pool and value not in pool and _chosen(value, 10):
            case.path_parameters[key] = _one_of(pool, value)
    if (case.path_parameters or {}).get("log_id") in KNOWN["log_id"]:
        case.path_parameters["vzaps_id"] = KNOWN["number"][0]


def _replace_body(case: Case[Any], body: dict[str, Any]) -> None:
    is_valid = case.meta is None or case.meta.generation.mode.is_positive
    match _name(case):
        case "vzaps_instances_create":
            _replace(body, "account", _is_key, KNOWN["accounts"])
            if is_valid:
                body.setdefault("account", KNOWN["accounts"][0])
        case "vzaps_accounts_create" | "vzaps_accounts_partial_update":
            name: Any = body.get("name")
            if _is_text(name, 100) and name.strip() == name:
                number = str(next(_numbers))  # with it, it is a name that there is not
                body["name"] = name[: 100 - len(number)] + number
        case "vzaps_operations_decide" if is_valid:
            body["phase"] = "unknown"
        case "vzaps_batches_create":
            pool = KNOWN["spare" if body.get("kind") == "delete" else "vzaps_id"]
            _replace_items(body, "instances", lambda value: _is_text(value, 255) and "/" not in value, pool)
            _replace_items(body, "accounts", _is_key, KNOWN["accounts"])
    _replace(body, "owner", lambda value: _is_text(value, 254), KNOWN["owner"])


def _name(case: Case[Any]) -> str:
    return str(case.operation.definition.raw.get("operationId"))


def _replace(body: dict[str, Any], name: str, is_valid: Callable[[Any], bool], pool: Sequence[Any]) -> None:
    if name in body and is_valid(body[name]):
        body[name] = _one_of(pool, body[name])


def _replace_items(body: dict[str, Any], name: str, is_valid: Callable[[Any], bool], pool: Sequence[Any]) -> None:
    if isinstance(items := body.get(name), list):
        body[name] = [_one_of(pool, item) if is_valid(item) else item for item in items]


def _is_text(value: Any, most: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= most and "\0" not in value


def _is_key(value: Any) -> bool:
    """In JSON 1.0 is an integer."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 2**63 and value == value // 1


def _chosen(value: Any, one_in: int) -> bool:
    return crc32(repr(value).encode()) % one_in != 0


def _one_of(pool: Sequence[Any], value: Any) -> Any:
    return pool[crc32(repr(value).encode()) % len(pool)]
