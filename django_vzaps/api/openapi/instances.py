"""Instances, described."""

from __future__ import annotations

from typing import Any, Final

from django_vzaps.api.openapi.described import Answer, Described, Descriptions
from django_vzaps.api.openapi.examples import INSTANCE, OPERATION, UNSETTLED
from django_vzaps.api.openapi.problems import ASKING, CHANGING, KEYED
from django_vzaps.api.serializers.instances import InstanceSerializer
from django_vzaps.api.serializers.operations import OperationSerializer
from django_vzaps.api.views.instances import InstanceViewSet

#: Where it is not known whether a change was made.
FOLLOW: Final = Answer(
    means=(
        "Whether it is done is not known yet, or what it did cannot be seen yet: this operation is settled by itself "
        "where that is possible. Follow it by its `url`; asking again under the same key never does it twice."
    ),
    shape=OperationSerializer,
    example=UNSETTLED,
    location="the operation",
)

_SHOWN: Final = Answer(means="The instance as it is known now.", shape=InstanceSerializer, example=INSTANCE)
_WITHOUT_EFFECT: Final[dict[str, Any]] = {"phase": "done", "answer": {}, "effect": None, "confirmed_at": None}


def done(kind: str) -> dict[int, Answer]:
    """The answers of a change that is an operation of this kind."""
    operation = {"kind": kind} | ({} if kind.startswith("subscription.") else _WITHOUT_EFFECT)
    return {
        200: Answer(means="It is done: the operation.", shape=OperationSerializer, example=OPERATION | operation),
        202: FOLLOW,
    }


DESCRIBED: Final[Descriptions] = {
    InstanceViewSet: {
        "list": Described(
            summary="List the instances",
            description=(
                "Those that you may see, by name, as they were when VZaps was last asked; `confirmed_at` and "
                "`synced_at` say when that was. Those that are gone from VZaps are left out unless asked for."
            ),
            answers={
                200: Answer(means="A page of instances.", shape=InstanceSerializer, is_page=True, example=INSTANCE)
            },
        ),
        "create": Described(
            summary="Create an instance on VZaps",
            description=(
                "A number to pair next; it is not paid for yet. Its webhook is set to this site, for `events` or "
                "those that the settings name."
            ),
            answers={
                201: Answer(
                    means="The instance is created.",
                    shape=InstanceSerializer,
                    example=INSTANCE,
                    location="the instance",
                ),
                202: FOLLOW,
            },
            # Not found: what was created before under the same key and has since become somebody else's.
            problems=(CHANGING | KEYED | {"not-found"}) - {"instance-removed"},
            bodies={
                "Only a name": {"name": "Front desk"},
                "With everything": {
                    "name": "Front desk",
                    "events": ["Message", "Connected", "Disconnected"],
                    "reject_calls": True,
                    "auto_read_messages": False,
                    "labels": {"shop": "Berlin"},
                    "owner": None,
                },
            },
            takes_key=True,
        ),
        "retrieve": Described(
            summary="Look at an instance",
            description="Nothing is asked of VZaps to show it; `sync` does that.",
            answers={200: _SHOWN},
        ),
        "partial_update": Described(
            summary="Change an instance",
            description="What is not named stays as it is. `owner` is known here only; all else is changed on VZaps.",
            answers={200: _SHOWN, 202: FOLLOW},
            problems=CHANGING,
            bodies={"Another name": {"name": "Front desk 2"}, "Nobody's": {"owner": None}},
        ),
        "destroy": Described(
            summary="Delete an instance on VZaps",
            description=(
                "It cannot be undone. What becomes of a running subscription is not documented, so an instance that "
                "is or may be paid for is deleted only with `despite_subscription=true`. It can be looked at here "
                "afterwards, and its events stay."
            ),
            answers=done("instance.delete"),
            problems=CHANGING | KEYED | {"subscription-active"},
            takes_key=True,
        ),
        "sync": Described(
            summary="Read an instance from VZaps",
            description="Reads all that VZaps says of it, and its webhook and subscription; changes nothing there.",
            answers={200: _SHOWN},
            problems=ASKING | {"sync-running"},
        ),
        "restart": Described(
            summary="Restart an instance",
            description="VZaps starts its connection to WhatsApp anew; the pairing stays.",
            answers=done("instance.restart"),
            problems=CHANGING | KEYED,
            takes_key=True,
        ),
    }
}
