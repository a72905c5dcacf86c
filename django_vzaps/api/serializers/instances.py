"""Instances, with what is known of connection, subscription and webhook, and from when that knowledge is."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import serializers

from django_vzaps.api.serializers.fields import (
    NOT_PLAIN,
    PLAIN,
    KnownTextField,
    LinkField,
    OneOfField,
    StrictSerializer,
    UsernameField,
    UTCDateTimeField,
)
from django_vzaps.models import Account, Instance
from django_vzaps.services.webhooks import EVENT_TYPES

#: 3 to 255 characters, none of them a space at an end.
NAME = rf"^{PLAIN}[^\x00]*{PLAIN}\Z"


class ConnectionSerializer(serializers.Serializer[Any]):
    """What can be said of the connection, who said it, and when that was asked."""

    state = serializers.CharField(source="connection_state.value", read_only=True)
    source = KnownTextField(source="connection_source")  # type: ignore[assignment]
    confirmed_at = UTCDateTimeField(source="connection_asked_at")
    since = UTCDateTimeField(source="connection_changed_at")
    is_doubtful = serializers.BooleanField(
        source="is_suspiciously_silent",
        read_only=True,
        help_text="It is called connected, but no event has come for much longer than is usual for it.",
    )
    connected_at = UTCDateTimeField()
    phone = KnownTextField()
    whatsapp_jid = KnownTextField()
    push_name = KnownTextField()


class SubscriptionSerializer(serializers.Serializer[Any]):
    """What VZaps said of the billing when it was last read: it sends no billing events."""

    state = serializers.CharField(read_only=True)
    billing_status = KnownTextField()
    mode = KnownTextField()
    checkout_url = KnownTextField()
    cancel_at = UTCDateTimeField()
    expired_at = UTCDateTimeField()
    ends_at = UTCDateTimeField()
    refreshed_at = UTCDateTimeField()


class WebhookSideSerializer(serializers.Serializer[Any]):
    """Where events are sent, without the secret, and which."""

    host_and_path = KnownTextField()
    events = serializers.ListField(child=serializers.CharField(), read_only=True, allow_null=True)


class WebhookSerializer(serializers.Serializer[Any]):
    """The webhook as it is wanted, as VZaps had it when it was last read, and what differs."""

    health = serializers.CharField(source="health.value", read_only=True)
    is_managed = serializers.BooleanField(read_only=True)
    desired = serializers.SerializerMethodField()
    actual = serializers.SerializerMethodField()
    drift = serializers.ListField(child=serializers.CharField(), read_only=True)
    checked_at = UTCDateTimeField()
    last_failure_at = UTCDateTimeField()

    def get_desired(self, webhook: Any) -> Any:
        """As this site wants it; null where it does not answer for it."""
        if not webhook.is_managed:
            return None
        return _side(webhook.desired_host_and_path, webhook.desired_events)

    def get_actual(self, webhook: Any) -> Any:
        """As VZaps said; null where it was never asked."""
        if webhook.checked_at is None:
            return None
        return _side(webhook.actual_host_and_path, webhook.actual_events)


def _side(host_and_path: str, events: Any) -> Any:
    return WebhookSideSerializer({"host_and_path": host_and_path, "events": events}).data


class AccountNameSerializer(serializers.Serializer[Any]):
    """The account that pays for an instance."""

    id = serializers.IntegerField(source="pk", read_only=True)
    name = serializers.CharField(read_only=True)


class InstanceSerializer(serializers.Serializer[Any]):
    """An instance as it is known here. Nothing is asked of VZaps to show it."""

    id = serializers.CharField(source="vzaps_id", read_only=True)
    url = LinkField("instance", lambda instance: instance.vzaps_id)
    name = serializers.CharField(read_only=True)
    account = AccountNameSerializer(read_only=True)
    owner = UsernameField()
    status = KnownTextField()
    dashboard_url = KnownTextField(source="url")
    reject_calls = serializers.BooleanField(read_only=True, allow_null=True)
    auto_read_messages = serializers.BooleanField(read_only=True, allow_null=True)
    labels = serializers.JSONField(read_only=True)
    connection = ConnectionSerializer(source="*", read_only=True)
    subscription = SubscriptionSerializer(read_only=True, allow_null=True)
    webhook = WebhookSerializer(read_only=True, allow_null=True)
    last_event_at = UTCDateTimeField()
    created_at = UTCDateTimeField(source="remote_created_at")
    updated_at = UTCDateTimeField(source="remote_updated_at")
    first_seen_at = UTCDateTimeField(allow_null=False)
    synced_at = UTCDateTimeField()
    removed_at = UTCDateTimeField()


class OwnerField(serializers.RegexField):
    """A user by the name they log in with; null for nobody."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(r"^[^\x00]+$", **{"max_length": 254, "trim_whitespace": False, **kwargs})

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """The user of that name."""
        name = super().run_validation(data)
        if name is None:
            return None
        users = get_user_model()._default_manager
        try:
            return users.get_by_natural_key(name)
        except users.model.DoesNotExist:
            raise serializers.ValidationError(_("There is no user of this name.")) from None


