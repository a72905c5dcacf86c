"""What became of an operation, in words: what happened, what it means, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from django_vzaps.admin import display
from django_vzaps.models import Operation, OperationKind, OperationOutcome
from django_vzaps.services.operations import READABLE


class Phase(StrEnum):
    """Where an operation stands, told apart more finely than by its outcome."""

    RUNNING = "running"
    OVERDUE = "overdue"
    #: A page of VZaps' is open, on which somebody has to pay.
    CHECKOUT = "checkout"
    #: VZaps, or a person, said that it was carried out; nothing that was read shows it yet.
    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    #: VZaps said that it was carried out, and nobody waits for more.
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    #: A person's word stands for VZaps'.
    SAID_DONE = "said-done"
    SAID_NOT_DONE = "said-not-done"
    #: Written by a newer version.
    OTHER = "other"


#: Where looking again may show something else without anybody deciding anything.
MOVING: Final = frozenset({Phase.RUNNING, Phase.CHECKOUT, Phase.UNVERIFIED})

_TONES: Final = {
    Phase.OVERDUE: "warning",
    Phase.CHECKOUT: "warning",
    Phase.UNVERIFIED: "warning",
    Phase.VERIFIED: "good",
    Phase.DONE: "good",
    Phase.SAID_DONE: "good",
    Phase.FAILED: "bad",
    Phase.UNKNOWN: "warning",
}


@dataclass(frozen=True, kw_only=True)
class Told:
    """An operation's state for a person: one sentence on top, and what follows from it."""

    phase: Phase
    headline: str
    sentences: tuple[str, ...]

    @property
    def tone(self) -> str:
        """The colour beside the words, as the badges have it."""
        return _TONES.get(self.phase, "quiet")

    @property
    def is_moving(self) -> bool:
        """Whether it is worth while to look again by itself."""
        return self.phase in MOVING


def phase_of(operation: Operation) -> Phase:
    """Where it stands."""
    match operation.outcome:
        case OperationOutcome.RUNNING:
            return Phase.OVERDUE if operation.is_overdue else Phase.RUNNING
        case OperationOutcome.UNKNOWN:
            return Phase.UNKNOWN
        case OperationOutcome.FAILED:
            return Phase.SAID_NOT_DONE if operation.settled_by_id else Phase.FAILED
        case OperationOutcome.SUCCEEDED:
            return _succeeded(operation)
        case _:
            return Phase.OTHER


def _succeeded(operation: Operation) -> Phase:
    if operation.confirmed_at is not None:
        return Phase.VERIFIED
    if operation.lock is not None:
        return Phase.CHECKOUT if operation.checkout_url else Phase.UNVERIFIED
    return Phase.SAID_DONE if operation.settled_by_id else Phase.DONE


def told(operation: Operation) -> Told:
    """The operation in words. VZaps' own words are not among them: they are in ``operation.error``."""
    phase = phase_of(operation)
    headline, *sentences = _BILLING[operation.kind](operation, phase) if operation.kind in _BILLING else ("",)
    if not headline:
        headline, *sentences = _any_kind(operation, phase)
    return Told(phase=phase, headline=headline, sentences=tuple(sentence for sentence in sentences if sentence))


def badge(operation: Operation) -> SafeString:
    """The outcome as a badge; beside it, what keeps "succeeded" from being the whole truth."""
    doubt = {
        Phase.OVERDUE: _("running too long"),
        Phase.CHECKOUT: _("waiting for payment"),
        Phase.UNVERIFIED: _("not seen on VZaps yet"),
        Phase.SAID_DONE: _("a person's word"),
        Phase.SAID_NOT_DONE: _("a person's word"),
    }.get(phase_of(operation))
    outcome = display.outcome(operation)
    return format_html('{} <span class="vzaps-quiet">{}</span>', outcome, doubt) if doubt else outcome


