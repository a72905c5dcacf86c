"""Operations: every attempt to change something on VZaps."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.utils.dateparse import parse_datetime
from rest_framework import serializers

from django_vzaps.api.serializers.fields import (
    KnownTextField,
    LinkField,
    OneOfField,
    StrictSerializer,
    UsernameField,
    UTCDateTimeField,
)
from django_vzaps.models import Operation, OperationOutcome, OperationPhase, phase_of


class RememberedMomentField(serializers.Field[Any, Any, Any, Any]):
    """A moment that was kept within JSON: ISO 8601 in UTC."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"read_only": True, "allow_null": True, **kwargs})

    def to_representation(self, value: Any) -> str | None:
        """As :class:`UTCDateTimeField` has it; None for what is no moment."""
        with suppress(ValueError, OverflowError):  # such as the 45th of a month, or a year that UTC does not have
            moment = parse_datetime(value) if isinstance(value, str) else None
            return None if moment is None else UTCDateTimeField().to_representation(moment)
        return None


class EffectSerializer(serializers.Serializer[Any]):
    """What VZaps said of the subscription when the change was confirmed by reading."""

    billing_status = KnownTextField()
    cancel_at = RememberedMomentField()
    expired_at = RememberedMomentField()
    read_at = RememberedMomentField()


class OperationSerializer(serializers.Serializer[Any]):
    """One attempt: what was asked for, by whom, and how it ended as far as that is known."""

    id = serializers.IntegerField(source="pk", read_only=True)
    url = LinkField("operation", lambda operation: operation.pk)
    kind = serializers.CharField(read_only=True, help_text="What was asked for.")
    instance = serializers.CharField(source="instance.vzaps_id", read_only=True, allow_null=True)
    account = serializers.IntegerField(source="account_id", read_only=True, allow_null=True)
    batch = serializers.UUIDField(source="batch.public_id", read_only=True, allow_null=True)
    actor = UsernameField(help_text="Who asked; null for the system.")
    outcome = serializers.CharField(read_only=True, help_text="How it ended. `unknown`: it may have been done.")
    phase = serializers.SerializerMethodField()
    is_settled = serializers.SerializerMethodField()
    parameters = serializers.JSONField(read_only=True, help_text="What was asked for, without secrets.")
    answer = serializers.JSONField(read_only=True, allow_null=True)
    effect = EffectSerializer(read_only=True, allow_null=True)
    checkout_url = KnownTextField(help_text="Where somebody has to pay.")
    error = KnownTextField(help_text="Why it failed or is unknown, in words.")
    request_id = KnownTextField(help_text="VZaps' name of the request, for its support.")
    started_at = UTCDateTimeField(allow_null=False)
    deadline = UTCDateTimeField(allow_null=False, help_text="From when on it counts as unknown, if it still runs then.")
    finished_at = UTCDateTimeField()
    confirmed_at = UTCDateTimeField(help_text="When reading back showed it.")
    settled_by = UsernameField(help_text="Who said how it ended, where nothing could be read.")

    def get_phase(self, operation: Operation) -> str:
        """Where it stands, told apart more finely than by its outcome."""
        return phase_of(operation).value

    def get_is_settled(self, operation: Operation) -> bool:
        """Whether its outcome, and its effect on billing, is known."""
        return operation.outcome != OperationOutcome.RUNNING and not operation.is_open


class DecisionSerializer(StrictSerializer):
    """A person's word on how an operation ended."""

    carried_out = serializers.BooleanField()
    phase = OneOfField(choices=[phase.value for phase in OperationPhase])