class LabelsField(serializers.DictField):
    """Names and values that VZaps keeps with the instance."""


class ChangeInstanceSerializer(StrictSerializer):
    """What of an instance is to be different. ``owner`` is known here only; all else is changed on VZaps."""

    name = serializers.RegexField(
        NAME, min_length=3, max_length=255, trim_whitespace=False, required=False, error_messages=NOT_PLAIN
    )
    reject_calls = serializers.BooleanField(required=False)
    auto_read_messages = serializers.BooleanField(required=False)
    labels = LabelsField(required=False)
    owner = OwnerField(required=False, allow_null=True)


class EventsField(serializers.ListField):
    """Types of events, each at most once."""

    def __init__(self, **kwargs: Any) -> None:
        child = OneOfField(choices=list(EVENT_TYPES))
        sizes = {"min_length": 1, "max_length": len(EVENT_TYPES)}
        super().__init__(**{"child": child, "required": False, **sizes, **kwargs})


class CreateInstanceSerializer(StrictSerializer):
    """A new instance. Without ``events``, those of ``VZAPS["WEBHOOK_EVENTS"]``; without ``account``, the only one."""

    account = serializers.PrimaryKeyRelatedField(
        queryset=Account.objects.filter(is_active=True),
        required=False,
        error_messages={"does_not_exist": gettext_lazy("There is no account of this id, or it is not active.")},
    )
    name = serializers.RegexField(NAME, min_length=3, max_length=255, trim_whitespace=False, error_messages=NOT_PLAIN)
    events = EventsField()
    reject_calls = serializers.BooleanField(default=False)
    auto_read_messages = serializers.BooleanField(default=False)
    labels = LabelsField(required=False)
    owner = OwnerField(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """With the account, where there is but one."""
        if "account" not in attrs:
            Account.objects.from_settings()  # On a new site nothing has made its row yet.
            accounts = list(Account.objects.filter(is_active=True)[:2])
            if not accounts:
                words = _(
                    "There is no account. Put its credentials in VZAPS['CLIENT_TOKEN'] and VZAPS['CLIENT_SECRET'], or "
                    "add one in the admin."
                )
                raise serializers.ValidationError({"account": [words]})
            if len(accounts) != 1:
                raise serializers.ValidationError({"account": [_("There are several accounts: name one by its id.")]})
            attrs["account"] = accounts[0]
        return attrs


class ApplyWebhookSerializer(StrictSerializer):
    """Which events VZaps shall send here. ``overwrite``: also where somebody else set the webhook."""

    events = EventsField()
    overwrite = serializers.BooleanField(default=False)


class DeleteInstanceSerializer(StrictSerializer):
    """Whether to delete an instance that is or may be paid for: what becomes of the subscription is not documented."""

    despite_subscription = serializers.BooleanField(default=False)


class SessionSerializer(ConnectionSerializer):
    """The connection, and the profile that WhatsApp shows to others."""

    profile = serializers.JSONField(read_only=True)


def seen(instance: Instance, context: dict[str, Any]) -> Any:
    """An instance as the API shows it."""
    return InstanceSerializer(instance, context=context).data
