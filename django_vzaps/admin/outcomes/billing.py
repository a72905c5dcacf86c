"""What became of a billing change: what it means for the card. An empty headline: there is nothing special to say."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from django_vzaps.admin import display
from django_vzaps.models import Operation, OperationPhase


def subscribe(operation: Operation, phase: OperationPhase) -> tuple[str, ...]:
    """The one that charges a card."""
    named = {"who": operation.settled_by or _("Somebody")}
    match phase:
        case OperationPhase.RUNNING:
            return (_("The subscription is being asked for."), _("VZaps has not answered yet."))
        case OperationPhase.OVERDUE | OperationPhase.UNKNOWN:
            return (
                _("It is not known whether the card was charged."),
                _("The answer from VZaps never came: the card may have been charged, or not."),
                _nothing_else(),
            )
        case OperationPhase.CHECKOUT:
            return (
                _("Waiting for the payment on VZaps' own page."),
                _("No card was charged by the request. Nothing is paid until somebody pays on that page."),
                _("While it is open, no other one is made: who subscribes again is led here."),
            )
        case OperationPhase.UNVERIFIED if operation.settled_by_id:
            return (
                _("%(who)s said that the card was charged. VZaps does not show a subscription yet.") % named,
                _nothing_else(),
            )
        case OperationPhase.UNVERIFIED:
            return (
                _("VZaps accepted the subscription, but does not show it yet."),
                _("The card was charged, or is about to be. Do not pay again anywhere else."),
                _nothing_else(),
            )
        case OperationPhase.VERIFIED if operation.checkout_url:
            return (_("Paid: VZaps shows the subscription."),)
        case OperationPhase.VERIFIED:
            return (_("Subscribed: VZaps shows the subscription."),)
        case OperationPhase.DONE:
            return (
                _("VZaps accepted the subscription."),
                _("Nothing that was read afterwards showed it."),
            )
        case OperationPhase.FAILED:
            return (_("Not subscribed: the card was not charged by this request."),)
        case OperationPhase.SAID_DONE:
            return (
                _("%(who)s said that the card was charged.") % named,
                _("That is a person's word: nothing that was read from VZaps showed it."),
            )
        case OperationPhase.SAID_NOT_DONE if operation.checkout_url:
            return (
                _("%(who)s said that nobody pays on VZaps' page any more.") % named,
                _("That is a person's word. As long as VZaps takes a payment there, somebody could still pay."),
            )
        case OperationPhase.SAID_NOT_DONE:
            return (
                _("%(who)s said that the card was not charged.") % named,
                _("That is a person's word: VZaps' answer never came."),
            )
        case _:
            return ("",)


def cancel(operation: Operation, phase: OperationPhase) -> tuple[str, ...]:
    """Stop paying."""
    match phase:
        case OperationPhase.OVERDUE | OperationPhase.UNKNOWN:
            return (
                _("It is not known whether the subscription was cancelled."),
                _("The answer from VZaps never came: the card may go on being charged."),
                _nothing_else(),
            )
        case OperationPhase.UNVERIFIED:
            return (
                _("VZaps accepted the cancellation, but does not show it yet."),
                _("Until it does, do not rely on it: the card may go on being charged."),
                _nothing_else(),
            )
        case OperationPhase.VERIFIED:
            ends = display.read_moment(operation.effect, "cancel_at")
            return (
                _("Cancelled: VZaps shows it."),
                _("It ends on %(when)s. Until then it can be resumed.") % {"when": display.moment(ends)}
                if ends
                else _("It has ended. Only subscribing again, which charges the card, brings it back."),
            )
        case OperationPhase.FAILED:
            return (
                _("Not cancelled: the subscription is as it was."),
                _("Where it was running, the card goes on being charged."),
            )
        case _:
            return ("",)


def resume(operation: Operation, phase: OperationPhase) -> tuple[str, ...]:
    """Take a cancellation back."""
    match phase:
        case OperationPhase.OVERDUE | OperationPhase.UNKNOWN:
            return (
                _("It is not known whether the subscription was resumed."),
                _("The answer from VZaps never came: the subscription may end as planned, or go on."),
                _nothing_else(),
            )
        case OperationPhase.UNVERIFIED:
            return (
                _("VZaps accepted to resume the subscription, but does not show it yet."),
                _("Until it does, do not rely on it: the subscription may end as planned."),
                _nothing_else(),
            )
        case OperationPhase.VERIFIED:
            return (
                _("Resumed: VZaps shows no cancellation any more."),
                _("The subscription goes on. When the card is charged for it next is said by VZaps, not here."),
            )
        case OperationPhase.FAILED:
            return (_("Not resumed: the subscription is as it was."),)
        case _:
            return ("",)


def _nothing_else() -> str:
    return _("Until this is settled, no other billing change of this instance is sent.")


def mode_in_words(mode: str) -> str:
    """How VZaps took the payment, or its own word."""
    known = {
        "direct": _("direct: the card on file"),
        "checkout": _("checkout: a page of VZaps' on which somebody pays"),
    }
    return known.get(mode, mode) or pgettext("payment", "not said")
