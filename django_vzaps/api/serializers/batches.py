"""Batches: one thing done to many instances or accounts."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from django_vzaps.api.serializers.fields import (
    KnownTextField,
    LinkField,
    OneOfField,
    StrictSerializer,
    UsernameField,
    UTCDateTimeField,
)
from django_vzaps.api.serializers.instances import EventsField
from django_vzaps.models import BatchKind

#: In one batch asked for here.
MOST: int = 1000


class ProgressSerializer(serializers.Serializer[Any]):
    """How many items are where; of those that the user may see."""

    total = serializers.IntegerField(read_only=True)
    ended = serializers.IntegerField(read_only=True)
    waiting = serializers.IntegerField(read_only=True)
    running = serializers.IntegerField(read_only=True)
    succeeded = serializers.IntegerField(read_only=True)
    failed = serializers.IntegerField(read_only=True)
    unknown = serializers.IntegerField(read_only=True)
    stopped = serializers.IntegerField(read_only=True)


class BatchSerializer(serializers.Serializer[Any]):
    """A batch, and how far it is. ``progress`` is what the view has put on the row."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    url = LinkField("batch", lambda batch: batch.public_id)
    items_url = LinkField("batch-items", lambda batch: batch.public_id)
    kind = serializers.CharField(read_only=True)
    actor = UsernameField()
    is_finished = serializers.SerializerMethodField()
    progress = ProgressSerializer(read_only=True)
    retry_of = serializers.UUIDField(source="retry_of.public_id", read_only=True, allow_null=True)
    created_at = UTCDateTimeField(allow_null=False)
    finished_at = UTCDateTimeField()

    def get_is_finished(self, batch: Any) -> bool:
        """Whether nothing more happens by itself."""
        return batch.finished_at is not None


class BatchItemSerializer(serializers.Serializer[Any]):
    """One instance or account of a batch, and what became of it."""

    instance = serializers.CharField(source="instance.vzaps_id", read_only=True, allow_null=True)
    account = serializers.IntegerField(source="account_id", read_only=True, allow_null=True)
    state = serializers.CharField(read_only=True)
    detail = KnownTextField()
    operation = LinkField("operation", lambda item: item.operation_id, allow_null=True)
    seen = serializers.IntegerField(read_only=True)
    expected = serializers.IntegerField(read_only=True, allow_null=True)
    started_at = UTCDateTimeField()
    finished_at = UTCDateTimeField()


class StartBatchSerializer(StrictSerializer):
    """What is to be done to which instances or, for ``sync_account``, accounts."""

    kind = OneOfField(choices=BatchKind.values)
    instances = serializers.ListField(
        child=serializers.RegexField(r"^[^\x00/]+$", max_length=255, trim_whitespace=False),
        min_length=1,
        max_length=MOST,
        required=False,
    )
    accounts = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1), min_length=1, max_length=MOST, required=False
    )
    events = EventsField()
    overwrite = serializers.BooleanField(required=False)
    despite_subscription = serializers.BooleanField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """With those it is about, and with no parameter that its kind does not know."""
        kind = attrs["kind"]
        wanted, other = ("accounts", "instances") if kind == BatchKind.SYNC_ACCOUNT else ("instances", "accounts")
        problems: dict[str, list[str]] = {}
        if wanted not in attrs:
            problems[wanted] = [_("Name those that it is about.")]
        if other in attrs:
            problems[other] = [_("“%(kind)s” is not about these.") % {"kind": kind}]
        for name in sorted({"events", "overwrite", "despite_subscription"} & attrs.keys()):
            if name not in PARAMETERS.get(kind, ()):
                problems[name] = [_("“%(kind)s” does not know this.") % {"kind": kind}]
        if problems:
            raise serializers.ValidationError(problems)
        return attrs


#: What else a kind knows.
PARAMETERS: dict[str, tuple[str, ...]] = {
    BatchKind.SET_WEBHOOK: ("events", "overwrite"),
    BatchKind.DELETE: ("despite_subscription",),
}


def parameters_of(given: dict[str, Any]) -> dict[str, Any]:
    """Those of the batch's kind that were given."""
    return {name: given[name] for name in PARAMETERS.get(given["kind"], ()) if name in given}


class StoppedSerializer(serializers.Serializer[Any]):
    """How many were still waiting, and are left as they are."""

    stopped = serializers.IntegerField(read_only=True)
