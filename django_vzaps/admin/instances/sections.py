"""What an instance's page says, field by field. Everything is read-only: changes have pages of their own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from django_vzaps.admin import display
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.admin.instances.differences import differences
from django_vzaps.models import ConnectionSource, ConnectionState, Instance, Subscription, SubscriptionState

#: In the order of the page; each stands above what can be done there (:data:`offers.SECTION_OFFERS`).
SECTIONS: Final[list[tuple[Any, dict[str, Any]]]] = [
    (
        gettext_lazy("Identity"),
        {
            "fields": [
                "name_shown",
                ("vzaps_id", "status_shown"),
                ("account", "owner_shown"),
                ("reject_calls", "auto_read_messages"),
                "labels_shown",
                ("token_shown", "dashboard"),
                ("remote_created_at", "synced"),
            ]
        },
    ),
    (
        gettext_lazy("Connection"),
        {
            "fields": [
                ("connection", "connection_since"),
                ("phone", "whatsapp_jid"),
                "push_name_shown",
                "profile_shown",
                ("connected_at", "last_heard"),
            ]
        },
    ),
    (
        gettext_lazy("Billing"),
        {"fields": ["billing", "billing_next", ("billing_read", "subscription_id"), "checkout"]},
    ),
    (
        gettext_lazy("Webhook"),
        {
            "fields": [
                "webhook_managed",
                "webhook_wanted",
                "webhook_found",
                "webhook_difference",
                "webhook_old_secret",
                "webhook_deliveries",
            ]
        },
    ),
    (gettext_lazy("Last answer from VZaps"), {"classes": ["collapse"], "fields": ["data_shown"]}),
]

#: What VZaps tells of a WhatsApp profile, as far as it is shown, with what to call it.
_PROFILE: Final = {
    "business_name": gettext_lazy("business name"),
    "verified_name": gettext_lazy("verified name"),
    "about": gettext_lazy("about"),
    "website": gettext_lazy("website"),
}
_PROFILE_LINKS: Final = {
    "profile_picture_url": gettext_lazy("Open the photo"),
    "profile_url": gettext_lazy("Open the chat page"),
}


def _names() -> Iterator[str]:
    for _title, options in SECTIONS:
        for line in options["fields"]:
            yield from (line,) if isinstance(line, str) else line


class InstanceSections(InstanceBase):
    fieldsets = SECTIONS  # type: ignore[assignment]
    readonly_fields = tuple(_names())

    @admin.display(description=gettext_lazy("name"))
    def name_shown(self, instance: Instance) -> SafeString | str:
        """As it is on VZaps."""
        return display.from_outside(instance.name)

    @admin.display(description=gettext_lazy("owner"))
    def owner_shown(self, instance: Instance) -> str:
        """Whose it is here; VZaps knows nothing of that."""
        return str(instance.owner) if instance.owner else _("nobody")

    @admin.display(description=gettext_lazy("token"))
    def token_shown(self, instance: Instance) -> str:
        """Whether it is known; it is shown on a page of its own only."""
        return _("kept, encrypted") if instance.token is not None else _("not known here")

    @admin.display(description=pgettext_lazy("instance", "read from VZaps"))
    def synced(self, instance: Instance) -> SafeString | str:
        """How old all this is."""
        return _read_at(instance.synced_at)

    @admin.display(description=pgettext_lazy("connection", "since"))
    def connection_since(self, instance: Instance) -> SafeString | str:
        """Since when it is connected, or disconnected, as far as that is known here."""
        at, state = instance.connection_changed_at, instance.connection_state
        if at is None or state in (ConnectionState.UNKNOWN, ConnectionState.NEVER_PAIRED):
            return display.NOTHING
        words = _("connected since {when}") if instance.connected else _("disconnected since {when}")
        return format_html(words + " ({ago})", when=display.moment(at), ago=display.ago(at))

    @admin.display(description=gettext_lazy("last event"))
    def last_heard(self, instance: Instance) -> SafeString | str:
        """When something came from it."""
        return display.ago(instance.last_event_at)

    @admin.display(description=gettext_lazy("profile"))
    def profile_shown(self, instance: Instance) -> SafeString | str:
        """The WhatsApp profile. The photo is a link: a stranger's picture is not loaded into this page."""
        profile = instance.profile if isinstance(instance.profile, dict) else {}
        texts = [
            format_html("{}: <bdi>{}</bdi>", label, str(profile[name]))
            for name, label in _PROFILE.items()
            if profile.get(name)
        ]
        links = [
            display.outside_link(str(profile[name]), str(label))
            for name, label in _PROFILE_LINKS.items()
            if profile.get(name)
        ]
        return format_html_join("", "<div>{}</div>", ((part,) for part in [*texts, *links])) or display.NOTHING

    @admin.display(description=gettext_lazy("what happens next"))
    def billing_next(self, instance: Instance) -> str:
        """As far as VZaps lets that be told: it documents no end of a trial and no day of renewal."""
        subscription = display.subscription_of(instance)
        if subscription is None or subscription.refreshed_at is None:
            return _("Not asked yet.")
        return _next(subscription)

    @admin.display(description=gettext_lazy("status"))
    def status_shown(self, instance: Instance) -> SafeString | str:
        """VZaps' own word, and that it is gone where it is."""
        if instance.removed_at is not None:
            gone = display.framed("bad", _("gone from VZaps"))
            return format_html("{} {}", gone, display.ago(instance.removed_at))
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
        return _read_at(subscription.refreshed_at if subscription else None)

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
        return format_html('{} <div class="vzaps-quiet">{}</div>', found, _read_at(webhook.checked_at))

    @admin.display(description=gettext_lazy("difference"))
    def webhook_difference(self, instance: Instance) -> SafeString | str:
        """What is not as wanted."""
        webhook = display.webhook_of(instance)
        if webhook is None or not webhook.is_managed or webhook.checked_at is None:
            return display.NOTHING
        if not webhook.drift:
            return _("none")
        drift = display.framed("warning", display.drift(webhook))
        return format_html_join("", "<div>{}</div>", ((part,) for part in [drift, *differences(webhook)]))

    @admin.display(description=gettext_lazy("old secret"))
    def webhook_old_secret(self, instance: Instance) -> SafeString | str:
        """Whether events to the URL before the present one are accepted, and until when."""
        webhook = display.webhook_of(instance)
        if webhook is None or not webhook.accepted_hashes()[1]:
            return display.NOTHING
        if webhook.previous_secret_expires_at is not None:
            return _("accepted until %(when)s") % {"when": display.moment(webhook.previous_secret_expires_at)}
        accepted = display.framed("warning", _("accepted"))
        return format_html("{} {}", accepted, _("VZaps was not seen to have the new one."))

    @admin.display(description=pgettext_lazy("webhook", "deliveries"))
    def webhook_deliveries(self, instance: Instance) -> SafeString | str:
        """Whether VZaps says that it could not deliver."""
        webhook = display.webhook_of(instance)
        if webhook is None or not webhook.is_managed or webhook.healed_at is None:
            return _("VZaps' delivery log was not read yet.")
        looked = format_html(_("Log last read {}."), display.ago(webhook.healed_at))
        if webhook.last_failure_at is None:
            return format_html("{} {}", _("No failed delivery is known."), looked)
        failed = format_html(_("Last failed delivery: {}."), display.ago(webhook.last_failure_at))
        return format_html("{} {}", failed, looked)

    @admin.display(description=gettext_lazy("answer"))
    def data_shown(self, instance: Instance) -> SafeString | str:
        """As VZaps sent it, without tokens and secrets."""
        return display.pretty(instance.data)


