"""VZaps' own log of what it delivered, as far as it can be read."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from django_vzaps.api.serializers.fields import (
    KnownTextField,
    LinkField,
    OneOfField,
    StrictSerializer,
    UTCDateTimeField,
)
from django_vzaps.services.deliveries import FAILED, MOST_PAGES


class SearchDeliveriesSerializer(StrictSerializer):
    """Which deliveries: those that failed, or all."""

    status = OneOfField(choices=[FAILED, "all"], default=FAILED)
    page = serializers.IntegerField(min_value=1, max_value=MOST_PAGES, default=1)


class DeliverySerializer(serializers.Serializer[Any]):
    """A delivery as VZaps recorded it, and the event that it is here, where that can be told."""

    id = serializers.CharField(read_only=True)
    at = UTCDateTimeField()
    event_type = KnownTextField()
    status = KnownTextField()
    is_failed = serializers.BooleanField(read_only=True)
    attempts = serializers.IntegerField(read_only=True, allow_null=True)
    response_code = serializers.IntegerField(read_only=True, allow_null=True)
    error = KnownTextField()
    event = LinkField("event", lambda delivery: delivery["event_id"], allow_null=True)


class DeliveryPageSerializer(serializers.Serializer[Any]):
    """A page of the log. ``problems`` says in words what of it could not be read."""

    page = serializers.IntegerField(read_only=True)
    total = serializers.IntegerField(read_only=True, allow_null=True)
    has_next = serializers.BooleanField(read_only=True)
    problems = serializers.ListField(child=serializers.CharField(), read_only=True)
    results = DeliverySerializer(many=True, read_only=True)
