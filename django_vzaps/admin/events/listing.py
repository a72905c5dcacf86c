"""The list of events: found by indexes however many there are, with a chart of when they came."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, cast
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import InvalidPage
from django.db import connection
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_vzaps import scope
from django_vzaps.admin import display
from django_vzaps.admin.events import chart, reading, words
from django_vzaps.admin.events.base import EventBase
from django_vzaps.admin.events.filters import (
    FROM,
    INSTANCE_SEARCH,
    UNTIL,
    EventStateFilter,
    EventTypeFilter,
    InstanceFilter,
    ReceivedFilter,
    Removable,
)
from django_vzaps.models import Event, HandlerRun, Instance
from django_vzaps.search import events
from django_vzaps.search.instances import named
from django_vzaps.search.typed import begins, phone

#: Instances that an ambiguous search names.
_MOST_NAMED: Final = 10
_LISTED: Final = ("payload", "instance__data", "instance__profile", "instance__labels", "instance__token")


class EventChangeList(ChangeList):
    """Django's, but the keys are read first, by the indexes."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the keys, and the rows of the page."""
        read, counted = self._keys()
        paginator = reading.KeyPaginator(read, self.list_per_page, counted=counted)
        try:
            keys = list(paginator.page(self.page_num).object_list)
        except InvalidPage as error:
            raise IncorrectLookupParameters from error
        runs = Prefetch("runs", HandlerRun.objects.only("event", "state").order_by())
        found = self.root_queryset.select_related("instance").defer(*_LISTED).prefetch_related(runs).in_bulk(keys)
        self.paginator = paginator
        self.result_list = [found[key] for key in keys if key in found]
        self.result_count = paginator.count
        # The same number, where there are no more to show: else Django offers to "show all".
        self.full_result_count = None if self.query or self.get_filters_params() else paginator.count
        self.show_full_result_count = False
        self.show_admin_actions = True
        self.can_show_all = False
        self.multi_page = paginator.num_pages > 1

    def _keys(self) -> tuple[list[int], int]:
        """The keys of the newest, at least to the end of this page, and how many there are."""
        most = reading.KeyPaginator.most + 1
        needed = max(self.page_num, 1) * self.list_per_page
        params = self.get_filters_params()
        state = self.params.get(EventStateFilter.parameter_name)
        states = (state,) if state else ()
        if self.query:
            return reading.searched(self.queryset, most=most, needed=needed, states=states)
        if params.keys() == {EventTypeFilter.parameter_name} and not scope.is_set():
            return reading.newest_of_type(self.queryset, most=most, needed=needed)
        if not params and not scope.is_set():
            keys = list(self.queryset.order_by("-pk").values_list("pk", flat=True)[:most])
        else:
            keys = reading.newest(self.queryset, most=most, states=states)
        return keys, len(keys)

    @property
    def active_filters(self) -> list[dict[str, str]]:
        """What is filtered by at present, each with the list's address without it."""
        found = [
            {
                "title": str(spec.title),
                "value": described,
                "without": self.get_query_string(remove=spec.removed_by()),
            }
            for spec in cast("list[Removable]", self.filter_specs)
            if (described := spec.described(self))
        ]
        if self.query:
            found.append({"title": _("search"), "value": self.query, "without": self.get_query_string(remove=["q"])})
        return found

    def chart(self, request: HttpRequest) -> dict[str, Any]:
        """When what the user may see of the chosen instance came; the other filters do not touch it."""
        received = next(spec for spec in self.filter_specs if isinstance(spec, ReceivedFilter))
        instance = next(spec for spec in self.filter_specs if isinstance(spec, InstanceFilter))
        found = chart.chart(request.user, instance=instance.pk, since=received.since, until=received.until)
        return {
            "chart": found,
            "chart_of": instance.described(self),
            "chart_bars": found.drawn(
                lambda bar: self.get_query_string({FROM: bar.from_text, UNTIL: bar.until_text}, ["received"])
            ),
        }


