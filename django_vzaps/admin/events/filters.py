"""Filters of the list of events. Each says what it does at present, so that the list can show and remove it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_vzaps import scope
from django_vzaps.admin import display
from django_vzaps.admin.filters import SPANS, ChoicesFilter
from django_vzaps.models import Event, EventState, Instance
from django_vzaps.services import webhooks

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList

    _Admin = admin.ModelAdmin[Any]
else:
    _Admin = admin.ModelAdmin

FROM: Final = "received_from"
UNTIL: Final = "received_until"
#: The search for an instance by what people know of it; the list answers it with a redirect to the instance's filter.
INSTANCE_SEARCH: Final = "of"
_FIRST_YEAR, _LAST_YEAR = 1971, 9998  # databases and time zones reach no further


class Removable(Protocol):
    """What the list asks of each of its filters."""

    title: Any

    def described(self, changelist: ChangeList) -> str: ...

    def removed_by(self) -> list[str]: ...


class _AnyValueFilter(admin.SimpleListFilter):
    """Offers some values and takes any: who writes the address by hand sees what is filtered by."""

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        yield from super().choices(changelist)
        value = self.value()
        if value is not None and value not in [str(known) for known, _label in self.lookup_choices]:
            yield {
                "selected": True,
                "query_string": changelist.get_query_string({str(self.parameter_name): value}),
                "display": value,
            }

    def described(self, changelist: ChangeList) -> str:
        """What is filtered by, in words; empty where nothing is."""
        value = self.value()
        return "" if value is None else str(dict(self.lookup_choices).get(value, value))

    def removed_by(self) -> list[str]:
        """How the parameters begin without which the filter does nothing."""
        return [str(self.parameter_name)]


class EventStateFilter(_AnyValueFilter, ChoicesFilter):
    title = gettext_lazy("state")
    parameter_name = "state"
    choices_class = EventState
    column = "state"


class EventTypeFilter(_AnyValueFilter):
    """The documented types; looking up those in use would read the whole table."""

    title = gettext_lazy("type")
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: _Admin) -> Iterable[tuple[str, str]]:
        return [(name, name) for name in webhooks.EVENT_TYPES if name != "All"]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if value is None else queryset.filter(type=value)


class ReceivedFilter(admin.ListFilter):
    """When it arrived: some usual spans, or from one moment to another in the reader's time zone."""

    title = gettext_lazy("time received")
    template = "admin/django_vzaps/event/filter_received.html"
    parameter_name = "received"
    from_name, until_name = FROM, UNTIL

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: type[Event], model_admin: _Admin) -> None:
        super().__init__(request, params, model, model_admin)
        for name in (self.parameter_name, FROM, UNTIL):
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1].strip()
        self.problem = ""
        self.since, self.until = self._span()

    def _span(self) -> tuple[datetime | None, datetime | None]:
        span = SPANS.get(self._given(self.parameter_name))
        if span is not None:
            return timezone.now() - span[1], None
        return self._moment(FROM), self._moment(UNTIL)

    def _given(self, name: str) -> str:
        return str(self.used_parameters.get(name, ""))

    def _moment(self, name: str) -> datetime | None:
        text = self._given(name)
        if not text:
            return None
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            at = None
        if at is None or not _FIRST_YEAR <= at.year <= _LAST_YEAR:
            self.problem = _("That is no date and time: it is left out.")
            return None
        if settings.USE_TZ:
            return timezone.make_aware(at) if timezone.is_naive(at) else at
        return timezone.make_naive(at) if timezone.is_aware(at) else at

    @property
    def is_active(self) -> bool:
        """Whether it leaves anything out."""
        return self.since is not None or self.until is not None

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter_name, FROM, UNTIL]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        chosen = self.used_parameters.get(self.parameter_name)
        yield {
            "selected": not self.is_active,
            "query_string": changelist.get_query_string(remove=self.removed_by()),
            "display": _("All"),
        }
        for name, (label, _span) in SPANS.items():
            yield {
                "selected": chosen == name,
                "query_string": changelist.get_query_string({self.parameter_name: name}, [FROM, UNTIL]),
                "display": label,
            }
        self.kept = kept_parameters(changelist, without=(self.parameter_name, FROM, UNTIL))

    def described(self, changelist: ChangeList) -> str:
        """What is filtered by, in words; empty where nothing is."""
        if (name := self._given(self.parameter_name)) in SPANS:
            return str(SPANS[name][0])
        if self.since is not None and self.until is not None:
            return _("%(since)s to %(until)s") % {
                "since": display.moment(self.since),
                "until": display.moment(self.until),
            }
        if self.since is not None:
            return _("from %(since)s") % {"since": display.moment(self.since)}
        return "" if self.until is None else _("before %(until)s") % {"until": display.moment(self.until)}

    def removed_by(self) -> list[str]:
        """How the parameters begin without which the filter does nothing."""
        return [self.parameter_name]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.since is not None:
            queryset = queryset.filter(received_at__gte=self.since)
        return queryset if self.until is None else queryset.filter(received_at__lt=self.until)

    @property
    def from_text(self) -> str:
        """What stands in the field, as it was sent."""
        return self._given(FROM)

    @property
    def until_text(self) -> str:
        """What stands in the field, as it was sent."""
        return self._given(UNTIL)


class InstanceFilter(admin.ListFilter):
    """One instance: by a link from its page, or looked for by what people know of it."""

    title = gettext_lazy("instance")
    template = "admin/django_vzaps/event/filter_instance.html"
    parameter_name = "instance__id__exact"
    search_name = INSTANCE_SEARCH

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: type[Event], model_admin: _Admin) -> None:
        super().__init__(request, params, model, model_admin)
        self.request = request
        self.pk: int | None = None
        if self.parameter_name in params:
            try:
                self.pk = int(params.pop(self.parameter_name)[-1])
            except ValueError as error:
                raise IncorrectLookupParameters(error) from error
            if not 0 <= self.pk < 2**63:
                raise IncorrectLookupParameters("no such number")
            self.used_parameters[self.parameter_name] = self.pk

    @cached_property
    def instance(self) -> Instance | None:
        """The instance, where the user may see it."""
        found = scope.limited(self.request.user, Instance.objects.all())
        return None if self.pk is None else found.filter(pk=self.pk).only("name", "vzaps_id").first()

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter_name]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        without = changelist.get_query_string(remove=self.removed_by())
        yield {"selected": self.pk is None, "query_string": without, "display": _("All")}
        if self.pk is not None:
            yield {
                "selected": True,
                "query_string": changelist.get_query_string(),
                "display": self.described(changelist),
            }
        self.kept = kept_parameters(changelist, without=(self.parameter_name,))

    def described(self, changelist: ChangeList) -> str:
        """What is filtered by, in words; empty where nothing is."""
        if self.pk is None:
            return ""
        rows = cast("list[Event]", changelist.result_list)
        # Every row has it at hand: most often nothing is asked.
        instance = rows[0].instance if rows else self.instance
        return str(instance) if instance is not None else f"#{self.pk}"

    def removed_by(self) -> list[str]:
        """How the parameters begin without which the filter does nothing."""
        return [self.parameter_name]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.pk is None else queryset.filter(instance=self.pk)


def kept_parameters(changelist: ChangeList, *, without: Iterable[str]) -> list[tuple[str, str]]:
    """What a form of the list has to send beside its own fields, so that the other filters stay."""
    return [
        (name, str(value))
        for name, values in changelist.filter_params.items()
        for value in values
        if name not in without
    ]
