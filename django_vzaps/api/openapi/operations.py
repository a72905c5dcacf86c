"""Operations, described."""

from __future__ import annotations

from typing import Final

from django_vzaps.api.openapi.described import Answer, Described, Descriptions
from django_vzaps.api.openapi.examples import OPERATION
from django_vzaps.api.openapi.problems import ASKING
from django_vzaps.api.serializers.operations import OperationSerializer
from django_vzaps.api.views.operations import OperationViewSet

_SHOWN: Final = {200: Answer(means="The operation.", shape=OperationSerializer, example=OPERATION)}

DESCRIBED: Final[Descriptions] = {
    OperationViewSet: {
        "list": Described(
            summary="List the operations",
            description=(
                "Every attempt to change something on VZaps: what was asked for, by whom, and how it ended as far as "
                "that is known. Newest first."
            ),
            answers={
                200: Answer(means="A page of operations.", shape=OperationSerializer, is_page=True, example=OPERATION)
            },
        ),
        "retrieve": Described(
            summary="Look at an operation",
            description="It is over once `is_settled` is true.",
            answers=_SHOWN,
        ),
        "settle": Described(
            summary="Find out how an operation ended",
            description="Asks VZaps what is so now. It never repeats the change.",
            answers=_SHOWN,
            problems=ASKING | {"change-refused", "operation-in-progress"},
        ),
        "decide": Described(
            summary="Say how an operation ended",
            description=(
                "Where VZaps cannot tell and you know, such as from the bill. `phase` is the one that you saw: if the "
                "operation moved on since, nothing is decided."
            ),
            answers=_SHOWN,
            problems=frozenset({"change-refused", "operation-in-progress"}),
            bodies={"It was carried out": {"carried_out": True, "phase": "unknown"}},
        ),
    }
}
