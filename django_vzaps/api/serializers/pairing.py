"""Pairing an instance with a phone."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import serializers

from django_vzaps.api.serializers.fields import KnownTextField, StrictSerializer, UsernameField, UTCDateTimeField
from django_vzaps.search.typed import phone
from django_vzaps.services.pairing import Progress

#: What :func:`django_vzaps.services.pairing.is_token` takes.
WATCH = r"^[A-Za-z0-9_-]{16,64}\Z"
_NOT_A_WATCH: dict[str, Any] = {
    "invalid": gettext_lazy("Give the “watch” that came when the pairing was begun, as it is.")
}
#: How often a program that watches should look, in seconds.
_LOOK_EVERY = 3


class PairingSerializer(serializers.Serializer[Any]):
    """How far a pairing is, for the one who watches it."""

    phase = serializers.CharField(source="phase.value", read_only=True, help_text="How far it is.")
    watch = serializers.CharField(
        read_only=True, allow_null=True, help_text="What to look again with; null for who only looks on."
    )
    is_live = serializers.BooleanField(
        read_only=True, help_text="Whether one's own pairing goes on, so that looking again tells more."
    )
    may_begin = serializers.BooleanField(
        read_only=True, help_text="Whether it can be begun anew; while `watched`, by taking over."
    )
    qr_code = serializers.SerializerMethodField()
    number = serializers.IntegerField(read_only=True, help_text="Which code of this pairing it is, from 1 on.")
    changes_at = UTCDateTimeField(help_text="When the next code is about to come.")
    until = UTCDateTimeField(help_text="When the time is up.")
    look_again_after = serializers.SerializerMethodField()
    message = KnownTextField(source="words", help_text="What VZaps said, or why it could not be asked.")
    user = UsernameField(help_text="Who is pairing it, while `watched`.")

    def to_representation(self, instance: Progress) -> Any:
        """With the token of the one who watches, by which they look again."""
        shown = super().to_representation(instance)
        shown["watch"] = self.context.get("watch") or None
        return shown

    def get_qr_code(self, progress: Progress) -> str | None:
        """A PNG as a data URL: whoever scans it takes the number's chats over."""
        return None if progress.code is None else progress.code.reveal()

    def get_look_again_after(self, progress: Progress) -> int | None:
        """In so many seconds; null where nothing more happens by itself."""
        return _LOOK_EVERY if progress.is_live else None


class BeginPairingSerializer(StrictSerializer):
    """``watch`` goes on with one's own attempt; ``take_over`` begins one also where another is under way."""

    watch = serializers.RegexField(WATCH, required=False, error_messages=_NOT_A_WATCH)
    take_over = serializers.BooleanField(default=False)


class WatchSerializer(StrictSerializer):
    """Which pairing is looked at: the ``watch`` that was answered when it began."""

    watch = serializers.RegexField(WATCH, required=False, error_messages=_NOT_A_WATCH)


class StopPairingSerializer(StrictSerializer):
    """Which pairing is ended."""

    watch = serializers.RegexField(WATCH, error_messages=_NOT_A_WATCH)


class PhoneField(serializers.CharField):
    """A phone number with its country code, in any usual way of writing; digits only within."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 32, **kwargs})

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """The digits."""
        digits = phone(super().run_validation(data))
        if not 8 <= len(digits) <= 15:
            raise serializers.ValidationError(_("Enter the number with its country code: 8 to 15 digits."))
        return digits


class AskPairCodeSerializer(BeginPairingSerializer):
    """The number of the phone that shall be paired."""

    phone = PhoneField()


class PairCodeSerializer(serializers.Serializer[Any]):
    """A code to type into the phone. It is shown once, and kept nowhere."""

    code = serializers.CharField(read_only=True)
    watch = serializers.CharField(read_only=True)
