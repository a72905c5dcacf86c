"""The inbox, to look at: what arrived and what became of it."""

from __future__ import annotations

import json
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_vzaps.admin import display
from django_vzaps.admin.filters import EventStateFilter, EventTypeFilter
from django_vzaps.admin.paging import CappedPaginator
from django_vzaps.admin.read_only import ReadOnlyAdmin, ReadOnlyInline
from django_vzaps.events.replay import ReplayReport, replay
from django_vzaps.models import Event, EventSource, HandlerRun, HandlerRunState

#: At once and in the admin; the command takes any number.
MOST_REPLAYED: Final = 100

REPLAYS: Final[dict[str, dict[str, Any]]] = {
    "failed": {},
    "interrupted": {"interrupted": True},
    "again": {"interrupted": True, "again": True},
}


REPLAY_CHOICES: Final = (
    ("failed", _("What failed and what never ran")),
    ("interrupted", _("Also what was interrupted: it may have reached outside before")),
    ("again", _("Everything again: what is done is done once more, replies are sent once more")),
)


class ReplayForm(forms.Form):
    """What is to be run again."""

    what = forms.ChoiceField(
        label=_("What is run"),
        widget=forms.RadioSelect,
        initial="failed",
        choices=REPLAY_CHOICES,
    )

    @property
    def how(self) -> dict[str, Any]:
        """The arguments for :func:`~django_vzaps.events.replay.replay`."""
        return REPLAYS[self.cleaned_data["what"]]


def _calls(pks: list[int]) -> str:
    """How often handlers were called with these events: a form is good for one replay."""
    return str(HandlerRun.objects.filter(event__in=pks).aggregate(count=Sum("attempts", default=0))["count"])


def _said(report: ReplayReport) -> list[str]:
    runs = [f"{name}: {count}" for name, count in sorted(report.runs.items())]
    left_out = [
        _("left out, %(reason)s: %(count)d") % {"reason": reason.label, "count": count}
        for reason, count in report.skipped.items()
    ]
    return [*runs, *left_out]


