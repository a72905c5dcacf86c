"""One attempt of one handler at one event, and what is written down of it.

That an attempt began is committed before it begins. Every later mark is a compare-and-set on the attempt's number, so
that a process which was overtaken changes nothing.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Sequence
from typing import Final

from celery.exceptions import SoftTimeLimitExceeded
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from django_vzaps import conf
from django_vzaps.events.handlers import Handler
from django_vzaps.events.inbound import InboundEvent
from django_vzaps.events.lease import LeaseLost
from django_vzaps.models import Event, HandlerRun, HandlerRunState
from django_vzaps.models.fields import storable
from django_vzaps.services import OutcomeUnknown

logger = logging.getLogger("django_vzaps.events")

_ERROR_LENGTH: Final = 10_000


def may_run(run: HandlerRun | None) -> bool:
    """Whether a handler still has something to do, as far as its run tells."""
    if run is None or run.state in (HandlerRunState.STARTED, HandlerRunState.WAITING):
        return True
    return run.state == HandlerRunState.FAILED and tries(run) != 0


def tries(run: HandlerRun) -> int:
    """How often it was tried since it began or was replayed; 0 when that is as often as it may be.

    A replay goes on counting attempts, so that a mark left over from before it fits no later one.
    """
    return run.attempts % conf.current().handler_attempts


def attempt(event: InboundEvent, handler: Handler, run: HandlerRun | None) -> HandlerRun:
    """Call the handler once and write down how it went; exceptions of the handler go no further.

    A run that is marked as started belongs to a process that died: of a transactional handler that was a failed
    attempt, any other is left ``interrupted``. The same goes for a handler that its task's time limit stops. Raises
    :class:`LeaseLost` where another process took over.
    """
    if run is not None and run.state == HandlerRunState.STARTED:
        state = HandlerRunState.FAILED if handler.atomic else HandlerRunState.INTERRUPTED
        return _mark(
            run, state, error=_("The process died during this attempt, or took longer than VZAPS['DRAIN_LEASE'].")
        )
    run = _begin(event.record, handler, run)
    began = time.monotonic()
    event.begin(handler=handler.name, in_transaction=handler.atomic, replays=run.replays)
    try:
        if handler.atomic:
            with transaction.atomic():
                handler.function(event)
                _mark(run, HandlerRunState.DONE, began=began)
            return run
        handler.function(event)
    except LeaseLost:
        raise
    except OutcomeUnknown as error:
        # A second attempt could send again what was sent.
        logger.warning("Handler %s for event %s ended in doubt: %s", handler.name, event.record.pk, error)
        return _mark(run, HandlerRunState.INTERRUPTED, began=began, error=_traceback())
    except Exception as error:
        logger.exception("Handler %s failed for event %s, attempt %s", handler.name, event.record.pk, run.attempts)
        if handler.atomic and _is_committed(run):
            return run
        # It did not fail by itself: how far it came outside is as little known as when its process dies.
        is_cut_short = isinstance(error, SoftTimeLimitExceeded) and not handler.atomic
        state = HandlerRunState.INTERRUPTED if is_cut_short else HandlerRunState.FAILED
        return _mark(run, state, began=began, error=_traceback())
    # Reached outside: that it ended is true also where another process gave it up meanwhile.
    return _mark(run, HandlerRunState.DONE, began=began, over=(HandlerRunState.STARTED, HandlerRunState.INTERRUPTED))


def _begin(record: Event, handler: Handler, run: HandlerRun | None) -> HandlerRun:
    now = timezone.now()
    if run is None:
        try:
            with transaction.atomic():
                return HandlerRun.objects.create(event=record, handler=handler.name, attempts=1, started_at=now)
        except IntegrityError:  # another process began it
            raise LeaseLost from None
    begun = HandlerRun.objects.filter(pk=run.pk, state=run.state, attempts=run.attempts)
    if not begun.update(state=HandlerRunState.STARTED, attempts=run.attempts + 1, started_at=now):
        raise LeaseLost
    run.state, run.attempts = HandlerRunState.STARTED, run.attempts + 1
    return run


def _mark(
    run: HandlerRun,
    state: HandlerRunState,
    *,
    began: float | None = None,
    error: str = "",
    over: Sequence[str] = (HandlerRunState.STARTED,),
) -> HandlerRun:
    duration = None if began is None else time.monotonic() - began
    mine = HandlerRun.objects.filter(pk=run.pk, attempts=run.attempts, state__in=over)
    if not mine.update(state=state, duration=duration, error=error):
        raise LeaseLost
    run.state, run.duration, run.error = state, duration, error
    return run


def _is_committed(run: HandlerRun) -> bool:
    """Whether only what the handler left for after its commit failed: that is written down, and nothing is repeated."""
    done = HandlerRun.objects.filter(pk=run.pk, attempts=run.attempts, state=HandlerRunState.DONE)
    return bool(done.update(error=_traceback()))


def _traceback() -> str:
    return storable(traceback.format_exc()[-_ERROR_LENGTH:])
