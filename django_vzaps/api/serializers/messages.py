"""Sending messages."""

from __future__ import annotations

from rest_framework import serializers

from django_vzaps.api.serializers.fields import PLAIN, StrictSerializer
from django_vzaps.api.serializers.pairing import PhoneField


class SendTextSerializer(StrictSerializer):
    """A text to send as it is; it is not kept here."""

    phone = PhoneField()
    message = serializers.RegexField(r"^[^\x00]+$", max_length=4000, trim_whitespace=False)
    reply_to = serializers.RegexField(rf"^{PLAIN}+\Z", max_length=128, trim_whitespace=False, required=False)
