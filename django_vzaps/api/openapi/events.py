"""Events, described."""

from __future__ import annotations

from typing import Final

from django_vzaps.api.openapi.described import Answer, Described, Descriptions
from django_vzaps.api.openapi.examples import EVENT, EVENT_DETAIL
from django_vzaps.api.serializers.events import EventDetailSerializer, EventSerializer, ReplayReportSerializer
from django_vzaps.api.views.events import EventViewSet

DESCRIBED: Final[Descriptions] = {
    EventViewSet: {
        "list": Described(
            summary="List the events",
            description="Those about instances that you may see, newest first, without their payloads.",
            answers={200: Answer(means="A page of events.", shape=EventSerializer, is_page=True, example=EVENT)},
        ),
        "retrieve": Described(
            summary="Look at an event",
            description="With its payload as VZaps sent it, but for secrets, and with what the handlers made of it.",
            answers={200: Answer(means="The event.", shape=EventDetailSerializer, example=EVENT_DETAIL)},
        ),
        "replay": Described(
            summary="Have an event handled again",
            description=(
                "Runs the handlers that failed or never ran; with `interrupted` also those that were cut off, with "
                "`again` all of them, also those that succeeded. With `dry_run` it only says which."
            ),
            answers={
                200: Answer(
                    means="What is run again, or why nothing is.",
                    shape=ReplayReportSerializer,
                    example={
                        "is_replayed": True,
                        "handlers": ["shop.vzaps_handlers.answer_ping"],
                        "left_out_because": None,
                    },
                )
            },
            bodies={"What failed": {}, "See what would be run": {"what": "again", "dry_run": True}},
        ),
    }
}
