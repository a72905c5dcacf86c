"""The strip of counts above the list of instances: what is wrong, at a glance, in one query that counts no table whole.

A count of billing states or webhooks is made in their own table's index, and leaves out those whose instance is gone:
for a database that is much less work than to look up the instance of each.
"""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_vzaps.admin.instances.filters import (
    FAILED,
    FAILURES_READ,
    OVERDUE,
    TRIAL_ENDING,
    BillingFilter,
    ConnectionFilter,
    FailedFilter,
    StateFilter,
    WebhookFilter,
    newest_failures,
)
from django_vzaps.admin.paging import Rows, compiled, limited
from django_vzaps.models import ConnectionState, Event, EventState, Instance, Subscription, Webhook, WebhookHealth
from django_vzaps.models.instance import InstanceQuerySet

#: How each count is called, how it sounds where there are any, and the filter and value behind it.
STRIP: Final[list[tuple[Any, str, type[StateFilter], str]]] = [
    (pgettext_lazy("instances", "connected"), "good", ConnectionFilter, ConnectionState.CONNECTED),
    (pgettext_lazy("instances", "stale"), "warning", ConnectionFilter, ConnectionState.STALE),
    (pgettext_lazy("instances", "disconnected"), "bad", ConnectionFilter, ConnectionState.DISCONNECTED),
    (pgettext_lazy("instances", "never paired"), "quiet", ConnectionFilter, ConnectionState.NEVER_PAIRED),
    (_("trial ending"), "warning", BillingFilter, TRIAL_ENDING),
    (pgettext_lazy("instances", "past due"), "bad", BillingFilter, OVERDUE),
    (_("webhook drift"), "warning", WebhookFilter, WebhookHealth.DRIFTED),
    (_("failed events"), "bad", FailedFilter, FAILED),
]
#: More than this are not counted.
MOST: Final = 5_000
#: Not shown: whether there are more failed events than are looked at.
FAILURES: Final = "failures"
#: What is open of the list of alerts, which is another one.
ALERTS: Final = "alerts"


def arms(instances: InstanceQuerySet) -> dict[str, list[Rows]]:
    """The rows to count, by filter and value, of those of ``instances`` that are present on VZaps."""
    failures = Event.objects.filter(state=EventState.FAILED)
    found = {key(filter_class, value): _rows(instances, filter_class, value) for _l, _t, filter_class, value in STRIP}
    return found | {FAILURES: [limited(failures, most=FAILURES_READ)]}


def _rows(instances: InstanceQuerySet, filter_class: type[StateFilter], value: str) -> list[Rows]:
    present = instances.present()
    rows: list[QuerySet[Any]]
    if filter_class is FailedFilter:
        return [_with_failures(instances)]
    if filter_class is BillingFilter:
        rows = [_present(Subscription.objects.filter(BillingFilter.condition(value)), instances)]
    elif filter_class is WebhookFilter:
        rows = [_present(Webhook.objects.filter(Webhook.in_health(value)), instances)]
    elif value == ConnectionState.STALE:
        # Each a stretch of the index; both at once would be looked for among all that are connected.
        rows = [present.stale_since_a_time(), present.stale_without_a_time()]
    else:
        rows = [filter_class.chosen(present, value)]
    return [limited(part, most=MOST) for part in rows]


def key(filter_class: type[StateFilter], value: str) -> str:
    """What a count is called where it is counted."""
    return f"{filter_class.parameter_name}={value}"


def is_cut(counts: dict[str, int], filter_class: type[StateFilter]) -> bool:
    """Whether there may be more than were counted, although they are few."""
    return filter_class is FailedFilter and counts[FAILURES] > FAILURES_READ


def _present(rows: QuerySet[Any], instances: InstanceQuerySet) -> QuerySet[Any]:
    gone = Instance.objects.filter(pk=OuterRef("instance_id"), removed_at__isnull=False)
    rows = rows.filter(~Exists(gone))
    return rows.filter(instance__in=instances.order_by().values("pk")) if _is_limited(instances) else rows


def _with_failures(instances: InstanceQuerySet) -> Rows:
    """The instances behind the newest failures. Django does not tell different ones apart below a limit."""
    newest, parameters = newest_failures()
    table = Instance._meta.db_table
    statement = (
        f"SELECT DISTINCT instance_id FROM ({newest}) AS failures WHERE NOT EXISTS"  # noqa: S608 - our own names
        f" (SELECT 1 FROM {table} gone WHERE gone.id = instance_id AND gone.removed_at IS NOT NULL)"
    )
    if _is_limited(instances):
        try:
            limit, more = compiled(instances.order_by().values("pk"))
        except EmptyResultSet:  # as of none()
            return instances.none()
        statement, parameters = f"{statement} AND instance_id IN ({limit})", [*parameters, *more]
    return f"{statement} LIMIT %s", [*parameters, MOST + 1]


def _is_limited(instances: InstanceQuerySet) -> bool:
    query = instances.query
    return bool(query.where or query.is_sliced or query.combinator)
