"""What can be done to an instance, by whom, and where on its page it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, pgettext_lazy

from django_vzaps.admin import display
from django_vzaps.admin.instances.base import InstanceBase
from django_vzaps.models import ConnectionState, Instance, SubscriptionState
from django_vzaps.models.subscription import PAID_FOR


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A page of the instance, and how it is called. ``is_post``: a button that does it at once; else a link."""

    name: str
    label: str | Promise
    is_post: bool = False
    is_danger: bool = False


_CHECK: Final = gettext_lazy("Check now")

#: What is used most stands on top of the page; the rest in the section that it belongs to.
TOOLS: Final = (
    Offer(name="pair", label=gettext_lazy("Pair"), is_post=True),
    Offer(name="check", label=gettext_lazy("Check everything"), is_post=True),
    Offer(name="send", label=gettext_lazy("Send a test message")),
    Offer(name="edit", label=gettext_lazy("Edit")),
    Offer(name="restart", label=gettext_lazy("Restart")),
)
SECTION_OFFERS: Final = {
    "identity": (
        Offer(name="check_identity", label=_CHECK, is_post=True),
        Offer(name="owner", label=gettext_lazy("Change owner")),
        Offer(name="token", label=gettext_lazy("Show token"), is_post=True),
        Offer(name="delete", label=pgettext_lazy("instance", "Delete"), is_danger=True),
    ),
    "connection": (
        Offer(name="check_connection", label=_CHECK, is_post=True),
        Offer(name="disconnect", label=gettext_lazy("Disconnect"), is_danger=True),
    ),
    "billing": (
        Offer(name="check_billing", label=_CHECK, is_post=True),
        Offer(name="subscribe", label=gettext_lazy("Subscribe")),
        Offer(name="resume", label=gettext_lazy("Resume subscription")),
        Offer(name="cancel", label=gettext_lazy("Cancel subscription"), is_danger=True),
    ),
    "webhook": (
        Offer(name="check_webhook", label=_CHECK, is_post=True),
        Offer(name="webhook", label=gettext_lazy("Set webhook")),
        Offer(name="rotate", label=gettext_lazy("Rotate secret")),
        Offer(name="deliveries", label=gettext_lazy("Delivery log")),
    ),
}


class InstanceOffers(InstanceBase):
    def offered(self, request: HttpRequest, instance: Instance) -> set[str]:
        """The names of the pages that make sense now and that the user may open."""
        permitted = self.permitted(request)
        if instance.removed_at is not None:
            # It can only be looked at, and asked about: it may be back.
            return {"check", "check_identity"} if permitted["change"] else set()
        subscription = display.subscription_of(instance)
        state = subscription.state if subscription else SubscriptionState.UNKNOWN
        ends = subscription.cancel_at if subscription else None
        running = ends is None and (
            state in PAID_FOR or state in (SubscriptionState.TRIALING, SubscriptionState.UNKNOWN)
        )
        webhook = display.webhook_of(instance)
        change, bill, set_webhook = permitted["change"], permitted["bill"], permitted["set_webhook"]
        offered = {
            "check": change,
            "check_identity": change,
            "check_connection": change,
            "check_billing": change,
            "check_webhook": change,
            "edit": change,
            "owner": change,
            "send": permitted["send"],
            "pair": permitted["pair"] and instance.connection_state != ConnectionState.CONNECTED,
            "disconnect": permitted["pair"] and instance.connected is not False,
            "restart": permitted["restart"],
            "webhook": set_webhook,
            "rotate": set_webhook and webhook is not None and webhook.is_managed,
            "deliveries": set_webhook,
            "subscribe": bill and state not in PAID_FOR,
            "cancel": bill and running,
            "resume": bill and ends is not None and ends > timezone.now(),
            "token": permitted["reveal_token"],
            "delete": permitted["delete"],
        }
        return {name for name, is_offered in offered.items() if is_offered}

    def controls(self, instance: Instance, offers: tuple[Offer, ...], offered: set[str]) -> list[dict[str, Any]]:
        """Those of ``offers`` that are offered, for the templates."""
        return [
            {"offer": offer, "url": self.address(Instance, offer.name, instance.pk)}
            for offer in offers
            if offer.name in offered
        ]
