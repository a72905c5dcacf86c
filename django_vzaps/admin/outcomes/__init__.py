"""What became of an operation, in words: what happened, what it means, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from django_vzaps.admin import display
from django_vzaps.admin.outcomes import billing
from django_vzaps.admin.outcomes.billing import mode_in_words
from django_vzaps.models import Operation, OperationKind, OperationPhase, phase_of
from django_vzaps.services.operations import READABLE

__all__ = ["MOVING", "Told", "badge", "mode_in_words", "told", "way_out"]

#: Where looking again may show something else without anybody deciding anything.
MOVING: Final = frozenset({OperationPhase.RUNNING, OperationPhase.CHECKOUT, OperationPhase.UNVERIFIED})

_TONES: Final = {
    OperationPhase.OVERDUE: "warning",
    OperationPhase.CHECKOUT: "warning",
    OperationPhase.UNVERIFIED: "warning",
    OperationPhase.VERIFIED: "good",
    OperationPhase.DONE: "good",
    OperationPhase.SAID_DONE: "good",
    OperationPhase.FAILED: "bad",
    OperationPhase.UNKNOWN: "warning",
}

_BILLING: Final = {
    OperationKind.SUBSCRIBE.value: billing.subscribe,
    OperationKind.CANCEL.value: billing.cancel,
    OperationKind.RESUME.value: billing.resume,
}


@dataclass(frozen=True, kw_only=True)
class Told:
    """An operation's state for a person: one sentence on top, and what follows from it."""

    phase: OperationPhase
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
        OperationPhase.OVERDUE: _("running too long"),
        OperationPhase.CHECKOUT: _("waiting for payment"),
        OperationPhase.UNVERIFIED: _("not seen on VZaps yet"),
        OperationPhase.SAID_DONE: _("a person's word"),
        OperationPhase.SAID_NOT_DONE: _("a person's word"),
    }.get(phase_of(operation))
    outcome = display.outcome(operation)
    return format_html('{} <span class="vzaps-quiet">{}</span>', outcome, doubt) if doubt else outcome


def _any_kind(operation: Operation, phase: OperationPhase) -> tuple[str, ...]:
    named = {"what": operation.kind_label, "who": operation.settled_by or _("Somebody")}
    match phase:
        case OperationPhase.RUNNING:
            return (_("“%(what)s” is being carried out.") % named, _("VZaps has not answered yet."))
        case OperationPhase.OVERDUE:
            return (
                _("“%(what)s” never came to an end.") % named,
                _("Whoever carried it out is gone: it may have been carried out on VZaps, or not."),
                _risk(operation),
            )
        case OperationPhase.CHECKOUT | OperationPhase.UNVERIFIED:
            return (_("VZaps accepted “%(what)s”, but does not show its effect yet.") % named,)
        case OperationPhase.VERIFIED:
            return (_("“%(what)s” was carried out, and VZaps shows it.") % named,)
        case OperationPhase.DONE:
            return (_("“%(what)s” was carried out, VZaps says.") % named,)
        case OperationPhase.FAILED:
            return (
                _("“%(what)s” was not carried out.") % named,
                _("Nothing was changed on VZaps by it."),
                _("Once the reason is mended, it can be asked for again."),
            )
        case OperationPhase.UNKNOWN:
            return (
                _("It is not known whether “%(what)s” was carried out.") % named,
                _("The answer from VZaps never came. It is not tried again by itself."),
                _risk(operation),
            )
        case OperationPhase.SAID_DONE:
            return (
                _("%(who)s said that “%(what)s” was carried out.") % named,
                _("That is a person's word: nothing that was read from VZaps showed it."),
            )
        case OperationPhase.SAID_NOT_DONE:
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
