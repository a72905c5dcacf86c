"""Batches in an answer: each with how far it is, and where to follow one that was started."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rest_framework.response import Response

from django_vzaps import scope
from django_vzaps.api.links import link
from django_vzaps.api.serializers.batches import BatchSerializer
from django_vzaps.api.views.base import APIViewSet
from django_vzaps.models import Batch
from django_vzaps.services.batches import progress_of_each, visible_items


class StartsBatches(APIViewSet):
    """A view from which bulk work is started."""

    def with_progress(self, batches: Sequence[Any]) -> Sequence[Any]:
        """Each with how far it is, as far as the user may see."""
        items = visible_items(self.request.user) if scope.is_set() else None
        known = progress_of_each(batches, items)
        for batch in batches:
            batch.progress = known[batch.pk]
        return batches

    def started(self, batch: Batch) -> Response:
        """202, and where to follow it."""
        response = self.shown(BatchSerializer, self.with_progress([batch])[0], status=202)
        response["Location"] = link(self.request, "batch", batch.public_id)
        return response
