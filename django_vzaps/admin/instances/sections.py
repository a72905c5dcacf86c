"""What an instance's page says, field by field. Everything is read-only: changes have pages of their own."""

from __future__ import annotations

from typing import Final

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from django_vzaps.admin import display
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.models import Instance

SECTIONS: Final = [
    (
        None,
        {
            "fields": [
                "name",
                "vzaps_id",
                "account",
                "owner",
                "status_shown",
                "reject_calls",
                "auto_read_messages",
                "labels_shown",
                "dashboard",
                "remote_created_at",
                "last_sync",
            ]
        },
    ),
    (
        gettext_lazy("Connection"),
        {"fields": ["connection", "phone", "whatsapp_jid", "push_name_shown", "connected_at", "last_event"]},
    ),
    (gettext_lazy("Billing"), {"fields": ["billing", "billing_read", "checkout", "subscription_id"]}),
    (
        gettext_lazy("Webhook"),
        {
            "fields": [
                "webhook_managed",
                "webhook_wanted",
                "webhook_found",
                "webhook_difference",
                "webhook_old_secret",
            ]
        },
    ),
    (gettext_lazy("Last answer from VZaps"), {"classes": ["collapse"], "fields": ["data_shown"]}),
]


class InstanceSections(InstanceBase):
    fieldsets = SECTIONS  # type: ignore[assignment]
    readonly_fields = [field for _title, options in SECTIONS for field in options["fields"]]

    @admin.display(description=gettext_lazy("status"))
    def status_shown(self, instance: Instance) -> SafeString | str:
        """VZaps' own word, and that it is gone where it is."""
        if instance.removed_at is not None:
            return format_html(
                '<span class="vzaps-badge vzaps-bad">{}</span> {}',
                _("gone from VZaps"),
                display.ago(instance.removed_at),
            )
        return display.from_outside(instance.status)

    @admin.display(description=gettext_lazy("labels"))
    def labels_shown(self, instance: Instance) -> SafeString | str:
        """VZaps' labels; their shape is not documented."""
        return display.pretty(instance.labels)

    @admin.display(description=gettext_lazy("on VZaps"))
    def dashboard(self, instance: Instance) -> SafeString | str:
        """The instance in VZaps' own web app."""
        return display.outside_link(instance.url, _("Open VZaps' page of this instance"))

    @admin.display(description=gettext_lazy("push name"))
    def push_name_shown(self, instance: Instance) -> SafeString | str:
        """The name that the phone's owner chose."""
        return display.from_outside(instance.push_name)

    @admin.display(description=pgettext_lazy("billing", "read"))
    def billing_read(self, instance: Instance) -> SafeString | str:
        """How old the billing state is: VZaps sends no word when it changes."""
        subscription = display.subscription_of(instance)
        return display.ago(subscription.refreshed_at if subscription else None)

    @admin.display(description=gettext_lazy("checkout"))
    def checkout(self, instance: Instance) -> SafeString | str:
        """The hosted page, while there is something to pay."""
        subscription = display.subscription_of(instance)
        if subscription is None or subscription.exists_on_vzaps:
            return display.NOTHING
        return display.outside_link(subscription.checkout_url, _("Open the checkout page"))

    @admin.display(description=gettext_lazy("subscription id"))
    def subscription_id(self, instance: Instance) -> str:
        """VZaps' id of the subscription."""
        subscription = display.subscription_of(instance)
        return (subscription.vzaps_id if subscription else "") or display.NOTHING

    @admin.display(description=gettext_lazy("managed"))
    def webhook_managed(self, instance: Instance) -> str:
        """Whether this site answers for the webhook."""
        webhook = display.webhook_of(instance)
        if webhook is not None and webhook.is_managed:
            return _("Yes: this site set it.")
        return _("No: it is shown, and left as it is until somebody sets it here.")

    @admin.display(description=gettext_lazy("wanted"))
    def webhook_wanted(self, instance: Instance) -> SafeString | str:
        """What VZaps was told."""
        webhook = display.webhook_of(instance)
        if webhook is None or not webhook.is_managed:
            return display.NOTHING
        return _target(webhook.desired_host_and_path, webhook.desired_events)

    @admin.display(description=gettext_lazy("on VZaps"))
    def webhook_found(self, instance: Instance) -> SafeString | str:
        """What VZaps says, and when."""
        webhook = display.webhook_of(instance)
        if webhook is None or webhook.checked_at is None:
            return _("Not asked yet.")
        found = _target(webhook.actual_host_and_path, webhook.actual_events)
        return format_html('{} <span class="vzaps-quiet">{}</span>', found, display.ago(webhook.checked_at))

    @admin.display(description=gettext_lazy("difference"))
    def webhook_difference(self, instance: Instance) -> SafeString | str:
        """What is not as wanted."""
        webhook = display.webhook_of(instance)
        if webhook is None or not webhook.is_managed or webhook.checked_at is None:
            return display.NOTHING
        if not webhook.drift:
            return _("none")
        words = display.drift(webhook)
        return format_html('<span class="vzaps-badge vzaps-warning">{}</span> {}', words, _("Set the webhook again."))

    @admin.display(description=gettext_lazy("old secret"))
    def webhook_old_secret(self, instance: Instance) -> SafeString | str:
        """Whether events to the URL before the present one are accepted, and until when."""
        webhook = display.webhook_of(instance)
        if webhook is None or not webhook.accepted_hashes()[1]:
            return display.NOTHING
        if webhook.previous_secret_expires_at is not None:
            return _("accepted until %(when)s") % {"when": display.moment(webhook.previous_secret_expires_at)}
        return format_html(
            '<span class="vzaps-badge vzaps-warning">{}</span> {}',
            _("accepted"),
            _("VZaps was not seen to have the new one."),
        )

    @admin.display(description=gettext_lazy("answer"))
    def data_shown(self, instance: Instance) -> SafeString | str:
        """As VZaps sent it, without tokens and secrets."""
        return display.pretty(instance.data)


def _target(host_and_path: str, events: list[str] | None) -> SafeString | str:
    if not host_and_path:
        return _("no address")
    return format_html("<code>{}</code> {}", host_and_path, ", ".join(events or []))
