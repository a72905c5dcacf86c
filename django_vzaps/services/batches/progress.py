"""How far a batch is, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from django_vzaps.models import Batch, BatchItem, BatchItemState


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How many items are where."""

    waiting: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    unknown: int = 0
    stopped: int = 0

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> Progress:
        """From numbers by state; a state that this version does not know counts as unknown."""
        known = {state: counts.get(state, 0) for state in BatchItemState.values}
        known[BatchItemState.UNKNOWN] += sum(counts.values()) - sum(known.values())
        return cls(**known)

    @property
    def ended(self) -> int:
        """With which nothing more happens by itself."""
        return self.succeeded + self.failed + self.unknown + self.stopped

    @property
    def total(self) -> int:
        """All there are."""
        return self.ended + self.waiting + self.running

    @property
    def in_words(self) -> str:
        """For example "37 of 120 done, 2 failed, 1 unknown"."""
        parts = [
            pgettext("progress", "%(count)d of %(total)d done") % {"count": self.succeeded, "total": self.total},
            _("%(count)d failed") % {"count": self.failed} if self.failed else "",
            _("%(count)d unknown") % {"count": self.unknown} if self.unknown else "",
            _("%(count)d stopped") % {"count": self.stopped} if self.stopped else "",
        ]
        return ", ".join(part for part in parts if part)


def progress_of(batch: Batch, items: QuerySet[BatchItem] | None = None) -> Progress:
    """How far it is; of those of its ``items`` that somebody may see, where they are given."""
    return progress_of_each([batch], items)[batch.pk]


def progress_of_each(batches: Sequence[Batch], items: QuerySet[BatchItem] | None = None) -> dict[int, Progress]:
    """How far each is, by primary key; as :func:`progress_of`, with one query for all of them."""
    known = {batch.pk: dict(batch.counts) for batch in batches}
    to_count = [batch.pk for batch in batches if items is not None or batch.finished_at is None]
    if to_count:
        known |= {pk: {} for pk in to_count}
        rows: QuerySet[Any] = BatchItem.objects.all() if items is None else items
        found = rows.filter(batch__in=to_count).order_by().values_list("batch", "state").annotate(count=Count("pk"))
        for pk, state, count in found:
            known[pk][state] = count
    return {pk: Progress.of(counts) for pk, counts in known.items()}
