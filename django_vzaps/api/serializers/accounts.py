"""Accounts: credentials go in and never come out."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import serializers
from rest_framework.validators import UniqueValidator

from django_vzaps import conf
from django_vzaps.api.serializers.fields import (
    NOT_PLAIN,
    PLAIN,
    KnownTextField,
    LinkField,
    StrictSerializer,
    UTCDateTimeField,
)
from django_vzaps.models import Account
from django_vzaps.secret import Secret

#: Printable. White space at the ends, which is copied by mistake, is cut off before.
_CREDENTIAL = r"^[\x21-\x7e]+\Z"
_NOT_PRINTABLE: dict[str, Any] = {"invalid": gettext_lazy("Give printable ASCII characters without spaces.")}
_NAME = rf"^{PLAIN}(?:[^\x00]*{PLAIN})?\Z"


class AccountSerializer(StrictSerializer):
    """An account, and how its mirror is kept."""

    id = serializers.IntegerField(source="pk", read_only=True)
    url = LinkField("account", lambda account: account.pk)
    name = serializers.RegexField(
        _NAME,
        max_length=100,
        trim_whitespace=False,
        validators=[UniqueValidator(Account.objects.all(), message=gettext_lazy("There is an account of this name."))],
        error_messages=NOT_PLAIN,
    )
    is_active = serializers.BooleanField(default=True)
    client_token = serializers.RegexField(
        _CREDENTIAL, max_length=4096, write_only=True, required=False, error_messages=_NOT_PRINTABLE
    )
    client_secret = serializers.RegexField(
        _CREDENTIAL, max_length=4096, write_only=True, required=False, error_messages=_NOT_PRINTABLE
    )
    credentials = serializers.SerializerMethodField()
    is_syncing = serializers.BooleanField(read_only=True)
    synced_at = UTCDateTimeField()
    sync_error = KnownTextField()

    def get_credentials(self, account: Account) -> str:
        """Where they are kept: ``stored`` encrypted, in ``settings``, or ``none``."""
        if not account.credentials_in_settings:
            return "stored"
        return "settings" if account.name == conf.current().account_name else "none"

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Both credentials or, where settings have them, none."""
        given: dict[str, Any] = {
            name: attrs.get(name) or getattr(self.instance, name, None) for name in ("client_token", "client_secret")
        }
        missing = [name for name, value in given.items() if value is None]
        name = attrs.get("name", getattr(self.instance, "name", ""))
        if len(missing) == 1 or (missing and name != conf.current().account_name):
            words = _("Enter the client token and the client secret of this account.")
            raise ValidationError(dict.fromkeys(missing, words))
        return attrs

    def save(self, **kwargs: Any) -> Any:
        """The row. Raises ``ValidationError`` where another of its name was made at the same moment."""
        try:
            with transaction.atomic():
                return super().save(**kwargs)
        except IntegrityError:
            raise serializers.ValidationError({"name": [_("There is an account of this name.")]}) from None

    def create(self, validated_data: dict[str, Any]) -> Account:
        """A new row."""
        return self.update(Account(), validated_data)

    def update(self, instance: Account, validated_data: dict[str, Any]) -> Account:
        """Only what was given: syncs write the other columns meanwhile."""
        for name, value in validated_data.items():
            setattr(instance, name, Secret(value) if name in ("client_token", "client_secret") else value)
        try:
            with transaction.atomic():
                instance.save(update_fields=None if instance.pk is None else list(validated_data))
        except IntegrityError:
            # Somebody took the name after it was looked at.
            raise serializers.ValidationError({"name": [UniqueValidator.message]}, code="unique") from None
        return instance


class CredentialsCheckedSerializer(serializers.Serializer[Any]):
    """VZaps accepts the credentials; how many instances it says there are, where it says so."""

    instances = serializers.IntegerField(read_only=True, allow_null=True)
