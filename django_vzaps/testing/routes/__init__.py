"""The service's routes, one module per resource, and the table they are found in."""

from __future__ import annotations

from django_vzaps.testing.routes import billing, instances, messages, sessions, tokens, webhooks
from django_vzaps.testing.routes.table import ROUTES, Route, find

__all__ = ["ROUTES", "Route", "billing", "find", "instances", "messages", "sessions", "tokens", "webhooks"]
