"""What became another one of an instance."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from rest_framework import serializers

from django_vzaps.api.serializers.fields import UTCDateTimeField
from django_vzaps.models.instance_change import MOMENTS


class ValueField(serializers.JSONField):
    """A fact as it was known: a moment is ISO 8601 in UTC, all else what it is."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"read_only": True, "allow_null": True, **kwargs})

    def get_attribute(self, instance: Any) -> Any:
        """The value, a moment where it is one."""
        value = super().get_attribute(instance)
        if instance.field in MOMENTS and isinstance(value, str):
            with suppress(ValueError, OverflowError):  # kept as a text; what is none stays as it is
                return UTCDateTimeField().to_representation(datetime.fromisoformat(value))
        return value


class ChangeSerializer(serializers.Serializer[Any]):
    """One fact, before and after, who said so, and when VZaps was asked or its event arrived."""

    id = serializers.IntegerField(source="pk", read_only=True)
    field = serializers.CharField(read_only=True)
    label = serializers.CharField(  # type: ignore[assignment]
        source="field_label", read_only=True, help_text="`field` in words, in the language of the request."
    )
    old = ValueField()
    new = ValueField()
    source = serializers.CharField(read_only=True)  # type: ignore[assignment]
    at = UTCDateTimeField(allow_null=False)
