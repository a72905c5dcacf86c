"""Attempts: begun by a person, watched by one page, over after a while.

Every step is a compare-and-set on the instance's one row, so that of two that do the same at once one does it.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.utils import timezone

from django_vzaps.client import (
    VZapsAuthenticationError,
    VZapsError,
    VZapsNotFoundError,
    VZapsPermissionError,
    VZapsValidationError,
)
from django_vzaps.models import ConnectionState, Instance, Pairing, PairingPhase
from django_vzaps.models.fields import storable
from django_vzaps.secret import Secret
from django_vzaps.services import sessions
from django_vzaps.services.attempts import Actor, refuse_if_read_only
from django_vzaps.services.errors import ReadFailed, ReadOnly
from django_vzaps.services.pairing import codes
from django_vzaps.services.pairing.progress import Progress, meaning

#: How long one press of the button keeps asking.
WINDOW: Final = timedelta(seconds=180)
#: A phone that scanned at the last moment is given this long to link.
_LINKING_TAKES: Final = timedelta(seconds=60)
#: After so long without a question, a page is closed or out of sight.
_SILENCE: Final = timedelta(seconds=20)

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")
_ENDED: Final = (PairingPhase.EXPIRED, PairingPhase.ATTENTION, PairingPhase.ERROR)
#: What will not get better by asking again.
_HOPELESS: Final = (VZapsAuthenticationError, VZapsPermissionError)
_UNKNOWN: Final = (VZapsNotFoundError, VZapsValidationError)


def new_token() -> str:
    """A name for one page that watches. It opens nothing by itself: it counts together with the user."""
    return secrets.token_urlsafe(16)


def is_token(text: str) -> bool:
    """Whether ``text`` can be the name of a page."""
    return _TOKEN.fullmatch(text) is not None


def begin(instance: Instance, *, actor: Actor, watcher: str, take_over: bool = False) -> bool:
    """Make ``watcher`` the one who pairs the instance, for :data:`WINDOW`. Asks VZaps nothing.

    The same watcher again gets the whole time again. False where somebody else is at it and ``take_over`` is not given,
    or who took over a moment ago. Raises :class:`ReadOnly`.
    """
    refuse_if_read_only()
    now = timezone.now()
    row, _ = Pairing.objects.get_or_create(instance=instance)
    is_live = row.is_live(now)
    is_same = is_live and _is_of(row, actor, watcher)
    if not is_same and not take_over and _is_taken(row, actor, now):
        return False
    changes: dict[str, Any] = {"until": now + WINDOW}
    if not is_same:
        changes |= {"watcher": watcher, "user_id": _pk(actor), "opened_at": now, "seen_at": None}
    if not is_live:
        # VZaps' own attempt may go on from before: its codes are counted further.
        goes_on = row.code_since is not None and now < codes.attempt_ends(row.codes, row.code_since)
        changes |= {"code": None, "words": ""} | ({} if goes_on else {"codes": 0, "code_since": None})
    if not is_live or row.phase == PairingPhase.TYPING:
        changes |= {"phase": PairingPhase.STARTING}
    return bool(Pairing.objects.filter(pk=row.pk, watcher=row.watcher, opened_at=row.opened_at).update(**changes))


def by_code(instance: Instance, *, actor: Actor, watcher: str) -> None:
    """Note that the watcher has a code to type, for which no QR code need be asked."""
    _live(instance, actor, watcher, timezone.now()).update(phase=PairingPhase.TYPING, code=None)


def look(instance: Instance, *, actor: Actor, watcher: str, ask: bool = True) -> Progress:
    """Ask VZaps how far it is, for the one who watches; ``ask`` for a QR code too, when it is time.

    For anybody else, and when the time is over, VZaps is asked nothing. Never raises a ``VZapsError``: what went wrong
    is a phase.
    """
    now = timezone.now()
    if not _live(instance, actor, watcher, now).update(seen_at=now):
        _with_stale_code(now).filter(instance=instance).update(code=None)
        return state(instance, actor=actor, watcher=watcher)
    try:
        if sessions.status(instance).connected:
            ended = _ended(PairingPhase.CONNECTED) | {"codes": 0, "code_since": None}
            Pairing.objects.filter(instance=instance).update(**ended)
            return Progress(phase=PairingPhase.CONNECTED)
        if ask:
            _ask_when_due(instance)
    except VZapsError as error:
        if not isinstance(error, ReadFailed) or isinstance(error.error, (*_HOPELESS, *_UNKNOWN)):
            _live(instance, actor, watcher, now).update(**_ended(PairingPhase.ERROR, str(error)))
            return Progress(phase=PairingPhase.ERROR, words=str(error), may_begin=not isinstance(error, ReadOnly))
        return Progress(phase=PairingPhase.ERROR, is_live=True, words=str(error))
    return state(instance, actor=actor, watcher=watcher)


def state(instance: Instance, *, actor: Actor, watcher: str = "") -> Progress:
    """How far it is as far as it is known: nothing is asked."""
    now = timezone.now()
    row = Pairing.objects.select_related("user").filter(instance=instance).first()
    if row is not None and row.is_live(now):
        if _is_of(row, actor, watcher):
            return _progress(row, now)
        # Who looked away a while ago and comes back is told, whoever it was.
        if watcher or _is_taken(row, actor, now):
            return Progress(
                phase=PairingPhase.WATCHED,
                user=row.user,
                opened_at=row.opened_at,
                is_silent=_is_silent(row, now),
            )
    if instance.connection_state == ConnectionState.CONNECTED:
        return Progress(phase=PairingPhase.CONNECTED)
    try:
        refuse_if_read_only()
    except ReadOnly as error:
        return Progress(phase=PairingPhase.ERROR, words=str(error), may_begin=False)
    if row is None or not watcher or not _is_of(row, actor, watcher):
        return Progress(phase=PairingPhase.IDLE)
    if row.phase in _ENDED:
        return Progress(phase=PairingPhase(row.phase), words=row.words)
    return Progress(phase=PairingPhase.EXPIRED)


def stop(instance: Instance, *, actor: Actor, watcher: str) -> bool:
    """End the watcher's attempt, because they say so; False where it is none or over."""
    return bool(_live(instance, actor, watcher, timezone.now()).update(watcher="", **_ended(PairingPhase.IDLE)))


