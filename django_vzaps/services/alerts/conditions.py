"""What is worth an alert, and since when. Each kind costs a query or two on indexes; nothing is written here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Exists, Max, Min, OuterRef, Q, QuerySet
from django.utils import timezone

from django_vzaps import conf
from django_vzaps.models import (
    Account,
    Alert,
    AlertKind,
    ChangedField,
    Event,
    EventState,
    Instance,
    InstanceChange,
    Operation,
    OperationKind,
    OperationOutcome,
    ReportedState,
    Webhook,
    WebhookHealth,
)
from django_vzaps.models.subscription import OWED
from django_vzaps.models.webhook import FAILING_FOR
from django_vzaps.services import endings
from django_vzaps.services.alerts.condition import About, Condition, Facts
from django_vzaps.services.failures import FailureKind

#: Failed events older than this are history.
FAILED_WITHIN: Final = timedelta(days=1)
#: A due event that waits for longer is waited for by nobody.
WAITING_FOR: Final = timedelta(minutes=10)
#: An account that cannot be read for less is not worth an alert yet.
UNREADABLE_FOR: Final = timedelta(minutes=5)

#: While one of these is open, what an instance of the account is like is not known, and no news.
OUTAGES: Final = (AlertKind.CREDENTIALS_REJECTED, AlertKind.ACCOUNT_UNREADABLE)
_NEEDS_A_PERSON: Final = (FailureKind.CREDENTIALS.value, FailureKind.NOT_CONFIGURED.value)


class _AboutAccount(About):
    subject = "account"

    def accounts(self) -> QuerySet[Account]:
        """Those that are looked after, and fail."""
        return Account.objects.filter(is_active=True, failing_since__isnull=False).order_by()

    def facts(self, rows: Mapping[int, Account], now: datetime) -> Mapping[int, Facts]:
        return {pk: Facts(since=row.failing_since, details={"failure": row.failure_kind}) for pk, row in rows.items()}


class CredentialsRejected(_AboutAccount):
    kind = AlertKind.CREDENTIALS_REJECTED

    def raising(self, now: datetime) -> Sequence[QuerySet[Account]]:
        return [self.accounts().filter(failure_kind__in=_NEEDS_A_PERSON)]

    def lasting(self, now: datetime) -> Sequence[QuerySet[Account]]:
        # An answer that does not come at all afterwards says nothing of the credentials.
        return [self.accounts()]


class AccountUnreadable(_AboutAccount):
    kind = AlertKind.ACCOUNT_UNREADABLE
    replaced_by = AlertKind.CREDENTIALS_REJECTED

    def accounts(self) -> QuerySet[Account]:
        rejected = Alert.objects.open().filter(kind=AlertKind.CREDENTIALS_REJECTED, account=OuterRef("pk"))
        return super().accounts().filter(~Exists(rejected))

    def raising(self, now: datetime) -> Sequence[QuerySet[Account]]:
        failing = self.accounts().filter(failing_since__lte=now - UNREADABLE_FOR)
        return [failing.exclude(failure_kind__in=_NEEDS_A_PERSON)]

    def lasting(self, now: datetime) -> Sequence[QuerySet[Account]]:
        return [self.accounts()]


class _AboutInstance(About):
    subject = "instance"

    def instances(self) -> QuerySet[Instance]:
        """Those that are looked after."""
        present = Instance.objects.present().filter(account__is_active=True)
        return present.select_related("account").defer("data").order_by()


class Disconnected(_AboutInstance):
    kind = AlertKind.DISCONNECTED

    def raising(self, now: datetime) -> Sequence[QuerySet[Instance]]:
        before = now - timedelta(seconds=conf.current().alert_disconnected_after)
        return [rows.filter(connection_changed_at__lte=before) for rows in self.lasting(now)]

    def lasting(self, now: datetime) -> Sequence[QuerySet[Instance]]:
        return [self.instances().filter(reported_state=ReportedState.DISCONNECTED)]

    def facts(self, rows: Mapping[int, Instance], now: datetime) -> Mapping[int, Facts]:
        return {pk: Facts(since=row.connection_changed_at) for pk, row in rows.items()}


class Stale(_AboutInstance):
    kind = AlertKind.STALE

    def raising(self, now: datetime) -> Sequence[QuerySet[Instance]]:
        unknown = self._in_an_outage(now)
        return [rows.exclude(account__in=unknown) for rows in self.lasting(now)]

    def lasting(self, now: datetime) -> Sequence[QuerySet[Instance]]:
        before = now - 2 * timedelta(seconds=conf.current().stale_after)
        connected = self.instances().filter(reported_state=ReportedState.CONNECTED)
        return [
            connected.filter(connection_asked_at__lt=before),
            connected.filter(connection_asked_at__isnull=True),
        ]

    def facts(self, rows: Mapping[int, Instance], now: datetime) -> Mapping[int, Facts]:
        return {pk: Facts(since=row.connection_asked_at) for pk, row in rows.items()}

    def _in_an_outage(self, now: datetime) -> set[int]:
        """Accounts that cannot be read, or could not until lately: their instances are still to be asked about."""
        lately = Q(resolved_at__isnull=True) | Q(resolved_at__gte=now - timedelta(seconds=conf.current().stale_after))
        told = Alert.objects.filter(lately, kind__in=OUTAGES, account__isnull=False).order_by()
        failing = Account.objects.filter(failing_since__isnull=False).order_by()
        return {*told.values_list("account", flat=True), *failing.values_list("pk", flat=True)}


class WebhookDrift(_AboutInstance):
    kind = AlertKind.WEBHOOK_DRIFT

    def raising(self, now: datetime) -> Sequence[QuerySet[Instance]]:
        being_set = Operation.objects.filter(
            kind=OperationKind.SET_WEBHOOK, outcome=OperationOutcome.RUNNING, instance__isnull=False
        )
        return [rows.exclude(pk__in=being_set.order_by().values("instance")) for rows in self.lasting(now)]

    def lasting(self, now: datetime) -> Sequence[QuerySet[Instance]]:
        return [self.instances().filter(Webhook.in_health(WebhookHealth.DRIFTED, prefix="webhook__"))]

    def facts(self, rows: Mapping[int, Instance], now: datetime) -> Mapping[int, Facts]:
        since = _changed_at(rows, [ChangedField.WEBHOOK_HOST_AND_PATH, ChangedField.WEBHOOK_EVENTS])
        return {
            webhook.instance_id: Facts(since=since.get(webhook.instance_id), details={"differs": list(webhook.drift)})
            for webhook in Webhook.objects.filter(instance__in=rows)
        }


class EventsFailing(_AboutInstance):
    kind = AlertKind.EVENTS_FAILING

    def raising(self, now: datetime) -> Sequence[QuerySet[Instance]]:
        return [
            self.instances().filter(pk__in=self._failed(now).order_by().values("instance")),
            self.instances().filter(Webhook.in_health(WebhookHealth.FAILING, prefix="webhook__")),
        ]

    def facts(self, rows: Mapping[int, Instance], now: datetime) -> Mapping[int, Facts]:
        failed = {
            pk: (count, first)
            for pk, count, first in self._failed(now)
            .filter(instance__in=rows)
            .order_by()
            .values_list("instance")
            .annotate(count=Count("pk"), first=Min("received_at"))
        }
        undelivered = dict(
            Webhook.objects.filter(instance__in=rows, last_failure_at__gte=now - FAILING_FOR).values_list(
                "instance", "last_failure_at"
            )
        )
        found = {}
        for pk in rows:
            count, first = failed.get(pk, (0, None))
            found[pk] = Facts(
                since=min((at for at in (first, undelivered.get(pk)) if at is not None), default=None),
                details={"failed_events": count, "undelivered": pk in undelivered},
            )
        return found

    @staticmethod
    def _failed(now: datetime) -> QuerySet[Event]:
        return Event.objects.filter(state=EventState.FAILED, received_at__gte=now - FAILED_WITHIN)


class SubscriptionEnding(_AboutInstance):
    kind = AlertKind.SUBSCRIPTION_ENDING

    def raising(self, now: datetime) -> Sequence[QuerySet[Instance]]:
        rows = self.instances().filter(endings.ending_soon(now, prefix="subscription__"))
        return [rows.select_related("account", "subscription")]

    def facts(self, rows: Mapping[int, Instance], now: datetime) -> Mapping[int, Facts]:
        ends = {pk: row.subscription.ends_at for pk, row in rows.items()}
        return {pk: ending_facts(end, now) for pk, end in ends.items() if end is not None}


class SubscriptionPastDue(_AboutInstance):
    kind = AlertKind.SUBSCRIPTION_PAST_DUE

    def raising(self, now: datetime) -> Sequence[QuerySet[Instance]]:
        rows = self.instances().filter(subscription__state__in=sorted(OWED))
        return [rows.select_related("account", "subscription")]

    def facts(self, rows: Mapping[int, Instance], now: datetime) -> Mapping[int, Facts]:
        since = _changed_at(rows, [ChangedField.SUBSCRIPTION_STATE])
        return {pk: Facts(since=since.get(pk), details={"state": row.subscription.state}) for pk, row in rows.items()}


class EventsWaiting(Condition):
    """One alert for the whole site."""

    kind = AlertKind.EVENTS_WAITING

    def begun(self, now: datetime) -> list[Alert]:
        since = self._oldest(now)
        if since is None or Alert.objects.open().filter(kind=self.kind).exists():
            return []
        return [Alert(kind=self.kind, open_key=self.kind.value, since=since, raised_at=now)]

    def ended(self, now: datetime) -> QuerySet[Alert]:
        alerts = Alert.objects.open().filter(kind=self.kind).order_by()
        return alerts.none() if self._oldest(now) is not None else alerts

    @staticmethod
    def _oldest(now: datetime) -> datetime | None:
        before = now - WAITING_FOR
        # What was set aside waits since it was to be tried again.
        due = Q(retry_at__isnull=True) | Q(retry_at__lte=before)
        waiting = Event.objects.filter(due, state=EventState.PENDING, received_at__lte=before)
        return waiting.order_by("received_at").values_list("received_at", flat=True).first()


#: The most important first. Accounts come before their instances: an outage is one alert.
CONDITIONS: Final[tuple[Condition, ...]] = (
    CredentialsRejected(),
    AccountUnreadable(),
    EventsWaiting(),
    Disconnected(),
    SubscriptionPastDue(),
    EventsFailing(),
    WebhookDrift(),
    SubscriptionEnding(),
    Stale(),
)


def ending_facts(ends_at: datetime, now: datetime | None = None) -> Facts:
    """What is told of a subscription that ends."""
    return Facts(details={"ends_at": ends_at.isoformat()}, stage=endings.stage_of(ends_at, now or timezone.now()))


def _changed_at(instance_ids: Iterable[int], fields: Sequence[ChangedField]) -> dict[int, datetime]:
    """When one of these facts last became another one."""
    found = InstanceChange.objects.filter(instance__in=list(instance_ids), field__in=fields).order_by()
    return dict(found.values_list("instance").annotate(newest=Max("at")))
