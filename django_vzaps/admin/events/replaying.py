"""Having events handled again from the admin: a look at what would be run, then a press of a button."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_vzaps.admin.events import reading
from django_vzaps.admin.events.base import EventBase
from django_vzaps.events.replay import ReplayReport, replay
from django_vzaps.models import Event, HandlerRun

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
    return [*(f"{name}: {count}" for name, count in sorted(report.runs.items())), *_left_out(report)]


def _done(report: ReplayReport) -> str:
    if not report.events:
        return gettext("No event is handled again.")
    text = ngettext("%(count)d event is handled again.", "%(count)d events are handled again.", report.events)
    return text % {"count": report.events}


def _left_out(report: ReplayReport) -> list[str]:
    return [
        _("left out, %(reason)s: %(count)d") % {"reason": reason.label, "count": count}
        for reason, count in report.skipped.items()
    ]


class EventReplay(EventBase):
    actions = ["replay_selected"]

    def get_urls(self) -> list[URLPattern]:
        """With the page that has events handled again."""
        return [
            # In no transaction: workers are told of what they can see.
            path("replay/", self.remote(self.replay_view), name="django_vzaps_event_replay"),
            *super().get_urls(),
        ]

    @admin.action(description=_("Replay selected events"), permissions=["replay"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[Event]) -> HttpResponse | None:
        """Show what would be run, and ask."""
        pks = sorted(reading.newest(queryset, most=MOST_REPLAYED + 1))
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
        pks = self._visible(request, [int(text) for text in numbers[:MOST_REPLAYED]])
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
        said = [_done(report), *(f"{line[:1].upper()}{line[1:]}." for line in _left_out(report))]
        level = messages.WARNING if report.skipped else messages.SUCCESS
        self.message_user(request, " ".join(said), level)
        return HttpResponseRedirect(self._after(pks))

    def _after(self, pks: list[int]) -> str:
        return self.address(Event, "change", pks[0]) if len(pks) == 1 else self.address(Event, "changelist")

    def _visible(self, request: HttpRequest, pks: list[int]) -> list[int]:
        """Those of instances the user may see: whoever posts the number of another finds nothing under it."""
        found = list(self.get_queryset(request).filter(pk__in=pks).order_by("pk").values_list("pk", flat=True))
        if pks and not found:
            raise Http404
        return found

    def _replay_page(self, request: HttpRequest, pks: list[int], form: ReplayForm) -> HttpResponse:
        events = Event.objects.filter(pk__in=pks)
        context = {
            **self.admin_site.each_context(request),
            "is_themed": self.is_themed,
            "title": _("Replay events"),
            "opts": self.opts,
            "media": self.media,
            "has_view_permission": True,
            "count": len(pks),
            "one": events.only("type", "state").first() if len(pks) == 1 else None,
            "back": self._after(pks),
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
