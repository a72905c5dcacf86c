from __future__ import annotations

import re
from typing import Final

from django.db import models
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_vzaps.models.instance import Instance


class SubscriptionState(models.TextChoices):
    """VZaps' billing status, normalised. VZaps documents ``TRIALING`` only (API.md section 3.3)."""

    TRIALING = "trialing", _("trialing")
    ACTIVE = "active", pgettext_lazy("subscription", "active")
    PAST_DUE = "past_due", _("past due")
    UNPAID = "unpaid", _("unpaid")
    CANCELED = "canceled", _("canceled")
    PAUSED = "paused", _("paused")
    INCOMPLETE = "incomplete", _("incomplete")
    UNKNOWN = "unknown", pgettext_lazy("subscription", "unknown")

    @classmethod
    def from_billing_status(cls, billing_status: str) -> SubscriptionState:
        """The state behind VZaps' text, whatever its case and punctuation; unknown for anything not known."""
        return _SPELLINGS.get(re.sub(r"[\W_]", "", billing_status).lower(), cls.UNKNOWN)


_SPELLINGS: Final = {
    **{state.value.replace("_", ""): state for state in SubscriptionState},
    "trial": SubscriptionState.TRIALING,
    "cancelled": SubscriptionState.CANCELED,
    "expired": SubscriptionState.CANCELED,
    "incompleteexpired": SubscriptionState.CANCELED,
}

#: States in which a subscription exists, so that subscribing again could charge twice.
PAID_FOR: Final = frozenset(
    {
        SubscriptionState.ACTIVE,
        SubscriptionState.PAST_DUE,
        SubscriptionState.UNPAID,
        SubscriptionState.PAUSED,
    }
)

#: States in which VZaps waits for money.
OWED: Final = frozenset({SubscriptionState.PAST_DUE, SubscriptionState.UNPAID})


class Subscription(models.Model):
    """What is known of an instance's billing. VZaps sends no billing events: this is as old as ``refreshed_at``."""

    instance = models.OneToOneField(
        Instance, on_delete=models.CASCADE, related_name="subscription", verbose_name=_("instance")
    )
    billing_status = models.CharField(_("billing status"), max_length=255, blank=True)
    state = models.CharField(_("state"), max_length=16, default=SubscriptionState.UNKNOWN)
    vzaps_id = models.CharField(_("VZaps subscription id"), max_length=255, blank=True)
    mode = models.CharField(_("mode"), max_length=32, blank=True)
    checkout_url = models.CharField(_("checkout URL"), max_length=2000, blank=True)
    session_id = models.CharField(_("checkout session"), max_length=255, blank=True)
    cancel_at = models.DateTimeField(_("ends at"), null=True, blank=True)
    expired_at = models.DateTimeField(_("expired at"), null=True, blank=True)
    #: When what runs ends, as far as VZaps says; kept by the database, so that a list can be filtered by it.
    ends_at = models.GeneratedField(
        expression=Coalesce("cancel_at", "expired_at"), output_field=models.DateTimeField(null=True), db_persist=True
    )
    refreshed_at = models.DateTimeField(_("refreshed at"), null=True, blank=True)
    #: How many days before its end it was last announced, and which end that was.
    announced_days = models.PositiveSmallIntegerField(null=True, blank=True, editable=False)
    announced_end = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        indexes = [models.Index(fields=["state", "ends_at", "instance"], name="vzaps_subscription_state")]

    def __str__(self) -> str:
        return f"{self.instance_id}: {self.state}"

    @property
    def exists_on_vzaps(self) -> bool:
        """Whether subscribing now could charge a second time: VZaps says so, or it took a subscription from us."""
        return self.state in PAID_FOR or bool(
            self.vzaps_id and self.state not in (SubscriptionState.CANCELED, SubscriptionState.INCOMPLETE)
        )

    @property
    def state_label(self) -> str:
        """The state in words; VZaps' own text where it is one we do not know."""
        if self.state == SubscriptionState.UNKNOWN and self.billing_status:
            return self.billing_status
        return str(SubscriptionState(self.state).label) if self.state in SubscriptionState.values else self.state