class EventList(EventBase):
    list_display = ["event", "instance_shown", "outcome", "received", "chat_and_message"]
    list_display_links = ["event"]
    list_filter = [EventStateFilter, EventTypeFilter, ReceivedFilter, InstanceFilter]
    search_fields = ["message_id"]  # what is searched says get_search_results
    search_help_text = gettext_lazy(
        "Search by message id, by phone number with country code or the beginning of one, by chat address, "
        "or by an event's number such as #123."
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """With keys read by the indexes."""
        return EventChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        """By message, chat or number, whole and not word by word: people write numbers with spaces."""
        wanted = events.wanted(search_term)
        return (queryset if wanted is None else queryset.filter(wanted)), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Django's list, with a chart above and what is filtered by."""
        if request.method == "GET" and INSTANCE_SEARCH in request.GET and self.has_view_permission(request):
            return self._to_instance(request)
        response = super().changelist_view(request, extra_context)
        context = getattr(response, "context_data", None)
        if context is not None and isinstance(found := context.get("cl"), EventChangeList):
            context.update(found.chart(request))
        return response

    def _to_instance(self, request: HttpRequest) -> HttpResponse:
        """Send the browser to the events of the instance that the text names; say it where it names none or many."""
        kept = request.GET.copy()
        text = str(kept.pop(INSTANCE_SEARCH)[-1]).replace("\0", "").strip()
        kept.pop(InstanceFilter.parameter_name, None)
        kept.pop("p", None)
        found = self._named(request, text) if text else []
        if len(found) == 1:
            kept[InstanceFilter.parameter_name] = str(found[0].pk)
        elif found:
            links = format_html_join(
                ", ",
                '<a href="?{}"><bdi>{}</bdi></a>',
                (
                    (urlencode([*kept.lists(), (InstanceFilter.parameter_name, each.pk)], doseq=True), str(each))
                    for each in found[:_MOST_NAMED]
                ),
            )
            more = _("and others") if len(found) > _MOST_NAMED else ""
            self.message_user(
                request, format_html("{} {} {}", _("Several instances fit. Which one?"), links, more), messages.INFO
            )
        elif text:
            self.message_user(
                request,
                format_html(
                    _("No instance has the VZaps id {}, and none a phone number or a name that begins so."),
                    format_html("<bdi>{}</bdi>", text[:100]),
                ),
                messages.WARNING,
            )
        return HttpResponseRedirect(f"{request.path}?{kept.urlencode()}")

    def _named(self, request: HttpRequest, text: str) -> list[Instance]:
        visible = scope.limited(request.user, Instance.objects.all()).only("name", "vzaps_id").order_by("name", "pk")
        exact = list(visible.filter(vzaps_id=text)[:1])
        if exact:
            return exact
        meant = named(text, vendor=connection.vendor)
        if number := phone(text):
            meant |= begins("phone", number, connection.vendor)
        return list(visible.filter(meant)[: _MOST_NAMED + 1])

    @admin.display(description=gettext_lazy("instance"))
    def instance_shown(self, event: Event) -> SafeString:
        """Whose it is. Not the field itself, whose names Django's list breaks nowhere."""
        return display.in_brief(str(event.instance))

    @admin.display(description=gettext_lazy("state"))
    def outcome(self, event: Event) -> SafeString:
        """What became of it, and what handlers made of it."""
        said = words.outcomes(event.runs.all())
        return format_html('{}<span class="vzaps-quiet vzaps-below">{}</span>', display.event_state(event), said)

    @admin.display(description=gettext_lazy("received"))
    def received(self, event: Event) -> SafeString:
        """How long ago and when it came, how late, and how often more."""
        below = [_briefly(event.received_at), words.delay(event), words.duplicates(event)]
        filled = ((line,) for line in below if line)
        lines = format_html_join("", '<span class="vzaps-quiet vzaps-below">{}</span>', filled)
        return format_html("{}{}", display.ago(event.received_at), lines)

    @admin.display(description=gettext_lazy("chat and message"))
    def chat_and_message(self, event: Event) -> SafeString | str:
        """With whom, and WhatsApp's id of the message."""
        if not (event.chat or event.message_id):
            return display.NOTHING
        return format_html(
            '<bdi class="vzaps-long">{}</bdi><bdi class="vzaps-quiet vzaps-below vzaps-long">{}</bdi>',
            event.chat,
            event.message_id,
        )


def _briefly(at: datetime) -> str:
    return date_format(display.local(at), "SHORT_DATETIME_FORMAT")
