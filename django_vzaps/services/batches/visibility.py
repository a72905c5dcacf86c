"""Who sees which batches, and what of them."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from django_vzaps import scope
from django_vzaps.models import Batch, BatchItem, Instance


def may_see(user: Any, batch: Batch) -> bool:
    """Whether it is the user's own, or they may see those of others."""
    return bool(batch.actor_id == user.pk or user.has_perm("django_vzaps.view_batch"))


def visible(user: Any, batches: QuerySet[Batch]) -> QuerySet[Batch]:
    """One's own; with the permission those of others, as far as they are about what one may see."""
    own = Q(actor=user.pk)
    if not user.has_perm("django_vzaps.view_batch"):
        return batches.filter(own)
    if not scope.is_set():
        return batches
    return batches.filter(own | Exists(visible_items(user).filter(batch=OuterRef("pk"))))


def visible_items(user: Any) -> QuerySet[BatchItem]:
    """What the user may see of any batch: instances in their scope, and accounts where they may see these."""
    items = BatchItem.objects.all()
    if not scope.is_set():
        return items
    instances = scope.limited(user, Instance.objects.all()).order_by().values("pk")
    accounts = Q(account__isnull=False)
    if not user.has_perm("django_vzaps.view_account"):
        accounts &= Q(batch__actor=user.pk)
    return items.filter(Q(instance__in=instances) | accounts)
