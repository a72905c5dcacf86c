"""Health, described."""

from __future__ import annotations

from typing import Final

from django_vzaps.api.openapi.described import Answer, Described, Descriptions
from django_vzaps.api.openapi.examples import HEALTH
from django_vzaps.api.serializers.health import HealthSerializer
from django_vzaps.api.views.health import HealthViewSet

DESCRIBED: Final[Descriptions] = {
    HealthViewSet: {
        "retrieve": Described(
            summary="How it goes as a whole",
            description=(
                "For a monitoring probe: counts by state of what you may see, and ages in seconds. With limits, the "
                "answer is 503 where one is passed, and `failing` names it. VZaps is asked nothing."
            ),
            answers={
                200: Answer(means="All is within the limits.", shape=HealthSerializer, example=HEALTH),
                503: Answer(
                    means="A limit is passed.",
                    shape=HealthSerializer,
                    example=HEALTH | {"status": "failing", "failing": ["max_backlog_age"]},
                ),
            },
        )
    }
}
