"""Filters of the list of instances, each on an index. The strip above the list counts what they find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.contrib import admin
from django.contrib.admin.views.main import PAGE_VAR
from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from django_vzaps import scope
from django_vzaps.admin.paging import compiled
from django_vzaps.models import (
    Account,
    ConnectionState,
    Event,
    EventState,
    Instance,
    SubscriptionState,
    Webhook,
    WebhookHealth,
)
from django_vzaps.models.fields import storable
from django_vzaps.models.instance import InstanceQuerySet

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
    from django.contrib.admin.views.main import ChangeList
else:
    _Admin = admin.ModelAdmin

#: How soon a trial ends that is said to be ending.
SOON: Final = timedelta(days=7)
TRIAL_ENDING: Final = "trial_ending"
OVERDUE: Final = "overdue"
FAILED: Final = "yes"
#: Beside the states of a connection: called connected, and silent for much longer than is usual.
DOUBTFUL: Final = "doubtful"
#: Of the newest so many failed events it is asked whose they are.
FAILURES_READ: Final = 2_000


class StateFilter(admin.SimpleListFilter):
    """Those in one of a few states; a value that is none of them finds nothing."""

    parameter_name: str
    states: ClassVar[Iterable[tuple[str, Any]]]

    @classmethod
    def chosen(cls, instances: InstanceQuerySet, value: str) -> InstanceQuerySet:
        """Those of ``instances`` that are in the state."""
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: _Admin) -> Iterable[tuple[str, str]]:
        return [(value, _capitalized(label)) for value, label in self.states]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if value is None:
            return queryset
        return self.chosen(queryset, value) if value in dict(self.states) else queryset.none()


class ConnectionFilter(StateFilter):
    """The same distinctions as ``Instance.connection_state``, and those of which the silence is suspicious."""

    title = _("connection")
    parameter_name = "connection"
    states = [*ConnectionState.choices, (DOUBTFUL, pgettext_lazy("connection", "doubtful"))]

    @classmethod
    def chosen(cls, instances: InstanceQuerySet, value: str) -> InstanceQuerySet:
        return instances.suspiciously_silent() if value == DOUBTFUL else instances.in_connection_state(value)


class BillingFilter(StateFilter):
    title = _("billing")
    parameter_name = "billing"
    states = [
        (TRIAL_ENDING, _("trial ends within 7 days")),
        (OVERDUE, _("past due or unpaid")),
        *SubscriptionState.choices,
    ]

    @classmethod
    def chosen(cls, instances: InstanceQuerySet, value: str) -> InstanceQuerySet:
        return instances.filter(cls.condition(value, prefix="subscription__"))

    @staticmethod
    def condition(value: str, *, prefix: str = "") -> Q:
        """What the state says of a subscription, to which ``prefix`` leads."""
        if value == TRIAL_ENDING:
            now = timezone.now()
            return Q(
                (f"{prefix}state", SubscriptionState.TRIALING),
                (f"{prefix}ends_at__range", (now, now + SOON)),
            )
        if value == OVERDUE:
            return Q((f"{prefix}state__in", [SubscriptionState.PAST_DUE, SubscriptionState.UNPAID]))
        return Q((f"{prefix}state", value))


class WebhookFilter(StateFilter):
    """The same distinctions as ``Webhook.health``."""

    title = _("webhook")
    parameter_name = "webhook"
    states = WebhookHealth.choices

    @classmethod
    def chosen(cls, instances: InstanceQuerySet, value: str) -> InstanceQuerySet:
        return instances.filter(Webhook.in_health(value, prefix="webhook__"))


class FailedFilter(StateFilter):
    """Those whose events are among the newest that failed: where there are very many, one is not missed for long."""

    title = _("failed events")
    parameter_name = "failed"
    states = [(FAILED, _("with failed events"))]

    @classmethod
    def chosen(cls, instances: InstanceQuerySet, value: str) -> InstanceQuerySet:
        return instances.filter(pk__in=RawSQL(*newest_failures()))  # noqa: S611 - a statement of our own


def newest_failures() -> tuple[str, list[Any]]:
    """The instances of the newest failed events, as a statement: MariaDB takes no limit right within an IN."""
    events = Event.objects.filter(state=EventState.FAILED).order_by("-received_at").values("instance_id")
    statement, parameters = compiled(events[:FAILURES_READ])
    return f"SELECT * FROM ({statement}) AS newest", parameters  # noqa: S608 - Django's own


class PresenceFilter(admin.SimpleListFilter):
    """Instances that are gone from VZaps are hidden until somebody asks for them."""

    title = _("presence on VZaps")
    parameter_name = "presence"

    def lookups(self, request: HttpRequest, model_admin: _Admin) -> Iterable[tuple[str, str]]:
        return [("gone", gettext("Gone")), ("all", gettext("All"))]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield first | {"display": gettext("Present")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Instance]) -> QuerySet[Instance]:
        match self.value():
            case "all":
                return queryset
            case "gone":
                return queryset.filter(removed_at__isnull=False)
            case _:
                return queryset.filter(removed_at__isnull=True)


class AccountFilter(admin.SimpleListFilter):
    """One of the accounts, or of those that the user sees instances of."""

    title = _("account")
    parameter_name = "account__id__exact"

    def lookups(self, request: HttpRequest, model_admin: _Admin) -> Iterable[tuple[str, str]]:
        accounts = Account.objects.order_by("name")
        if scope.is_set():
            # Other tenants' accounts are not even named.
            accounts = accounts.filter(
                Exists(scope.limited(request.user, Instance.objects.all()).filter(account=OuterRef("pk")))
            )
        return [(str(pk), name) for pk, name in accounts.values_list("pk", "name")]

    def has_output(self) -> bool:
        # Where there is but one, there is nothing to choose.
        return len(self.lookup_choices) > 1 or self.value() is not None

    def queryset(self, request: HttpRequest, queryset: QuerySet[Instance]) -> QuerySet[Instance]:
        value = self.value()
        if value is None:
            return queryset
        return queryset.filter(account=int(value)) if _is_number(value) else queryset.none()


class OwnerFilter(admin.SimpleListFilter):
    """Those of the user, of nobody, or of somebody whose user name is typed: the users themselves are never listed.

    ``:me``, ``:nobody``, ``=name`` for just that user, or how the names begin.
    """

    title = _("owner")
    parameter_name = "owner"
    template = "admin/django_vzaps/instance/owner_filter.html"

    def lookups(self, request: HttpRequest, model_admin: _Admin) -> Iterable[tuple[str, str]]:
        return [(":me", gettext("Me")), (":nobody", gettext("Nobody"))]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        yield from super().choices(changelist)
        name = self.name
        if name is not None:
            yield {"selected": True, "query_string": changelist.get_query_string(), "display": name}

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What else the list is limited by, for the form in which a name is typed."""
        given = ((name, str(value)) for name, value in self.request.GET.items())
        return [pair for pair in given if pair[0] not in (self.parameter_name, PAGE_VAR)]

    @property
    def name(self) -> str | None:
        """The user name that was asked for; None where it is none."""
        value = self.value()
        return None if value is None or value.startswith(":") else value.removeprefix("=")

    def queryset(self, request: HttpRequest, queryset: QuerySet[Instance]) -> QuerySet[Instance]:
        match self.value():
            case None | "":
                return queryset
            case ":me":
                return queryset.filter(owner=request.user.pk)
            case ":nobody":
                return queryset.filter(owner__isnull=True)
            case value:
                how = "exact" if value.startswith("=") else "startswith"
                user = get_user_model()
                name = Q((f"{user.USERNAME_FIELD}__{how}", storable(value.removeprefix("="))))
                return queryset.filter(owner__in=user._default_manager.filter(name))


def _capitalized(label: Any) -> str:
    text = str(label)
    return text[:1].upper() + text[1:]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
