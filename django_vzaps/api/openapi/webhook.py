"""The webhook and VZaps' log of deliveries, described."""

from __future__ import annotations

from typing import Final

from django_vzaps.api.openapi.described import Answer, Described, Descriptions
from django_vzaps.api.openapi.examples import DELIVERIES, WEBHOOK
from django_vzaps.api.openapi.instances import done
from django_vzaps.api.openapi.problems import ASKING, CHANGING, KEYED
from django_vzaps.api.serializers.deliveries import DeliveryPageSerializer
from django_vzaps.api.serializers.instances import WebhookSerializer
from django_vzaps.api.views.deliveries import DeliveryViewSet
from django_vzaps.api.views.webhook import WebhookViewSet

_SHOWN: Final = {200: Answer(means="The webhook.", shape=WebhookSerializer, example=WEBHOOK)}

DESCRIBED: Final[Descriptions] = {
    WebhookViewSet: {
        "retrieve": Described(
            summary="Look at the webhook",
            description="As this site wants it, as VZaps had it at `checked_at`, and in what they differ.",
            answers=_SHOWN,
        ),
        "check": Described(
            summary="Ask VZaps how the webhook is set",
            description="Asks VZaps, and changes nothing there.",
            answers=_SHOWN,
            problems=ASKING,
        ),
        "apply": Described(
            summary="Have VZaps send events here",
            description=(
                "Sets the webhook to this site with a new secret, for `events` or those that the settings name. One "
                "that somebody else set is replaced only with `overwrite`."
            ),
            answers=done("webhook.set"),
            problems=CHANGING | KEYED | {"foreign-webhook"},
            bodies={
                "As the settings say": {},
                "These events": {"events": ["Message", "ReadReceipt"]},
                "Replace somebody else's": {"overwrite": True},
            },
            takes_key=True,
        ),
        "rotate_secret": Described(
            summary="Give the webhook a new secret",
            description="What VZaps still sends to the old address is taken for a while, so nothing is lost.",
            answers=done("webhook.set"),
            problems=CHANGING | KEYED,
            takes_key=True,
        ),
    },
    DeliveryViewSet: {
        "search": Described(
            summary="Search VZaps' log of deliveries",
            description=(
                "Asks VZaps. What the log holds is not documented, so all of it may be null; `event` is the event "
                "here, where that can be told, and `problems` says in words what could not be read."
            ),
            answers={200: Answer(means="A page of the log.", shape=DeliveryPageSerializer, example=DELIVERIES)},
            problems=ASKING,
        ),
        "retry": Described(
            summary="Have VZaps deliver an event again",
            description="If the event is here already it is counted as a duplicate, and not handled twice.",
            answers=done("delivery.retry"),
            problems=CHANGING | KEYED,
            takes_key=True,
        ),
    },
}
