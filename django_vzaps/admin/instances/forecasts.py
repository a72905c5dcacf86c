"""What a billing change will do to the card and when, as far as VZaps documents it, said before anything is sent.

Where VZaps' documentation is silent (API.md sections 3.9 to 3.11), these sentences say that it is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from django_vzaps.admin import display
from django_vzaps.models import Instance, Subscription, SubscriptionState


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What happens at the press of the button.

    ``refusal``: why there is no button; ``instead`` names the change that is meant. ``warning``: about the card.
    ``doubt``: why a press of the button alone is not enough.
    """

    refusal: str = ""
    instead: str = ""
    warning: str = ""
    sentences: tuple[str, ...] = ()
    doubt: str = ""


def subscribe(instance: Instance, subscription: Subscription, *, was_read: bool) -> Forecast:
    """The one that charges a card."""
    if subscription.exists_on_vzaps:
        return _has_one_already(subscription)
    return Forecast(
        warning=_(
            "This WILL CHARGE A CARD: the default card of the VZaps account “%(account)s”, at once. It starts a "
            "subscription: expect further charges until it is cancelled."
        )
        % {"account": instance.account},
        sentences=(
            *_before_subscribing(subscription),
            _("What it costs, and how often, is said by VZaps, not here."),
            _(
                "Where the account has no card, VZaps may ask for the payment on a page of its own instead; its link "
                "is shown next, and nothing is paid before somebody pays there."
            ),
        ),
        doubt=_doubt(subscription, was_read=was_read),
    )


def _has_one_already(subscription: Subscription) -> Forecast:
    nothing = _("Nothing is sent and nothing is charged.")
    if subscription.cancel_at is not None:
        return Forecast(
            refusal=_("There is a subscription, cancelled for %(when)s. Resume it instead of paying for another one.")
            % {"when": display.moment(subscription.cancel_at)},
            instead="resume",
            sentences=(nothing,),
        )
    match subscription.state:
        case SubscriptionState.PAST_DUE | SubscriptionState.UNPAID:
            return Forecast(
                refusal=_("There is a subscription already, and VZaps calls it “%(state)s”.")
                % {"state": subscription.state_label},
                sentences=(
                    nothing,
                    _(
                        "A payment seems to be missing. What is owed, and whether the card is tried again, VZaps does "
                        "not say here: settle it on VZaps' own pages. A second subscription could be charged as well."
                    ),
                ),
            )
        case SubscriptionState.PAUSED:
            return Forecast(
                refusal=_("There is a subscription already, and VZaps calls it “%(state)s”.")
                % {"state": subscription.state_label},
                sentences=(nothing, _("How a paused one goes on is not documented: see VZaps' own pages.")),
            )
        case SubscriptionState.ACTIVE:
            return Forecast(
                refusal=_("There is a subscription already. Nothing needs to be paid."), sentences=(nothing,)
            )
        case _:
            return Forecast(
                refusal=_("VZaps gave this instance a subscription already (%(id)s), though it shows “%(state)s”.")
                % {"id": subscription.vzaps_id, "state": subscription.state_label},
                sentences=(nothing, _("Look at VZaps' own pages to see what is paid for.")),
            )


def _before_subscribing(subscription: Subscription) -> tuple[str, ...]:
    match subscription.state:
        case SubscriptionState.TRIALING:
            ends = subscription.cancel_at or subscription.expired_at
            return (
                _("The trial ends on %(when)s.") % {"when": display.moment(ends)}
                if ends is not None and ends > timezone.now()
                else _("A trial is running. When it ends, VZaps does not say."),
                _(
                    "Expect the charge at once all the same: that it waits for the trial's end is not documented, nor "
                    "whether the days left count."
                ),
            )
        case SubscriptionState.CANCELED:
            ended = subscription.expired_at or subscription.cancel_at
            return (
                _("What there was before ended on %(when)s. This starts a new subscription.")
                % {"when": display.moment(ended)}
                if ended is not None
                else _("What there was before has ended. This starts a new subscription."),
            )
        case _:
            return ()


