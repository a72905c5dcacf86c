"""How it goes as a whole, for whoever watches over it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from django_vzaps.api.serializers.fields import KnownTextField, StrictSerializer, UTCDateTimeField

_SECONDS: dict[str, Any] = {"min_value": 1, "max_value": 10**9, "required": False}
_COUNT: dict[str, Any] = {"min_value": 0, "max_value": 10**9, "required": False}


class LimitsSerializer(StrictSerializer):
    """What is no longer well: where one is passed, the answer is 503 and names it. Times are in seconds."""

    max_untried_age = serializers.IntegerField(**_SECONDS)
    max_backlog_age = serializers.IntegerField(**_SECONDS)
    max_sync_age = serializers.IntegerField(**_SECONDS)
    max_disconnected = serializers.IntegerField(**_COUNT)
    max_failed_events = serializers.IntegerField(**_COUNT)
    max_open_alerts = serializers.IntegerField(**_COUNT)
    max_unsettled = serializers.IntegerField(**_COUNT)


class BacklogSerializer(serializers.Serializer[Any]):
    """Events that wait to be handled; counted up to 10,000."""

    waiting = serializers.IntegerField(read_only=True)
    oldest_at = UTCDateTimeField()
    age = serializers.FloatField(read_only=True, allow_null=True)
    untried_age = serializers.FloatField(read_only=True, allow_null=True)


class AccountSyncSerializer(serializers.Serializer[Any]):
    """How old the mirror of an account is, in seconds; null where it never was synced completely."""

    account = serializers.CharField(read_only=True)
    synced_at = UTCDateTimeField()
    age = serializers.FloatField(read_only=True, allow_null=True)
    error = KnownTextField()


class HealthSerializer(serializers.Serializer[Any]):
    """Counts by state, of what the user may see."""

    status = serializers.CharField(read_only=True)
    failing = serializers.ListField(child=serializers.CharField(), read_only=True)
    connections = serializers.DictField(child=serializers.IntegerField(), read_only=True)
    subscriptions = serializers.DictField(child=serializers.IntegerField(), read_only=True)
    webhooks = serializers.DictField(child=serializers.IntegerField(), read_only=True)
    backlog = BacklogSerializer(read_only=True)
    failed_events = serializers.IntegerField(read_only=True)
    unsettled_operations = serializers.IntegerField(read_only=True)
    open_alerts = serializers.DictField(child=serializers.IntegerField(), read_only=True)
    syncs = AccountSyncSerializer(many=True, read_only=True)
