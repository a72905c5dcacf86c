"""Alerts: what a person should know of, in words and for programs."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from django_vzaps.api.serializers.fields import LinkField, UTCDateTimeField
from django_vzaps.models import Alert
from django_vzaps.services.alerts import words


class AlertSerializer(serializers.Serializer[Any]):
    """Something that is wrong, or was: about an instance, an account, or, where both are null, the whole site."""

    id = serializers.IntegerField(source="pk", read_only=True)
    url = LinkField("alert", lambda alert: alert.pk)
    kind = serializers.CharField(read_only=True)
    is_open = serializers.BooleanField(read_only=True)
    title = serializers.SerializerMethodField()
    meaning = serializers.SerializerMethodField()
    advice = serializers.SerializerMethodField()
    instance = serializers.CharField(source="instance.vzaps_id", read_only=True, allow_null=True)
    instance_url = LinkField("instance", lambda alert: alert.instance and alert.instance.vzaps_id, allow_null=True)
    account = serializers.IntegerField(source="account_id", read_only=True, allow_null=True)
    account_url = LinkField("account", lambda alert: alert.account_id, allow_null=True)
    since = UTCDateTimeField(help_text="When its reason began, as far as that is known.")
    raised_at = UTCDateTimeField(allow_null=False)
    resolved_at = UTCDateTimeField()

    def get_title(self, alert: Alert) -> str:
        """What is so, in the language of the request."""
        return words.title(alert)

    def get_meaning(self, alert: Alert) -> str:
        """What that means."""
        return words.meaning(alert)

    def get_advice(self, alert: Alert) -> str:
        """What to do."""
        return words.advice(alert)
