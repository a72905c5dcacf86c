"""Addresses within the API, wherever and under whatever name it is mounted."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from rest_framework.request import Request


def link(request: Request, name: str, *args: Any) -> str:
    """The absolute URL of a route of :mod:`django_vzaps.api.urls`."""
    match = request.resolver_match
    namespace = match.namespace if match is not None else ""
    return request.build_absolute_uri(reverse(f"{namespace}:{name}" if namespace else name, args=args))
