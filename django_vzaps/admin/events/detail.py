"""One event: what became of it in sentences, what it says, what each handler did, and the payload."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_vzaps import conf, scope
from django_vzaps.admin import display
from django_vzaps.admin.events import payload, reading, words
from django_vzaps.admin.events.base import EventBase
from django_vzaps.admin.events.summary import summary
from django_vzaps.admin.read_only import ReadOnlyInline
from django_vzaps.events import inbound, masking, policies
from django_vzaps.models import Event, EventSource, EventState, HandlerRun, HandlerRunState, Instance, Operation

_MOST_COPIES: Final = 10
_SHORT_ERROR: Final = 80


class HandlerRunInline(ReadOnlyInline):
    model = HandlerRun
    template = "admin/django_vzaps/event/runs.html"
    readonly_fields = (
        "handler_shown",
        "state_shown",
        "attempts",
        "replays",
        "started",
        "duration_shown",
        "error_shown",
    )
    fields = readonly_fields
    verbose_name_plural = gettext_lazy("what each handler did")

    @admin.display(description=gettext_lazy("handler"))
    def handler_shown(self, run: HandlerRun) -> SafeString:
        """Its name, which is long and may be broken."""
        return format_html('<bdi class="vzaps-long">{}</bdi>', run.handler)

    @admin.display(description=gettext_lazy("state"))
    def state_shown(self, run: HandlerRun) -> SafeString:
        """What became of it."""
        return display.badge(HandlerRunState, run.state)

    @admin.display(description=gettext_lazy("started"))
    def started(self, run: HandlerRun) -> SafeString | str:
        """When the last attempt began."""
        return display.NOTHING if run.started_at is None else display.moment(run.started_at)

    @admin.display(description=gettext_lazy("duration in seconds"))
    def duration_shown(self, run: HandlerRun) -> str:
        """How long the last attempt took, to the millisecond."""
        return display.NOTHING if run.duration is None else f"{run.duration:.3f}"

    @admin.display(description=gettext_lazy("error"))
    def error_shown(self, run: HandlerRun) -> SafeString | str:
        """What went wrong; the way there folded."""
        if not run.error:
            return display.NOTHING
        error = masking.text_without_secrets(run.error)
        if len(error) <= _SHORT_ERROR and "\n" not in error.strip():
            return format_html("<bdi>{}</bdi>", error)
        return format_html(
            '<details class="vzaps-error"><summary><bdi>{}</bdi></summary>{}</details>',
            words.reason(error),
            display.pretty(error),
        )


SECTIONS: Final = [
    (None, {"fields": ["event", "instance", "state_shown", "story", "summary_shown"]}),
    (
        gettext_lazy("Arrival"),
        {
            "fields": [
                "received_shown",
                "occurred_shown",
                "source_shown",
                "chat_shown",
                "message_shown",
                "duplicates_shown",
                "copies_shown",
                "replies_shown",
            ]
        },
    ),
]


class EventDetail(EventBase):
    inlines = [HandlerRunInline]
    fieldsets = SECTIONS  # type: ignore[assignment]
    readonly_fields = [field for _title, options in SECTIONS for field in options["fields"]]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's page, everything read-only, with the payload below."""
        extra = {"title": str(self.opts.verbose_name).capitalize(), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, extra)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Event | None:
        """The event, with what the fields say of it at hand."""
        event: Event | None = super().get_object(request, object_id, from_field)
        if event is not None:
            # The fields are methods, which are not told who is looking.
            event.__dict__["seen_by"] = request
        return event

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With the payload, the way to the instance's other events and the button to replay, for who may."""
        event: Event = context["original"]
        context["may_replay"] = self.has_replay_permission(request)
        context["payload"] = payload.shown(event)
        context["why_no_payload"] = "" if event.payload else _why_no_payload(event)
        context["is_unfolded"] = event.state in (EventState.UNPARSED, EventState.MISDIRECTED)
        context["earlier"], context["later"] = (self._neighbour(event, later=later) for later in (False, True))
        return super().render_change_form(request, context, *args, **kwargs)

    def _neighbour(self, event: Event, *, later: bool) -> str:
        """The address of the instance's event before or after; empty where there is none."""
        found = reading.neighbour(event, later=later)
        return self.address(Event, "change", found) if found is not None else ""

    @admin.display(description=gettext_lazy("state"))
    def state_shown(self, event: Event) -> SafeString:
        """What became of it."""
        return display.event_state(event)

    @admin.display(description=gettext_lazy("what happened"))
    def story(self, event: Event) -> SafeString:
        """What became of it, what that means, and what to do."""
        may_replay = self.has_replay_permission(event.__dict__["seen_by"])
        sentences = words.story(event, list(event.runs.order_by("pk")), may_replay=may_replay)
        return format_html(
            '<div class="vzaps-story">{}</div>', format_html_join("", "<p>{}</p>", ((each,) for each in sentences))
        )

    @admin.display(description=gettext_lazy("what it says"))
    def summary_shown(self, event: Event) -> SafeString | str:
        """The fields that are known of its type."""
        return summary(event) or display.NOTHING

    @admin.display(description=gettext_lazy("received"))
    def received_shown(self, event: Event) -> SafeString:
        """When it came, and how long ago that is."""
        return _when(event.received_at, display.ago(event.received_at))

    @admin.display(description=gettext_lazy("occurred"))
    def occurred_shown(self, event: Event) -> SafeString | str:
        """When it happened, as it says itself."""
        if event.occurred_at is None:
            return display.NOTHING
        late = words.lateness(event)
        return _when(event.occurred_at, late)

    @admin.display(description=gettext_lazy("source"))
    def source_shown(self, event: Event) -> str:
        """Which way it came."""
        return display.label(EventSource, event.source)

    @admin.display(description=gettext_lazy("chat"))
    def chat_shown(self, event: Event) -> SafeString | str:
        """With whom, and the way to all of that chat."""
        return self._searched(event, event.chat, _("all events of this chat"))

    @admin.display(description=gettext_lazy("message id"))
    def message_shown(self, event: Event) -> SafeString | str:
        """WhatsApp's id, and the way to all about that message."""
        return self._searched(event, event.message_id, _("all events about this message"))

    def _searched(self, event: Event, text: str, words: str) -> SafeString | str:
        if not text:
            return display.NOTHING
        url = self.address(Event, "changelist")
        return format_html(
            '<bdi class="vzaps-long">{}</bdi> <a href="{}?{}">{}</a>',
            text,
            url,
            reading.query_string(q=text, instance__id__exact=event.instance_id),
            words,
        )

    @admin.display(description=gettext_lazy("duplicates"))
    def duplicates_shown(self, event: Event) -> str:
        """How often it came again."""
        return words.duplicates(event) or _("none: it came once")

    @admin.display(description=gettext_lazy("other copies"))
    def copies_shown(self, event: Event) -> SafeString | str:
        """Of which message it is a copy, or which events are copies of it."""
        if event.revision_of_id is not None:
            number = f"#{event.revision_of_id}"
            if Event.objects.filter(pk=event.revision_of_id).exists():
                url = self.address(Event, "change", event.revision_of_id)
                number = format_html('<a href="{}">{}</a>', url, number)
            return format_html(_("This is another copy of {}, which was handled."), number)
        if not event.message_id:
            return display.NOTHING
        same = Event.objects.filter(message_id=event.message_id, instance=event.instance_id)
        pks = sorted(same.filter(revision_of=event.pk).order_by().values_list("pk", flat=True)[:_MOST_COPIES])
        links = format_html_join(", ", '<a href="{}">#{}</a>', ((self.address(Event, "change", pk), pk) for pk in pks))
        return links or display.NOTHING

    @admin.display(description=gettext_lazy("replies"))
    def replies_shown(self, event: Event) -> SafeString | str:
        """The operations by which handlers replied, for those who may see operations."""
        user = event.__dict__["seen_by"].user
        if not user.has_perm("django_vzaps.view_operation"):
            return display.NOTHING
        runs = event.runs.values_list("handler", "replays")
        keys = [key for handler, replays in runs for key in inbound.reply_keys(event.pk, handler, replays=replays)]
        if not keys:
            return display.NOTHING
        found = scope.about(user, Operation.objects.filter(idempotency_key__in=keys), Instance.objects.all())
        links = format_html_join(
            ", ",
            '<a href="{}">{}</a> {}',
            (
                (self.address(Operation, "change", operation.pk), f"#{operation.pk}", display.outcome(operation))
                for operation in found.order_by("pk")
            ),
        )
        return links or display.NOTHING


def _when(at: Any, also: SafeString | str) -> SafeString:
    if not also:
        return format_html("{}", display.moment(at))
    return format_html('{} <span class="vzaps-quiet">({})</span>', display.moment(at), also)


def _why_no_payload(event: Event) -> str:
    if policies.policy_of(event.type) == conf.METADATA:
        return _(
            "No payload is kept of this type: it was erased when the event had been handled (VZAPS['EVENT_STORAGE'])."
        )
    days = conf.current().event_payload_days
    if days:
        return _("The payload was erased: payloads are kept for %(days)d days (VZAPS['EVENT_PAYLOAD_DAYS']).") % {
            "days": days
        }
    return _("The payload was erased. The event can no longer be replayed.")
