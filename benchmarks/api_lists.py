"""The lists of the REST API that lists.py asks for: plain, by each filter and order, searched, and a later page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.utils import timezone

ROOT = "/api/vzaps/"
SEARCHES = {
    "instances": ["Shop Recife", "*lima 7", "+55 (11) 9", "VZ00000100", "nothing like it"],
    "events": ["3EB000000000000A", "551199", "nothing like it"],
}


def queries(instance: str) -> Iterator[tuple[str, str]]:
    """Name and path of each list; ``instance`` is the VZaps id of one whose rows are looked for."""
    from django_vzaps.api import filters

    now = timezone.now()
    lists = {
        "accounts": None,
        "batches": filters.BatchFilters,
        "events": filters.EventFilters,
        "instances": filters.InstanceFilters,
        "operations": filters.OperationFilters,
    }
    yield "api health", f"{ROOT}health/"
    for name, filterset in lists.items():
        yield f"api {name}, plain", f"{ROOT}{name}/"
        for parameter, values in _values(filterset, instance, now).items():
            for value in values:
                yield f"api {name}, {parameter} {value}", f"{ROOT}{name}/?{urlencode({parameter: value})}"
        for words in SEARCHES.get(name, []):
            yield f"api {name}, search {words}", f"{ROOT}{name}/?{urlencode({'search': words})}"
    yield "api instances, page 9", f"{ROOT}instances/?page=9"


def _values(filterset: type | None, instance: str, now: datetime) -> dict[str, list[str]]:
    if filterset is None:
        return {}
    found: dict[str, list[str]] = {}
    for name, filter_ in filterset.base_filters.items():  # type: ignore[attr-defined]
        choices = [value for value, _label in filter_.extra.get("choices", ())]
        if choices:
            found[name] = choices
        elif name == "instance":
            found[name] = [instance]
        elif name.endswith(("_after", "_before")):
            found[name] = [(now - timedelta(days=days)).isoformat() for days in (7, 60)]
        elif name == "type":
            found[name] = ["Message", "Connected"]
    return found
