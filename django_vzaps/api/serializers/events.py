"""Events: what arrived, what the handlers made of it, and having them run again."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from rest_framework import serializers

from django_vzaps.api.serializers.fields import (
    KnownTextField,
    LinkField,
    OneOfField,
    StrictSerializer,
    UTCDateTimeField,
)
from django_vzaps.events import masking
from django_vzaps.models import Event, HandlerRun


class EventSerializer(serializers.Serializer[Any]):
    """An event without its payload, which may be megabytes."""

    id = serializers.IntegerField(source="pk", read_only=True)
    url = LinkField("event", lambda event: event.pk)
    instance = serializers.CharField(source="instance.vzaps_id", read_only=True)
    type = serializers.CharField(read_only=True)
    state = serializers.CharField(read_only=True)
    source = serializers.CharField(read_only=True)  # type: ignore[assignment]
    message_id = KnownTextField()
    chat = KnownTextField()
    duplicates = serializers.IntegerField(read_only=True)
    revision_of = serializers.IntegerField(source="revision_of_id", read_only=True, allow_null=True)
    received_at = UTCDateTimeField(allow_null=False)
    occurred_at = UTCDateTimeField()
    retry_at = UTCDateTimeField()


class HandlerRunSerializer(serializers.Serializer[Any]):
    """What one handler made of an event."""

    handler = serializers.CharField(read_only=True)
    state = serializers.CharField(read_only=True)
    attempts = serializers.IntegerField(read_only=True)
    started_at = UTCDateTimeField()
    duration = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()

    def get_duration(self, run: HandlerRun) -> float | None:
        """In seconds, to the microsecond."""
        return None if run.duration is None else round(run.duration, 6)

    def get_error(self, run: HandlerRun) -> str | None:
        """The last line of what was raised; where it was raised is in the admin."""
        lines = run.error.strip().splitlines()
        return lines[-1] if lines else None


class EventDetailSerializer(EventSerializer):
    """An event with its payload, and what became of it."""

    payload = serializers.SerializerMethodField()
    runs = HandlerRunSerializer(many=True, read_only=True)

    def get_payload(self, event: Event) -> Any:
        """As VZaps sent it, without secrets; text where it was no JSON, null once it was erased."""
        if not event.payload:
            return None
        body = event.body
        if body is not None:
            with suppress(RecursionError):
                # Under a name, so that whatever it is can be looked through.
                return masking.without_secrets({"": body})[""]
        return masking.text_without_secrets(event.payload)


class ReplaySerializer(StrictSerializer):
    """What is run again: what failed or never ran, also what was interrupted, or everything ``again``."""

    what = OneOfField(choices=["failed", "interrupted", "again"], default="failed")
    dry_run = serializers.BooleanField(default=False)


class ReplayReportSerializer(serializers.Serializer[Any]):
    """What is run again; with ``dry_run``, what would be."""

    is_replayed = serializers.BooleanField(read_only=True)
    handlers = serializers.ListField(child=serializers.CharField(), read_only=True)
    left_out_because = serializers.CharField(read_only=True, allow_null=True)