class HandlerRunInline(ReadOnlyInline):
    model = HandlerRun
    readonly_fields = (
        "handler",
        "state_shown",
        "attempts",
        "replays",
        "started_at",
        "duration_shown",
        "error",
    )
    fields = readonly_fields

    @admin.display(description=_("state"))
    def state_shown(self, run: HandlerRun) -> SafeString:
        """What became of it."""
        return display.badge(HandlerRunState, run.state)

    @admin.display(description=_("duration in seconds"))
    def duration_shown(self, run: HandlerRun) -> str:
        """How long the last attempt took, to the millisecond."""
        return display.NOTHING if run.duration is None else f"{run.duration:.3f}"


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ["event", "instance", "state_shown", "received", "chat_shown", "message_id", "duplicates"]
    list_display_links = ["event"]
    list_filter = [EventStateFilter, EventTypeFilter]
    list_select_related = ()  # not False, with which Django joins them all the same
    list_per_page = 100
    list_max_show_all = 100
    search_fields = ["message_id__exact", "chat__startswith"]
    search_help_text = _("Search by message id, or by the beginning of the chat's number.")
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    sortable_by = ()
    inlines = [HandlerRunInline]
    actions = ["replay_selected"]
    readonly_fields = (
        "event",
        "instance",
        "state_shown",
        "source_shown",
        "received_at",
        "occurred_at",
        "chat_shown",
        "message_id",
        "duplicates",
        "revision_of_shown",
        "retry_at",
        "payload_shown",
    )
    fields = readonly_fields

    class Media:
        css = {"all": ["django_vzaps/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        """Without the payloads, which may be megabytes: the page of one event reads its own."""
        return super().get_queryset(request).defer("payload").prefetch_related("instance")

    def get_urls(self) -> list[URLPattern]:
        """With the page that has events handled again."""
        return [
            # In no transaction: workers are told of what they can see.
            path(
                "replay/",
                transaction.non_atomic_requests(self.admin_site.admin_view(self.replay_view)),
                name="django_vzaps_event_replay",
            ),
            *super().get_urls(),
        ]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whether the user may have events handled again."""
        return request.user.has_perm("django_vzaps.replay_event") and self.has_view_permission(request)

    @admin.action(description=_("Replay selected events"), permissions=["replay"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[Event]) -> HttpResponse | None:
        """Show what would be run, and ask."""
        pks = list(queryset.order_by("pk").values_list("pk", flat=True)[: MOST_REPLAYED + 1])
        if len(pks) > MOST_REPLAYED:
            text = _("At most %(most)d events can be replayed here. Use manage.py vzaps_replay for more.")
            self.message_user(request, text % {"most": MOST_REPLAYED}, messages.ERROR)
            return None
        return self._replay_page(request, pks, ReplayForm())

    def replay_view(self, request: HttpRequest) -> HttpResponse:
        """What would be run for the events in ``ids``; with POST, run it."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "POST"])
        if not self.has_replay_permission(request):
            raise PermissionDenied
        given = request.POST.get("ids", "") if request.method == "POST" else request.GET.get("ids", "")
        numbers = [text for text in given.split(",") if text.isascii() and text.isdigit() and len(text) < 19]
        pks = [int(text) for text in numbers[:MOST_REPLAYED]]
        form = ReplayForm(request.POST if request.method == "POST" else None)
        if request.method != "POST" or not form.is_valid():
            return self._replay_page(request, pks, form)
        if request.POST.get("calls") != _calls(pks):
            self.message_user(
                request,
                _("Nothing was run: these events were handled since the form was shown. This is what would run now."),
                messages.WARNING,
            )
            return self._replay_page(request, pks, ReplayForm())
        report = replay(
            Event.objects.filter(pk__in=pks),
            replayed=lambda event: self.log_change(request, event, gettext("Replayed.")),
            **form.how,
        )
        text = ngettext("%(count)d event is handled again.", "%(count)d events are handled again.", report.events)
        level = messages.SUCCESS if report.events else messages.WARNING
        self.message_user(request, text % {"count": report.events}, level)
        return HttpResponseRedirect(reverse("admin:django_vzaps_event_changelist"))

    def _replay_page(self, request: HttpRequest, pks: list[int], form: ReplayForm) -> HttpResponse:
        events = Event.objects.filter(pk__in=pks)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Replay events"),
            "opts": self.opts,
            "media": self.media,
            "has_view_permission": True,
            "ids": ",".join(map(str, pks)),
            # Before the plan: what is handled meanwhile is not in it.
            "calls": _calls(pks),
            "form": form,
            "choices": [
                (radio, _said(replay(events, dry_run=True, **how)))
                for radio, how in zip(form["what"], REPLAYS.values(), strict=True)
            ],
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_vzaps/event/replay.html", context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With the button that leads to a replay, for who may."""
        context["may_replay"] = self.has_replay_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=_("revision of"))
    def revision_of_shown(self, event: Event) -> SafeString | str:
        """The copy of the message that was handled, where this is another."""
        if event.revision_of_id is None:
            return display.NOTHING
        if not Event.objects.filter(pk=event.revision_of_id).exists():  # pruned
            return f"#{event.revision_of_id}"
        url = reverse("admin:django_vzaps_event_change", args=[event.revision_of_id])
        return format_html('<a href="{}">#{}</a>', url, event.revision_of_id)

    @admin.display(description=_("event"))
    def event(self, event: Event) -> SafeString | str:
        """Its type, as VZaps calls it, and its number."""
        return display.from_outside(str(event))

    @admin.display(description=_("state"))
    def state_shown(self, event: Event) -> SafeString:
        """What became of it."""
        return display.event_state(event)

    @admin.display(description=_("received"))
    def received(self, event: Event) -> SafeString | str:
        """How long ago it came."""
        return display.ago(event.received_at)

    @admin.display(description=_("source"))
    def source_shown(self, event: Event) -> str:
        """Which way it came."""
        return display.label(EventSource, event.source)

    @admin.display(description=_("chat"))
    def chat_shown(self, event: Event) -> SafeString | str:
        """With whom."""
        return display.from_outside(event.chat)

    @admin.display(description=_("payload"))
    def payload_shown(self, event: Event) -> SafeString | str:
        """As received, without secrets."""
        body: Any = event.body
        return display.pretty(event.payload if body is None else json.dumps(body, indent=2, ensure_ascii=False))
