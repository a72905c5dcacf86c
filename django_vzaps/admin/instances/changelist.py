"""The rows of the list of instances, the strip of counts above them, and how they may be ordered."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.admin.views.main import ORDER_VAR
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from django_vzaps.admin.instances import strip
from django_vzaps.admin.instances.columns import MOST_WAITING
from django_vzaps.admin.paging import CountingPaginator, PageChangeList, number
from django_vzaps.models import Alert, Instance
from django_vzaps.models.backlog import backlogs

#: What the cells are made of beside the instance.
JOINED: Final = ("account", "subscription", "webhook", "owner")
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


class InstanceChangeList(PageChangeList):
    paginator: CountingPaginator

    def get_results(self, request: HttpRequest) -> None:
        """The rows of this page, with their backlog."""
        super().get_results(request)
        waiting = backlogs((row.pk for row in self.result_list), most=MOST_WAITING, using=self.root_queryset.db)
        for row in self.result_list:
            row.__dict__["backlog"] = waiting.get(row.pk)

    def shown(self) -> QuerySet[Instance]:
        """Instances with what the cells are made of, and no more."""
        return Instance.objects.using(self.root_queryset.db).select_related(*JOINED).defer(*UNSHOWN)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """By one column, with the key in the same direction: that is what there are indexes for."""
        if chosen := self.params.get(ORDER_VAR):
            self.params[ORDER_VAR] = chosen.partition(".")[0]
        ordering = super().get_ordering(request, queryset)
        match ordering:
            case ["-pk"]:  # by a column that is no way to order
                return list(Instance._meta.ordering or ())
            case [str() as column, "-pk"] if not column.startswith("-"):
                return [column, "pk"]
            case _:
                return ordering

    @property
    def strip(self) -> list[dict[str, Any]]:
        """The counts of what is present on VZaps, each with the way to its rows, and from there back to all."""
        paginator, shown = self.paginator, self.get_filters_params()
        items = []
        for label, tone, filter_class, value in strip.STRIP:
            count = paginator.counts[strip.key(filter_class, value)]
            is_cut = strip.is_cut(paginator.counts, filter_class)
            is_current = shown.get(filter_class.parameter_name, [None])[-1] == value
            items.append(
                {
                    "label": label,
                    "count": number(count, most=strip.MOST, is_cut=is_cut),
                    "tone": tone if count else "none",
                    "query": "" if is_current else urlencode({filter_class.parameter_name: value}),
                    "is_current": is_current,
                }
            )
        return [*items, *self._alerts()]

    def _alerts(self) -> list[dict[str, Any]]:
        """What a person should know of, where there is any."""
        count = self.paginator.counts.get(strip.ALERTS, 0)
        if not count:
            return []
        url = self.model_admin.address(Alert, "changelist")  # type: ignore[attr-defined]
        return [
            {"label": _("open alerts"), "count": number(count, most=strip.MOST), "tone": "bad", "url": url, "query": ""}
        ]
