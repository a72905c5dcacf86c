"""The WhatsApp session and sending messages, described."""

from __future__ import annotations

from typing import Final

from django_vzaps.api.openapi.described import Answer, Described, Descriptions
from django_vzaps.api.openapi.examples import CONNECTION, PAIRING
from django_vzaps.api.openapi.instances import FOLLOW, done
from django_vzaps.api.openapi.problems import ASKING, CHANGING, KEYED
from django_vzaps.api.serializers.instances import SessionSerializer
from django_vzaps.api.serializers.pairing import PairCodeSerializer, PairingSerializer
from django_vzaps.api.views.messages import MessageViewSet
from django_vzaps.api.views.session import SessionViewSet

_SESSION: Final = {
    200: Answer(
        means="The connection, and the profile.",
        shape=SessionSerializer,
        example=CONNECTION | {"profile": {"name": "Corner shop"}},
    )
}
_PAIRING: Final = {200: Answer(means="How far the pairing is.", shape=PairingSerializer, example=PAIRING)}

DESCRIBED: Final[Descriptions] = {
    SessionViewSet: {
        "retrieve": Described(
            summary="Look at the session",
            description="Whether the instance is connected, who said so and when. VZaps is not asked.",
            answers=_SESSION,
        ),
        "status": Described(
            summary="Ask VZaps whether the instance is connected",
            description="Asks VZaps, and changes nothing there.",
            answers=_SESSION,
            problems=ASKING,
        ),
        "begin_qr": Described(
            summary="Begin to pair by QR code",
            description=(
                "Keep `watch` and look again with it every `look_again_after` seconds: the code changes. Whoever scans "
                "it takes the number's chats over, so it is kept nowhere. Where somebody else is at it, take over with "
                "`take_over`."
            ),
            answers=_PAIRING,
            problems=CHANGING | {"pairing-in-progress"},
            bodies={"Begin": {}, "Take over": {"take_over": True}},
        ),
        "look": Described(
            summary="Look how far a pairing is",
            description=(
                "With the `watch` of the one who began it, it shows the QR code and keeps the pairing alive; without, "
                "only how far it is."
            ),
            answers=_PAIRING,
            problems=ASKING,
        ),
        "stop": Described(
            summary="End a pairing",
            description="Others can begin one at once. A number that is connected stays so.",
            answers={204: Answer(means="It is ended, or was.")},
        ),
        "pair_code": Described(
            summary="Ask for a code to type into the phone",
            description=(
                "For a phone that cannot scan: in WhatsApp, under Linked devices, link with the phone number. The code "
                "is shown once and kept nowhere."
            ),
            answers={
                200: Answer(
                    means="The code.",
                    shape=PairCodeSerializer,
                    example={"code": "K7QX-2M9P", "watch": PAIRING["watch"]},
                ),
                202: FOLLOW,
            },
            problems=CHANGING | {"pairing-in-progress"},
            bodies={"A number": {"phone": "+49 151 2345678"}},
        ),
        "disconnect": Described(
            summary="End the session",
            description="The phone is unlinked: to connect again it has to be paired again.",
            answers=done("session.disconnect"),
            problems=CHANGING | KEYED,
            takes_key=True,
        ),
    },
    MessageViewSet: {
        "send": Described(
            summary="Send a text message",
            description=(
                "It reaches the number at once and cannot be taken back. It is never sent again by itself: give an "
                "`Idempotency-Key` to be able to ask again safely."
            ),
            answers=done("message.send_text"),
            problems=CHANGING | KEYED,
            bodies={
                "A text": {"phone": "+49 170 1234567", "message": "Your order is ready."},
                "A reply": {"phone": "491701234567", "message": "Until six.", "reply_to": "3EB0A1B2C3"},
            },
            takes_key=True,
        )
    },
}
