"""Who sees which alerts."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from django_vzaps import scope
from django_vzaps.models import Alert, Instance


def visible(user: Any, alerts: QuerySet[Alert]) -> QuerySet[Alert]:
    """All of them where the project sets no scope; else those about what the user sees.

    An account is what they see an instance of. What is about the whole site is then nobody's: it names other tenants'.
    """
    if not scope.is_set() or user is None:
        return alerts
    instances = scope.limited(user, Instance.objects.all()).order_by()
    of_account = Q(instance__isnull=True, account__in=instances.values("account"))
    return alerts.filter(Q(instance__in=instances.values("pk")) | of_account)
