"""How far a pairing is, and what VZaps' answers mean for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.models import AbstractBaseUser

from django_vzaps.client import QRCode
from django_vzaps.models import PairingPhase
from django_vzaps.secret import Secret

# None of these words is documented (API.md section 4.2). A word that is not among them is shown to the person.
_OVER: Final = {"timeout", "timedout", "qrtimeout", "expired", "codeexpired", "qrexpired"}
_WAITING: Final = {
    "", "waiting", "pending", "starting", "started", "initializing", "initialising", "loading", "generating",
    "disconnected", "notconnected", "unpaired", "notpaired", "qr", "qrcode", "code", "waitingqr", "waitingscan",
}  # fmt: skip
_LINKING: Final = {
    "scanned", "pairing", "linking", "linked", "paired", "success", "connecting", "connected", "authenticating",
    "authenticated", "syncing", "loggingin", "loggedin",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far it is for one watcher.

    ``is_live``: it goes on, so VZaps is asked further; ``may_begin``: it can be begun again. ``code`` is a PNG data URL
    and a secret; it is the ``number``-th of an attempt, shown for ``lasts`` seconds until about ``changes_at``.
    ``asks_at`` is when VZaps is asked for a code next. ``words`` are VZaps' own, or say why it could not be asked. For
    ``watched``, ``user`` has been at it since ``opened_at``; ``is_silent`` where their page asks no more.
    """

    phase: PairingPhase
    is_live: bool = False
    may_begin: bool = True
    until: datetime | None = None
    code: Secret | None = None
    number: int = 0
    lasts: int = 0
    changes_at: datetime | None = None
    asks_at: datetime | None = None
    words: str = ""
    user: AbstractBaseUser | None = None
    opened_at: datetime | None = None
    is_silent: bool = False


def meaning(answer: QRCode, *, seen_codes: bool) -> tuple[PairingPhase, str, bool]:
    """The phase that VZaps' answer tells of, VZaps' word for it, and whether the attempt is over by it."""
    if answer.error:
        is_timeout = _plain(answer.error) in _OVER
        return PairingPhase.EXPIRED if is_timeout else PairingPhase.ATTENTION, answer.error, True
    if answer.qr_code:
        return PairingPhase.SCAN, "", False
    if answer.paired:
        return PairingPhase.LINKING, "", False
    word = answer.pairing_status or answer.status or ""
    plain = _plain(word)
    if plain in _OVER:
        return PairingPhase.EXPIRED, word, True
    if plain in _LINKING:
        return PairingPhase.LINKING, "", False
    if plain in _WAITING:
        # A code that was there and vanished without a word was taken by a phone.
        return PairingPhase.LINKING if seen_codes else PairingPhase.STARTING, "", False
    return PairingPhase.ATTENTION, word, False


def _plain(word: str) -> str:
    return "".join(character for character in word.lower() if character.isalnum())
