"""What the pairing page says of each phase. What comes from outside is escaped here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone
from django.utils.formats import time_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from django_vzaps import services
from django_vzaps.admin import display
from django_vzaps.admin.instances import columns
from django_vzaps.models import Instance, PairingPhase
from django_vzaps.services.pairing import Progress

#: Without JavaScript the page asks for itself again after so many seconds, or sooner where a code is due.
REFRESH: Final = 15
_REFRESH_SOON: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Countdown:
    """About how long until something; ``text`` has ``{seconds}`` in it, ``due`` takes its place at zero."""

    seconds: int
    of: int
    text: str
    due: str

    @property
    def now(self) -> str:
        """What it says at this moment."""
        return self.text.replace("{seconds}", str(self.seconds)) if self.seconds else self.due


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A phase as the page shows it; ``stage`` tells those apart that look different."""

    phase: str
    title: str
    message: SafeString
    is_live: bool
    may_begin: bool
    is_own: bool
    qr: str
    step: str
    countdown: Countdown | None
    until: str

    @property
    def stage(self) -> str:
        """The phase, and whether it goes on."""
        return self.phase if self.is_live else f"{self.phase}-over"

    @property
    def refresh(self) -> int:
        """After how many seconds a page without JavaScript looks again."""
        if not self.qr or self.countdown is None:
            return _REFRESH_SOON
        return min(REFRESH, max(_REFRESH_SOON, self.countdown.seconds))


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Who was paired, as WhatsApp shows them."""

    name: str
    phone: str
    photo: str
    initials: str


def shown(progress: Progress, instance: Instance, user: AbstractBaseUser) -> Shown:
    """``progress`` in words for ``user``."""
    return Shown(
        phase=progress.phase,
        title=str(progress.phase.label),
        message=format_html("{}", _message(progress, instance, user)),
        is_live=progress.is_live,
        may_begin=progress.may_begin,
        is_own=progress.user is not None and progress.user.pk == user.pk,
        qr=_revealed(progress),
        step=_step(progress),
        countdown=_countdown(progress),
        until="" if progress.until is None else time_format(display.local(progress.until), "TIME_FORMAT"),
    )


def person(instance: Instance) -> Person:
    """The one whose phone it is; a photo only where it can be loaded without the risk of a mixed page."""
    profile = instance.profile if isinstance(instance.profile, dict) else {}
    name = instance.push_name or str(profile.get("verified_name") or profile.get("business_name") or instance)
    return Person(
        name=name,
        phone=f"+{instance.phone}" if instance.phone.isdigit() else instance.phone,
        photo=columns.photo_of(instance),
        initials=columns.initials(name),
    )


def _message(progress: Progress, instance: Instance, user: AbstractBaseUser) -> SafeString | str:
    words = display.from_outside(progress.words) if progress.words else ""
    match progress.phase:
        case PairingPhase.IDLE:
            return _idle(instance)
        case PairingPhase.STARTING:
            return _("VZaps prepares the code. This takes a few seconds.")
        case PairingPhase.SCAN:
            return _("Scan the code with WhatsApp on the phone. This page renews it, and notices the scan by itself.")
        case PairingPhase.TYPING:
            return _("Type the code into WhatsApp on the phone. This page notices by itself.")
        case PairingPhase.LINKING:
            return _("A phone has the code, and WhatsApp links it. Keep the phone unlocked and online.")
        case PairingPhase.CONNECTED:
            return _connected(instance)
        case PairingPhase.EXPIRED if words:
            return format_html(_("VZaps ended this attempt ({}). Go on when the phone is at hand."), words)
        case PairingPhase.EXPIRED:
            return _(
                "The time for this attempt is over, so VZaps is not asked any more. Go on when the phone is at hand."
            )
        case PairingPhase.ATTENTION:
            return _attention(words, progress)
        case PairingPhase.ERROR:
            return format_html("{} {}", words, _("Trying again by itself.")) if progress.is_live else words
        case PairingPhase.WATCHED:
            return _watched(progress, user)


def _idle(instance: Instance) -> SafeString | str:
    if instance.connected:
        heard = display.ago(instance.connection_asked_at)
        return format_html(
            _("When last heard, {}, it was connected. VZaps is asked first; a code is shown only if it is no more."),
            heard,
        )
    return _("Have the phone at hand: a code is valid for a short time only.")


def _connected(instance: Instance) -> SafeString | str:
    who = [display.from_outside(part) for part in (instance.phone, instance.push_name) if part]
    if not who:
        return _("Connected.")
    return format_html(_("Connected: {}."), format_html(" ".join(["{}"] * len(who)), *who))


def _attention(words: SafeString | str, progress: Progress) -> SafeString:
    if progress.is_live:
        return format_html(
            _(
                "VZaps says “{}”. Look at the phone: it may ask something. "
                "This page goes on asking until it stops by itself."
            ),
            words,
        )
    return format_html(
        _(
            "VZaps ended this attempt and says “{}”. Look at the phone: it may say why. "
            "Then try again; if that does not help, restart the instance."
        ),
        words,
    )


def _watched(progress: Progress, user: AbstractBaseUser) -> SafeString | str:
    since = time_format(display.local(progress.opened_at or timezone.now()), "TIME_FORMAT")
    if progress.user is not None and progress.user.pk == user.pk:
        return _("You are pairing this number in another tab or browser (since %(time)s).") % {"time": since}
    who = display.from_outside(progress.user.get_username()) if progress.user else _("Somebody")
    if progress.is_silent:
        return format_html(
            _("{} began to pair this number ({}). That page asks no more: it is closed or out of sight."), who, since
        )
    return format_html(_("{} is pairing this number right now (since {})."), who, since)


def _revealed(progress: Progress) -> str:
    try:
        return progress.code.reveal() if progress.code else ""
    except services.VZapsError:  # its key is gone; the next one is encrypted with a new one
        return ""


def _step(progress: Progress) -> str:
    if not progress.number:
        return ""
    return _("Code %(number)d of %(of)d") % {"number": progress.number, "of": services.pairing.CODES}


def _countdown(progress: Progress) -> Countdown | None:
    if progress.phase == PairingPhase.SCAN and progress.changes_at is not None:
        return Countdown(
            seconds=_seconds_until(progress.changes_at),
            of=progress.lasts,
            text=_("Next code in about {seconds} s"),
            due=_("The next code is on its way."),
        )
    if progress.phase == PairingPhase.STARTING:
        return Countdown(
            seconds=_seconds_until(progress.asks_at),
            of=int(services.pairing.ASK_EVERY.total_seconds()),
            text=_("VZaps is asked for it in about {seconds} s"),
            due=_("VZaps is asked for it now."),
        )
    return None


def _seconds_until(moment: datetime | None) -> int:
    return 0 if moment is None else max(0, math.ceil((moment - timezone.now()).total_seconds()))
