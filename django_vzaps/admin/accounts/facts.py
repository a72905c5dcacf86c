"""What the pages say of an account beside its own columns: how many instances it has, and how far its sync is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from django_vzaps import conf, scope
from django_vzaps.admin.paging import counted, limited
from django_vzaps.admin.themes import ChangeList
from django_vzaps.models import Account, BatchItem, BatchKind, Instance
from django_vzaps.models.instance import ReportedState
from django_vzaps.services.batches import may_see

#: Instances are counted up to here: a list must not take longer the more there are.
COUNTED: Final = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the page says of an account beside its own columns. Numbers are at most :data:`COUNTED`."""

    present: int
    connected: int
    attention: int
    sync: BatchItem | None
    """The item of a batch that syncs it now."""
    may_see_sync: bool


def facts_of(request: HttpRequest, accounts: Sequence[Account]) -> dict[int, Facts]:
    """By primary key, with as many queries for many as for one."""
    pks = [account.pk for account in accounts]
    # By the user's scope, as every number of instances.
    present = scope.limited(request.user, Instance.objects.all()).filter(removed_at__isnull=True).order_by()
    stale_before = timezone.now() - timedelta(seconds=conf.current().stale_after)
    is_up = Q(reported_state=ReportedState.CONNECTED)
    is_fresh = Q(connection_asked_at__gte=stale_before)
    is_stale = Q(connection_asked_at__isnull=True) | Q(connection_asked_at__lt=stale_before)
    wanted = {
        "present": Q(),
        "connected": is_up & is_fresh,
        "attention": Q(reported_state=ReportedState.DISCONNECTED) | (is_up & is_stale),
    }
    counts = counted(
        {
            (pk, name): [limited(present.filter(which, account=pk), most=COUNTED)]
            for pk in pks
            for name, which in wanted.items()
        },
        using=present.db,
    )
    open_items = BatchItem.objects.filter(
        account__in=pks, batch__kind=BatchKind.SYNC_ACCOUNT, batch__finished_at__isnull=True
    )
    # The oldest comes last and stays.
    syncs = {item.account_id: item for item in open_items.select_related("batch").order_by("-pk")}
    return {
        pk: Facts(
            **{name: counts[pk, name] for name in wanted},
            sync=syncs.get(pk),
            may_see_sync=pk in syncs and may_see(request.user, syncs[pk].batch),
        )
        for pk in pks
    }


class AccountChangeList(ChangeList):
    """With the facts of every account on the page."""

    def get_results(self, request: HttpRequest) -> None:
        """Django's page of rows."""
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        facts = facts_of(request, rows)
        for account in rows:
            account.facts = facts[account.pk]
        self.result_list = rows


def capped(count: int) -> str:
    """A number that was not counted to its end."""
    words = number_format(min(count, COUNTED), force_grouping=True)
    return _("more than %(count)s") % {"count": words} if count > COUNTED else words
