"""Alerts and histories, described."""

from __future__ import annotations

from typing import Final

from django_vzaps.api.openapi.described import Answer, Described, Descriptions
from django_vzaps.api.openapi.examples import ALERT, CHANGE
from django_vzaps.api.serializers.alerts import AlertSerializer
from django_vzaps.api.serializers.changes import ChangeSerializer
from django_vzaps.api.views.alerts import AlertViewSet
from django_vzaps.api.views.changes import ChangeViewSet

DESCRIBED: Final[Descriptions] = {
    AlertViewSet: {
        "list": Described(
            summary="List the alerts",
            description=(
                "What a person should know of: each is raised once while its reason holds, and resolved once. Newest "
                "first, those that are over too unless `open` says otherwise."
            ),
            answers={200: Answer(means="A page of alerts.", shape=AlertSerializer, is_page=True, example=ALERT)},
        ),
        "retrieve": Described(
            summary="Look at an alert",
            description="What is so, what it means and what to do, in words in the language of the request.",
            answers={200: Answer(means="The alert.", shape=AlertSerializer, example=ALERT)},
        ),
    },
    ChangeViewSet: {
        "list": Described(
            summary="List what changed of an instance",
            description=(
                "Each fact that became another one, newest first. Nothing is kept of what was so when the instance "
                "was first seen here; of a token only that it changed."
            ),
            answers={200: Answer(means="A page of changes.", shape=ChangeSerializer, is_page=True, example=CHANGE)},
        ),
    },
}
