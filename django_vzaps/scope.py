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

    The system (None) sees everything. Whatever kind of queryset the scope returns, the answer can be filtered, ordered,
    locked and counted, and has each instance once. Raises ``ImproperlyConfigured`` where the setting is no scope:
    nothing is shown by mistake.
    """
    scope = conf.current().instance_scope
    if not scope or user is None:
        return instances
    limit = import_string(scope) if isinstance(scope, str) else scope
    found = limit(user, instances)
    if not isinstance(found, QuerySet) or found.model is not instances.model:
        raise ImproperlyConfigured('VZAPS["INSTANCE_SCOPE"] must return a queryset of instances.')
    query = found.query
    if query.combinator or query.is_sliced or query.distinct_fields:
        # Nothing can be filtered further there, nor asked for within another query on every database.
        # Of a union, rows in no order: within one, not every database allows any.
        rows = limit(user, instances.order_by()) if query.combinator else found
        return instances.filter(pk__in=list(rows.values_list("pk", flat=True)))
    if query.distinct or query.annotations or len(query.alias_map) > 1:
        # Joins show a row twice; what is distinct or grouped cannot be locked, and has columns of its own.
        return instances.filter(pk__in=found.order_by().values("pk"))
    return found


def about(
    user: Any, rows: QuerySet[Row], instances: QuerySet[Any], *, lookup: str = "instance", actor_lookup: str = ""
) -> QuerySet[Row]:
    """Those of ``rows`` that are about instances which ``user`` may see; all of them where the project sets no scope.

    ``lookup`` leads from a row to its instance. A row about no instance is nobody's, and left out, but for whom
    ``actor_lookup`` leads to, where it is given.
    """
    if not is_set() or user is None:
        return rows
    seen = Q(**{f"{lookup}__in": limited(user, instances).order_by().values("pk")})
    if actor_lookup:
        seen |= Q(**{f"{lookup}__isnull": True, actor_lookup: user.pk})
    return rows.filter(seen)
