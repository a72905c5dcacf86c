"""What is said of an operation in words; its parameters and its body are read off the view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rest_framework.serializers import Serializer

from django_vzaps.api.views.base import APIViewSet


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A success: what it means, the shape of its body, an example of it, and what its ``Location`` names."""

    means: str
    shape: type[Serializer[Any]] | None = None
    is_page: bool = False
    example: Any = None
    location: str = ""


@dataclass(frozen=True, kw_only=True)
class Described:
    """An operation. ``problems`` are kinds beyond those that every operation has; ``bodies`` are examples by name."""

    summary: str
    description: str
    answers: Mapping[int, Answer]
    problems: frozenset[str] = frozenset()
    bodies: Mapping[str, Any] = field(default_factory=dict)
    takes_key: bool = False


#: By view and action.
Descriptions = Mapping[type[APIViewSet], Mapping[str, Described]]
