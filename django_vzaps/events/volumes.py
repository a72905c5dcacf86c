"""What comes in masses, and what is kept of it: said before somebody subscribes to it."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _

from django_vzaps import conf
from django_vzaps.events.policies import policy_of


def in_words(types: Iterable[str]) -> dict[str, str]:
    """Those of ``types`` that bring very much, and what to expect of each. ``All`` brings every one of them."""
    chosen = set(types)
    return {name: f"{what} {_kept(name)}" for name, what in _masses().items() if name in chosen or "All" in chosen}


def usual() -> dict[str, str]:
    """What to expect of the types that do not come in masses."""
    return {
        "Message": _("One event for each message that comes or is sent; some come in several copies."),
        "ReadReceipt": _(
            "For each message sent, one event when it is delivered and one when it is read; more in groups."
        ),
        "Connected": _("One event whenever the session comes up."),
        "Disconnected": _("One event whenever the session goes down."),
        "GroupParticipantsAdd": _("One event whenever somebody joins a group."),
        "GroupParticipantsRemove": _("One event whenever somebody leaves a group."),
    }


def _masses() -> dict[str, str]:
    return {
        "HistorySync": _("After each pairing, the account's history in parts of up to megabytes."),
        "Presence": _("One event whenever any contact comes online or goes: many times the number of messages."),
        "ChatPresence": _("One event whenever any contact types or stops: many times the number of messages."),
    }


def _kept(event_type: str) -> str:
    match policy_of(event_type):
        case conf.DROP:
            return _("Dropped when it arrives: nothing is stored and no handler is called.")
        case conf.METADATA:
            return _("The payload is erased once the event is handled; its row stays.")
        case _:
            return _("Stored in full.")
