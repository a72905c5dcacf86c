"""Putting requests together, as the vendor's SDK takes them: a mapping, keywords, or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def merged(request: Mapping[str, Any] | None, **keywords: Any) -> dict[str, Any]:
    """``request`` with ``keywords`` over it. None means "not given", in both."""
    return given(**(dict(request) if request is not None else {})) | given(**keywords)


def given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def event_names(events: Sequence[str] | str) -> list[str]:
    """A list of event names; one text may hold several, with commas."""
    names = events.split(",") if isinstance(events, str) else events
    return [name for item in names if (name := item.strip())]