def _next(subscription: Subscription) -> str:
    now, ends = timezone.now(), subscription.cancel_at
    if ends is not None and ends > now:
        return _("It ends %(when)s and is not charged again. Until then the cancellation can be taken back.") % {
            "when": display.moment(ends)
        }
    match subscription.state:
        case SubscriptionState.ACTIVE:
            return _("It goes on: VZaps charges the card for every period until it is cancelled.")
        case SubscriptionState.TRIALING:
            return _("Nothing is paid yet. VZaps does not say when the trial ends: subscribe to keep the number.")
        case SubscriptionState.PAST_DUE | SubscriptionState.UNPAID:
            return _("A payment is missing. Pay on VZaps' own pages, or VZaps may stop the instance.")
        case SubscriptionState.PAUSED:
            return _("It rests. Only VZaps' own pages can take it up again.")
        case SubscriptionState.CANCELED:
            return _("It has ended, and is not charged again. Subscribe to go on.")
        case SubscriptionState.INCOMPLETE:
            return _("The first payment did not go through: nothing is paid for.")
        case _:
            return _("VZaps' word for its state is not known here. Look at VZaps' own pages.")


def _target(host_and_path: str, events: list[str] | None) -> SafeString | str:
    if not host_and_path:
        return _("no address")
    return format_html("<code><bdi>{}</bdi></code><div><bdi>{}</bdi></div>", host_and_path, ", ".join(events or []))


def _read_at(at: datetime | None) -> SafeString | str:
    """When VZaps was asked: of this, its API is the only source."""
    if at is None:
        return _("Not asked yet.")
    return format_html("{} {}", display.ago(at), format_html(_("by {}"), ConnectionSource.API.label))
