"""Whose instances are whose: ``VZAPS["INSTANCE_SCOPE"]``, applied wherever a user looks at or changes something."""

from __future__ import annotations

from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model, Q, QuerySet
from django.utils.module_loading import import_string

from django_vzaps import conf

Row = TypeVar("Row", bound=Model)


def is_set() -> bool:
    """Whether the project limits who sees which instances."""
    return bool(conf.current().instance_scope)


def limited(user: Any, instances: QuerySet[Row]) -> QuerySet[Row]:
    """Those of ``instances`` that ``user`` may see: all of them where the project sets no scope.

    The system (None) sees everything. Raises ``ImproperlyConfigured`` where the setting is no scope: nothing is shown
    by mistake.
    """
    scope = conf.current().instance_scope
    if not scope or user is None:
        return instances
    limit = import_string(scope) if isinstance(scope, str) else scope
    found = limit(user, instances)
    if not isinstance(found, QuerySet) or found.model is not instances.model:
        raise ImproperlyConfigured('VZAPS["INSTANCE_SCOPE"] must return a queryset of instances.')
    return found


def about(user: Any, rows: QuerySet[Row], instances: QuerySet[Any], *, lookup: str = "instance") -> QuerySet[Row]:
    """Those of ``rows`` that are about instances which ``user`` may see; all of them where the project sets no scope.

    ``lookup`` leads from a row to its instance. A row about no instance is nobody's, and left out.
    """
    if not is_set() or user is None:
        return rows
    return rows.filter(Q(**{f"{lookup}__in": limited(user, instances).order_by().values("pk")}))
