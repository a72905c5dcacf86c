"""What charges a card, described."""

from __future__ import annotations

from typing import Final

from django_vzaps.api.openapi.described import Answer, Described, Descriptions
from django_vzaps.api.openapi.examples import SUBSCRIPTION
from django_vzaps.api.openapi.instances import done
from django_vzaps.api.openapi.problems import ASKING, CHANGING, KEYED
from django_vzaps.api.serializers.instances import SubscriptionSerializer
from django_vzaps.api.views.billing import SubscriptionViewSet

_SHOWN: Final = {200: Answer(means="The subscription.", shape=SubscriptionSerializer, example=SUBSCRIPTION)}
_ONCE: Final = (
    "Give an `Idempotency-Key`: asked again under the same key, the answer is the same operation and nothing is "
    "charged twice. Without one, a second request while the first is not settled is a 409 that names its operation."
)

DESCRIBED: Final[Descriptions] = {
    SubscriptionViewSet: {
        "retrieve": Described(
            summary="Look at the subscription",
            description="What VZaps said when it was last asked, at `refreshed_at`: it sends no events about billing.",
            answers=_SHOWN,
        ),
        "refresh": Described(
            summary="Read the subscription from VZaps",
            description="Asks VZaps, and changes nothing there.",
            answers=_SHOWN,
            problems=ASKING,
        ),
        "subscribe": Described(
            summary="Subscribe: start to pay for an instance",
            description=(
                f"It charges the card of the account, or answers 202 with a `checkout_url` to pay at. {_ONCE}"
            ),
            answers=done("subscription.subscribe"),
            problems=CHANGING | KEYED | {"already-subscribed"},
            takes_key=True,
        ),
        "cancel": Described(
            summary="Cancel the subscription",
            description=f"It ends with the period that is paid for; until then it can be resumed. {_ONCE}",
            answers=done("subscription.cancel"),
            problems=CHANGING | KEYED,
            takes_key=True,
        ),
        "resume": Described(
            summary="Take a cancellation back",
            description=f"The subscription goes on, and is charged for again. {_ONCE}",
            answers=done("subscription.resume"),
            problems=CHANGING | KEYED,
            takes_key=True,
        ),
    }
}
