"""The rows of the list of instances, the strip of counts above them, and how they may be ordered."""

from __future__ import annotations

from typing import Any, Final, cast
from urllib.parse import urlencode

from django.contrib.admin.views.main import ORDER_VAR
from django.db.models import QuerySet
from django.http import HttpRequest

from django_vzaps.admin.instances.columns import MOST_WAITING
from django_vzaps.admin.instances.filters import STRIP
from django_vzaps.admin.paging import CountingPaginator, number
from django_vzaps.admin.themes import ChangeList
from django_vzaps.models import Instance
from django_vzaps.models.backlog import backlogs
from django_vzaps.models.instance import InstanceQuerySet

#: What no cell shows, and what takes time to read.
UNSHOWN: Final = (
    "data",
    "labels",
    "token",
    "account__client_token",
    "account__client_secret",
    "account__sync_error",
    "subscription__checkout_url",
)


class InstanceChangeList(ChangeList):
    paginator: CountingPaginator

    def get_results(self, request: HttpRequest) -> None:
        """Without what no cell shows, and with the backlog of the rows of this page."""
        self.queryset = self.queryset.defer(*UNSHOWN)
        super().get_results(request)
        rows = cast("list[Instance]", list(self.result_list))
        waiting = backlogs((row.pk for row in rows), most=MOST_WAITING, using=self.queryset.db)
        for row in rows:
            row.__dict__["backlog"] = waiting.get(row.pk)
        self.result_list = rows

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """By one column, with the key in the same direction: that is what there are indexes for."""
        if chosen := self.params.get(ORDER_VAR):
            self.params[ORDER_VAR] = chosen.partition(".")[0]
        first, *others = super().get_ordering(request, queryset)
        if isinstance(first, str) and others == ["-pk"] and not first.startswith("-"):
            return [first, "pk"]
        return [first, *others]

    @property
    def strip(self) -> list[dict[str, Any]]:
        """The counts of what is present on VZaps, each with the way to the rows behind it."""
        most, shown = self.paginator.most, self.get_filters_params()
        return [
            {
                "label": label,
                "count": number(count, most=most),
                "tone": tone if count else "none",
                "query": urlencode({filter_class.parameter_name: value}),
                "is_current": shown.get(filter_class.parameter_name, [None])[-1] == value,
            }
            for (label, tone, filter_class, value), count in zip(
                STRIP, (self.paginator.counts[key] for key in strip_keys()), strict=True
            )
        ]


def strip_keys() -> list[str]:
    """What the strip's counts are called where they are counted."""
    return [f"{filter_class.parameter_name}={value}" for _label, _tone, filter_class, value in STRIP]


def strip_rows(instances: InstanceQuerySet) -> dict[str, InstanceQuerySet]:
    """The rows behind each count of the strip."""
    present = instances.present()
    chosen = (filter_class.chosen(present, value) for _label, _tone, filter_class, value in STRIP)
    return dict(zip(strip_keys(), chosen, strict=True))
