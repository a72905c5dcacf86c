"""Batches, described."""

from __future__ import annotations

from typing import Final

from django_vzaps.api.openapi.described import Answer, Described, Descriptions
from django_vzaps.api.openapi.examples import BATCH, BATCH_ITEM, INSTANCE_ID
from django_vzaps.api.serializers.batches import BatchItemSerializer, BatchSerializer, StoppedSerializer
from django_vzaps.api.views.batches import BatchViewSet

_STARTED: Final = {202: Answer(means="It is under way.", shape=BatchSerializer, example=BATCH, location="the batch")}

DESCRIBED: Final[Descriptions] = {
    BatchViewSet: {
        "list": Described(
            summary="List the batches",
            description="Yours and, with the permission to view batches, those of others. Newest first.",
            answers={200: Answer(means="A page of batches.", shape=BatchSerializer, is_page=True, example=BATCH)},
        ),
        "create": Described(
            summary="Do one thing to many instances or accounts",
            description=(
                "`sync_account` is about `accounts`, all else about `instances`, each of which you have to be able to "
                "see. It runs in the background. Under the same `Idempotency-Key` it is the same batch."
            ),
            answers=_STARTED,
            problems=frozenset({"change-refused", "read-only", "idempotency-key-reused", "not-configured"}),
            bodies={
                "Restart": {"kind": "restart", "instances": [INSTANCE_ID]},
                "Set webhooks": {"kind": "set_webhook", "instances": [INSTANCE_ID], "events": ["Message"]},
                "Sync an account": {"kind": "sync_account", "accounts": [1]},
            },
            takes_key=True,
        ),
        "retrieve": Described(
            summary="Look how far a batch is",
            description="It is over once `is_finished` is true.",
            answers={200: Answer(means="The batch.", shape=BatchSerializer, example=BATCH)},
        ),
        "items": Described(
            summary="List the items of a batch",
            description="One for each instance or account that you may see, with what became of it.",
            answers={
                200: Answer(means="A page of items.", shape=BatchItemSerializer, is_page=True, example=BATCH_ITEM)
            },
        ),
        "retry": Described(
            summary="Do again what failed",
            description="A new batch of those that failed or were stopped. A batch is retried once.",
            answers=_STARTED,
            problems=frozenset({"change-refused", "read-only", "not-configured"}),
        ),
        "stop": Described(
            summary="Stop a batch",
            description="What waits is left as it is; what runs is finished.",
            answers={200: Answer(means="It is stopped.", shape=StoppedSerializer, example={"stopped": 2})},
        ),
    }
}
