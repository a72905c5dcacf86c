"""Which instances a person chose for a bulk action, carried from the list to the confirmation and from there on.

The list's filters are not asked again at the second step: what "disconnected" means changes with every event, and what
is done must be what was named.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Final

from django.db.models import F, Q, QuerySet

from django_vzaps.models import BatchKind, Instance, SubscriptionState
from django_vzaps.models.subscription import PAID_FOR

#: How many are named one by one.
NAMED: Final = 20
#: Fewer than any database allows in one ``IN``.
_AT_ONCE: Final = 900
#: Of what a browser may send unpacked; a million instances take less.
_LONGEST: Final = 20_000_000

_PAID_FOR: Final = Q(subscription__state__in=PAID_FOR) | Q(
    subscription__vzaps_id__gt="",
    subscription__state__in=set(SubscriptionState) - {SubscriptionState.CANCELED, SubscriptionState.INCOMPLETE},
)
_NOT_OURS: Final = Q(webhook__desired_events__isnull=True, webhook__actual_host_and_path__gt="")
_ELSEWHERE: Final = Q(webhook__desired_events__isnull=False, webhook__checked_at__isnull=False) & ~Q(
    webhook__actual_host_and_path=F("webhook__desired_host_and_path")
)

#: Which of them are left out unless the person says otherwise.
SET_APART: Final = {BatchKind.DELETE: _PAID_FOR, BatchKind.SET_WEBHOOK: _NOT_OURS}


def packed(pks: Iterable[int]) -> str:
    """Primary keys as a short text: a hundred thousand fit into a form."""
    ordered = sorted(pks)
    steps = [*ordered[:1], *(after - before for before, after in pairwise(ordered))]
    return base64.urlsafe_b64encode(zlib.compress(",".join(map(str, steps)).encode())).decode()


def unpacked(text: str) -> list[int]:
    """What :func:`packed` made a text of; ``ValueError`` for anything else."""
    try:
        unpacking = zlib.decompressobj()
        steps = unpacking.decompress(base64.urlsafe_b64decode(text.encode()), _LONGEST)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(str(error)) from None
    if unpacking.unconsumed_tail or not unpacking.eof:
        raise ValueError("too long, or cut short")
    return list(accumulate(int(step) for step in steps.decode().split(","))) if steps else []


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """What was chosen, as it is now. Primary keys are in the order of names."""

    kind: BatchKind
    pks: Sequence[int]
    set_apart: frozenset[int]
    """Those that are left out unless the person says otherwise."""
    gone: int
    """How many were left out because they are gone from VZaps."""
    elsewhere: int
    """How many webhooks of this site's VZaps shows at another address."""

    def targets(self, *, with_set_apart: bool) -> list[int]:
        """Those it is done to."""
        return [pk for pk in self.pks if with_set_apart or pk not in self.set_apart]

    @property
    def figures(self) -> str:
        """What the person was told, to notice where it has changed."""
        return f"{len(self.pks)}/{len(self.set_apart)}"

    def named(self, *, only_set_apart: bool = False) -> list[Instance]:
        """The first of them."""
        pks = [pk for pk in self.pks if pk in self.set_apart] if only_set_apart else self.pks
        found = Instance.objects.in_bulk(pks[:NAMED])
        return [found[pk] for pk in pks[:NAMED] if pk in found]


def survey(kind: BatchKind, instances: QuerySet[Any], chosen: Sequence[int]) -> Survey:
    """Look at those of ``chosen`` that are among ``instances``, which are what the person may see."""
    apart = SET_APART.get(kind)
    rows: list[tuple[str, int]] = []
    set_apart: set[int] = set()
    gone = elsewhere = 0
    for some in _parts(chosen):
        these = instances.filter(pk__in=some).order_by()
        if kind != BatchKind.SYNC:
            gone += these.filter(removed_at__isnull=False).count()
            these = these.filter(removed_at__isnull=True)
        rows += these.values_list("name", "pk")
        if apart is not None:
            set_apart.update(these.filter(apart).values_list("pk", flat=True))
        if kind == BatchKind.SET_WEBHOOK:
            elsewhere += these.filter(_ELSEWHERE).count()
    return Survey(
        kind=kind,
        pks=[pk for _name, pk in sorted(rows)],
        set_apart=frozenset(set_apart),
        gone=gone,
        elsewhere=elsewhere,
    )


def _parts(pks: Sequence[int]) -> Iterator[Sequence[int]]:
    for first in range(0, len(pks), _AT_ONCE):
        yield pks[first : first + _AT_ONCE]