def _any_kind(operation: Operation, phase: Phase) -> tuple[str, ...]:
    named = {"what": operation.kind_label, "who": operation.settled_by or _("Somebody")}
    match phase:
        case Phase.RUNNING:
            return (_("“%(what)s” is being carried out.") % named, _("VZaps has not answered yet."))
        case Phase.OVERDUE:
            return (
                _("“%(what)s” never came to an end.") % named,
                _("Whoever carried it out is gone: it may have been carried out on VZaps, or not."),
                _risk(operation),
            )
        case Phase.CHECKOUT | Phase.UNVERIFIED:
            return (_("VZaps accepted “%(what)s”, but does not show its effect yet.") % named,)
        case Phase.VERIFIED:
            return (_("“%(what)s” was carried out, and VZaps shows it.") % named,)
        case Phase.DONE:
            return (_("“%(what)s” was carried out, VZaps says.") % named,)
        case Phase.FAILED:
            return (
                _("“%(what)s” was not carried out.") % named,
                _("Nothing was changed on VZaps by it."),
                _("Once the reason is mended, it can be asked for again."),
            )
        case Phase.UNKNOWN:
            return (
                _("It is not known whether “%(what)s” was carried out.") % named,
                _("The answer from VZaps never came. It is not tried again by itself."),
                _risk(operation),
            )
        case Phase.SAID_DONE:
            return (
                _("%(who)s said that “%(what)s” was carried out.") % named,
                _("That is a person's word: nothing that was read from VZaps showed it."),
            )
        case Phase.SAID_NOT_DONE:
            return (
                _("%(who)s said that “%(what)s” was not carried out.") % named,
                _("That is a person's word: VZaps' answer never came."),
            )
        case _:
            return (_("“%(what)s”: %(outcome)s.") % (named | {"outcome": operation.outcome_label}),)


def _risk(operation: Operation) -> str:
    match operation.kind:
        case OperationKind.CREATE:
            return _("The instance may exist. Creating it again could make a second one.")
        case OperationKind.SEND_TEXT:
            return _("The message may have been sent. Sending it again could send it twice: look at the chat first.")
        case OperationKind.RETRY_DELIVERY:
            return _("The event may have been delivered. Delivering it again does no harm: it is taken in once.")
        case OperationKind.RESTART:
            return _("Restarting it again does no harm.")
        case OperationKind.PAIR_CODE:
            return _("A code that was not shown cannot be seen any more. Ask for another one.")
        case _:
            return ""


def way_out(operation: Operation) -> str:
    """How an open operation is settled; empty where it is none."""
    if not (operation.is_open or operation.is_overdue):
        return ""
    if operation.kind in READABLE:
        return _(
            "“Find out” reads VZaps and changes nothing there. Where reading does not tell, look at VZaps' own pages, "
            "then say how it ended."
        )
    if operation.is_overdue:
        return _("“Find out” notes that it is given up. Then look for its effect, and say how it ended.")
    return _("VZaps shows nothing by which it could be found out. Look for its effect, then say how it ended.")