def erase_ended() -> int:
    """Forget the codes of attempts that nobody ended: the page was closed."""
    return _with_stale_code(timezone.now()).update(code=None)


def _ask_when_due(instance: Instance) -> None:
    row, now = Pairing.objects.get(instance=instance), timezone.now()
    due = codes.next_question(row.code_asked_at, row.codes, row.code_since)
    if due is not None and now < due:
        return
    asked_before = Q(code_asked_at__isnull=True) | Q(code_asked_at__lte=now - codes.ASK_EVERY)
    if not Pairing.objects.filter(asked_before, pk=row.pk, until__gt=now).update(code_asked_at=now):
        return
    # Whoever has taken over meanwhile gets the answer: another question could not be asked for a while.
    asked = Pairing.objects.filter(pk=row.pk, code_asked_at=now, until__gt=now)
    try:
        answer = sessions.qr(instance)
    except ReadFailed as error:
        if isinstance(error.error, _HOPELESS):
            raise
        # Which status VZaps answers with while its worker starts is not documented: a 404 may pass.
        asked.update(phase=PairingPhase.ERROR, words=storable(str(error), 500))
        return
    phase, words, is_over = meaning(answer, seen_codes=bool(row.codes))
    if phase == PairingPhase.EXPIRED and (row.code_asked_at is None or row.code_asked_at < row.opened_at):
        # What ran out is the attempt before this one. VZaps begins another when it is asked again.
        asked.update(phase=PairingPhase.STARTING, words="", code=None, codes=0, code_since=None)
        return
    changes: dict[str, Any] = {"phase": phase, "words": storable(words, 500), "code": answer.qr_code}
    if is_over:
        changes |= {"until": timezone.now(), "code": None, "codes": 0, "code_since": None}
    elif answer.qr_code:
        changed = _has_changed(row, answer.qr_code, now)
        changes["codes"], changes["code_since"] = codes.follow(row.codes, row.code_since, changed=changed, now=now)
    elif phase == PairingPhase.LINKING and row.phase != phase and row.until is not None:
        changes["until"] = max(row.until, now + _LINKING_TAKES)
    asked.update(**changes)


def _has_changed(row: Pairing, code: Secret, now: datetime) -> bool:
    if row.code is None:
        return row.code_since is not None and now >= row.code_since + codes.lasts(row.codes)
    try:
        return row.code.reveal() != code.reveal()
    except VZapsError:  # its key is gone
        return True


def _progress(row: Pairing, now: datetime) -> Progress:
    phase = PairingPhase(row.phase)
    code = row.code
    if code is not None and not codes.is_fresh(row.code_asked_at, row.codes, row.code_since, now):
        code = None
    if phase == PairingPhase.SCAN and code is None:
        phase = PairingPhase.STARTING
    lasts = codes.lasts(row.codes)
    return Progress(
        phase=phase,
        is_live=True,
        until=row.until,
        code=code,
        number=row.codes if code is not None else 0,
        lasts=int(lasts.total_seconds()),
        changes_at=None if row.code_since is None else row.code_since + lasts,
        asks_at=codes.next_question(row.code_asked_at, row.codes, row.code_since),
        words=row.words,
    )


def _is_of(row: Pairing, actor: Actor, watcher: str) -> bool:
    return row.watcher == watcher and row.user_id == _pk(actor)


def _pk(actor: Actor) -> Any:
    return None if actor is None else actor.pk


def _is_silent(row: Pairing, now: datetime) -> bool:
    return now - (row.seen_at or row.opened_at) > _SILENCE


def _is_taken(row: Pairing, actor: Actor, now: datetime) -> bool:
    """Whether somebody else is at it. A page of one's own that was closed, or never looked, is not."""
    if not row.is_live(now):
        return False
    is_own = actor is not None and row.user_id == actor.pk
    return not is_own or (row.seen_at is not None and not _is_silent(row, now))


def _live(instance: Instance, actor: Actor, watcher: str, now: datetime) -> QuerySet[Pairing]:
    mine = Pairing.objects.filter(instance=instance, watcher=watcher, user_id=_pk(actor))
    return mine.filter(until__gt=now).exclude(watcher="")


def _with_stale_code(now: datetime) -> QuerySet[Pairing]:
    return Pairing.objects.filter(until__lte=now, code__isnull=False)


def _ended(phase: PairingPhase, words: str = "") -> dict[str, Any]:
    return {"phase": phase, "words": storable(words, 500), "until": timezone.now(), "code": None}
