"""Pairing an instance with a phone."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from django_vzaps.api.serializers.fields import KnownTextField, StrictSerializer, UsernameField, UTCDateTimeField
from django_vzaps.search.typed import phone
from django_vzaps.services.pairing import Progress

#: What :func:`django_vzaps.services.pairing.is_token` takes.
WATCH = r"^[A-Za-z0-9_-]{16,64}\Z"
#: How often a program that watches should look, in seconds.
_LOOK_EVERY = 3


class PairingSerializer(serializers.Serializer[Any]):
    """How far a pairing is, for the one who watches it."""

    phase = serializers.CharField(source="phase.value", read_only=True)
    watch = serializers.CharField(read_only=True, allow_null=True)
    is_live = serializers.BooleanField(read_only=True)
    may_begin = serializers.BooleanField(read_only=True)
    qr_code = serializers.SerializerMethodField()
    number = serializers.IntegerField(read_only=True)
    changes_at = UTCDateTimeField()
    until = UTCDateTimeField()
    look_again_after = serializers.SerializerMethodField()
    message = KnownTextField(source="words")
    user = UsernameField()

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

    watch = serializers.RegexField(WATCH, required=False)
    take_over = serializers.BooleanField(default=False)


class WatchSerializer(StrictSerializer):
    """Which pairing is looked at: the ``watch`` that was answered when it began."""

    watch = serializers.RegexField(WATCH, required=False)


class StopPairingSerializer(StrictSerializer):
    """Which pairing is ended."""

    watch = serializers.RegexField(WATCH)


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