def _subscribe(operation: Operation, phase: Phase) -> tuple[str, ...]:
    named = {"who": operation.settled_by or _("Somebody")}
    match phase:
        case Phase.RUNNING:
            return (_("The subscription is being asked for."), _("VZaps has not answered yet."))
        case Phase.OVERDUE | Phase.UNKNOWN:
            return (
                _("It is not known whether the card was charged."),
                _("The answer from VZaps never came: the card may have been charged, or not."),
                _nothing_else(),
            )
        case Phase.CHECKOUT:
            return (
                _("Waiting for the payment on VZaps' own page."),
                _("No card was charged by the request. Nothing is paid until somebody pays on that page."),
                _("While it is open, no other one is made: who subscribes again is led here."),
            )
        case Phase.UNVERIFIED if operation.settled_by_id:
            return (
                _("%(who)s said that the card was charged. VZaps does not show a subscription yet.") % named,
                _nothing_else(),
            )
        case Phase.UNVERIFIED:
            return (
                _("VZaps accepted the subscription, but does not show it yet."),
                _("The card was charged, or is about to be. Do not pay again anywhere else."),
                _nothing_else(),
            )
        case Phase.VERIFIED if operation.checkout_url:
            return (_("Paid: VZaps shows the subscription."),)
        case Phase.VERIFIED:
            return (_("Subscribed: VZaps shows the subscription."),)
        case Phase.DONE:
            return (
                _("VZaps accepted the subscription."),
                _("Nothing that was read afterwards showed it."),
            )
        case Phase.FAILED:
            return (_("Not subscribed: the card was not charged by this request."),)
        case Phase.SAID_DONE:
            return (
                _("%(who)s said that the card was charged.") % named,
                _("That is a person's word: nothing that was read from VZaps showed it."),
            )
        case Phase.SAID_NOT_DONE if operation.checkout_url:
            return (
                _("%(who)s said that nobody pays on VZaps' page any more.") % named,
                _("That is a person's word. As long as VZaps takes a payment there, somebody could still pay."),
            )
        case Phase.SAID_NOT_DONE:
            return (
                _("%(who)s said that the card was not charged.") % named,
                _("That is a person's word: VZaps' answer never came."),
            )
        case _:
            return ("",)


def _cancel(operation: Operation, phase: Phase) -> tuple[str, ...]:
    match phase:
        case Phase.OVERDUE | Phase.UNKNOWN:
            return (
                _("It is not known whether the subscription was cancelled."),
                _("The answer from VZaps never came: the card may go on being charged."),
                _nothing_else(),
            )
        case Phase.UNVERIFIED:
            return (
                _("VZaps accepted the cancellation, but does not show it yet."),
                _("Until it does, do not rely on it: the card may go on being charged."),
                _nothing_else(),
            )
        case Phase.VERIFIED:
            ends = display.read_moment(operation.effect, "cancel_at")
            return (
                _("Cancelled: VZaps shows it."),
                _("It ends on %(when)s. Until then it can be resumed.") % {"when": display.moment(ends)}
                if ends
                else _("It has ended. Only subscribing again, which charges the card, brings it back."),
            )
        case Phase.FAILED:
            return (
                _("Not cancelled: the subscription is as it was."),
                _("Where it was running, the card goes on being charged."),
            )
        case _:
            return ("",)


def _resume(operation: Operation, phase: Phase) -> tuple[str, ...]:
    match phase:
        case Phase.OVERDUE | Phase.UNKNOWN:
            return (
                _("It is not known whether the subscription was resumed."),
                _("The answer from VZaps never came: the subscription may end as planned, or go on."),
                _nothing_else(),
            )
        case Phase.UNVERIFIED:
            return (
                _("VZaps accepted to resume the subscription, but does not show it yet."),
                _("Until it does, do not rely on it: the subscription may end as planned."),
                _nothing_else(),
            )
        case Phase.VERIFIED:
            return (
                _("Resumed: VZaps shows no cancellation any more."),
                _("The subscription goes on. When the card is charged for it next is said by VZaps, not here."),
            )
        case Phase.FAILED:
            return (_("Not resumed: the subscription is as it was."),)
        case _:
            return ("",)


def _nothing_else() -> str:
    return _("Until this is settled, no other billing change of this instance is sent.")


_BILLING: Final = {
    OperationKind.SUBSCRIBE.value: _subscribe,
    OperationKind.CANCEL.value: _cancel,
    OperationKind.RESUME.value: _resume,
}


def mode_in_words(mode: str) -> str:
    """How VZaps took the payment, or its own word."""
    known = {
        "direct": _("direct: the card on file"),
        "checkout": _("checkout: a page of VZaps' on which somebody pays"),
    }
    return known.get(mode, mode) or pgettext("payment", "not said")