def _doubt(subscription: Subscription, *, was_read: bool) -> str:
    if not was_read:
        return _(
            "VZaps could not be read: somebody may have paid since. VZaps is asked again before anything is sent, and "
            "where it does not answer then, nothing is charged."
        )
    match subscription.state:
        case SubscriptionState.INCOMPLETE:
            return _("VZaps calls it “%(state)s”: a payment may be under way. Paying now could be paying twice.") % {
                "state": subscription.state_label
            }
        case SubscriptionState.UNKNOWN if not subscription.billing_status:
            return _("VZaps does not say how the billing stands: it may be paid for already.")
        case SubscriptionState.UNKNOWN:
            return _("VZaps calls it “%(state)s”, which is not known here: it may be paid for already.") % {
                "state": subscription.state_label
            }
        case _:
            return ""


def cancel(_instance: Instance, subscription: Subscription, *, was_read: bool) -> Forecast:
    """Stop paying."""
    if subscription.state == SubscriptionState.CANCELED:
        ended = subscription.expired_at or subscription.cancel_at
        return Forecast(
            refusal=_("It is cancelled already, and ended on %(when)s.") % {"when": display.moment(ended)}
            if ended
            else _("It is cancelled already, and has ended.")
        )
    if subscription.cancel_at is not None:
        return Forecast(
            refusal=_("It is cancelled already: it ends on %(when)s by itself.")
            % {"when": display.moment(subscription.cancel_at)}
        )
    return Forecast(
        warning=_("VZaps documents no charge and no refund for cancelling."),
        sentences=(
            *_before_cancelling(subscription),
            _(
                "Whether it ends at once or at the end of what is paid for is VZaps' choice: VZaps does not say "
                "beforehand. It is read afterwards and shown."
            ),
            _(
                "A cancellation for later can be taken back until then. One that took effect at once cannot: only "
                "subscribing again, which charges the card, brings it back."
            ),
            _("What becomes of the instance and its WhatsApp session after the end is not documented."),
        ),
    )


def _before_cancelling(subscription: Subscription) -> tuple[str, ...]:
    match subscription.state:
        case SubscriptionState.TRIALING:
            return (
                _(
                    "A trial is running, and no subscription is known here: what cancelling does then is not "
                    "documented."
                ),
            )
        case SubscriptionState.PAST_DUE | SubscriptionState.UNPAID:
            return (
                _("VZaps calls it “%(state)s”. Whether what is owed is still collected after that is not documented.")
                % {"state": subscription.state_label},
            )
        case SubscriptionState.UNKNOWN | SubscriptionState.INCOMPLETE | SubscriptionState.PAUSED:
            return (
                _("VZaps calls it “%(state)s”: what cancelling does then is not documented.")
                % {"state": subscription.state_label},
            )
        case _:
            return ()


def resume(_instance: Instance, subscription: Subscription, *, was_read: bool) -> Forecast:
    """Take a cancellation back."""
    if subscription.state == SubscriptionState.CANCELED:
        return Forecast(
            refusal=_("The subscription has ended and cannot be resumed. Subscribing again charges the card."),
            instead="subscribe",
        )
    if subscription.cancel_at is None:
        return Forecast(refusal=_("No cancellation is scheduled: there is nothing to resume."))
    return Forecast(
        warning=_(
            "Whether the card is charged at once is not documented. The subscription goes on, so expect the next "
            "charge when what is paid for ends."
        ),
        sentences=(_end_of(subscription.cancel_at),),
    )


def _end_of(ends: datetime) -> str:
    when = {"when": display.moment(ends)}
    if ends < timezone.now():
        return _("It was to end on %(when)s, which is over: VZaps may refuse.") % when
    return _("Without this it ends on %(when)s. VZaps takes that back.") % when
