"""Handing stored events to handlers. The database is the queue; who drains it is woken by the doorbell.

Promise: the handlers are offered an instance's events in the order of their ids, on the first attempt. A failed attempt
sets the event aside, to be tried again later and overtaken meanwhile.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError
from django.db.models import Q
from django.utils import timezone

from django_vzaps import broker, conf
from django_vzaps.events import built_in, doorbell, handlers, inbound, policies, revisions, runs
from django_vzaps.events.lease import Lease, LeaseLost
from django_vzaps.models import Event, EventState, HandlerRun, HandlerRunState, Instance, Lane

logger = logging.getLogger("django_vzaps.events")

#: How long one drain works before it makes room for other queues' drains.
SLICE_SECONDS: Final = 0.5
_BATCH: Final = 100
_FIRST_RETRY: Final = timedelta(seconds=30)
_LAST_RETRY: Final = timedelta(hours=1)
_FOURFOLD: Final = 5  # times; by then the last is reached


def wake(instance_id: int, lane: str = Lane.MAIN) -> bool:
    """Have the events of an instance's queue handled: by a worker, or here and now with ``VZAPS["TASKS"] = "inline"``.

    Never raises; False where the broker could not be told. The sweep finds what was not handled.
    """
    try:
        if broker.is_inline():
            drain(instance_id, lane, seconds=None)
            return True
        return doorbell.ring(instance_id, lane)
    except Exception:
        logger.exception("The events of instance %s could not be handled now", instance_id)
        return False


def drain(instance_id: int, lane: str = Lane.MAIN, *, seconds: float | None = SLICE_SECONDS) -> int:
    """Handle the due events of an instance's queue, oldest first, and return how many.

    Stops when none is left, or after ``seconds`` (at least one event is handled): then a task is sent for the rest.
    Does nothing while another process drains the queue.
    """
    until = None if seconds is None else time.monotonic() + seconds
    handled = 0
    while lease := Lease.take(instance_id, lane):
        try:
            count, is_finished = _handle_due(lease, until)
            handled += count
            if is_finished:
                # Not sooner: who is woken while this one is at work finds the lease taken, and takes the place in the
                # broker's queue of somebody who does not.
                doorbell.silence(instance_id, lane)
        except LeaseLost:
            logger.info("The drain of instance %s was taken over by another process", instance_id)
            return handled
        finally:
            lease.release()
        if not is_finished:
            doorbell.ring_on(instance_id, lane)
            return handled
        # Once more, after the bell was silenced and the lease released: who stored an event before heard it ring, or
        # rang for somebody who found the lease taken.
        if not Event.objects.next_due(instance_id, lane, most=1):
            return handled
    return handled


def _handle_due(lease: Lease, until: float | None) -> tuple[int, bool]:
    """How many events were handled, and whether none was left when last looked."""
    due = partial(Event.objects.next_due, lease.instance_id, lease.lane)
    handled = 0
    latest: datetime | None = None
    held_until: datetime | None = None
    try:
        # By state and not from the last id on: ids are not committed in their order.
        while pks := due(most=_BATCH):
            for pk in pks:
                lease.renew()
                # One by one: a payload may be as large as VZAPS["WEBHOOK_MAX_BYTES"].
                record = Event.objects.select_related("instance__account").filter(pk=pk).first()
                if record is not None and record.state == EventState.PENDING:
                    if until_then := _handle_safely(record, lease):
                        held_until = max(held_until or until_then, until_then)
                    latest = max(latest or record.received_at, record.received_at)
                    handled += 1
                if until is not None and time.monotonic() >= until:
                    return handled, not due(most=1)
    finally:
        _note_last_event(lease.instance_id, latest)
        if held_until is not None:
            # A little later: the worker's clock need not be this one's.
            seconds = (held_until - timezone.now()).total_seconds() + 0.1
            doorbell.ring_later(lease.instance_id, lease.lane, seconds=max(seconds, 0))
    return handled, True


def _handle_safely(record: Event, lease: Lease) -> datetime | None:
    """An event that cannot even be offered to handlers must not keep the ones behind it waiting for ever."""
    try:
        return _handle(record, lease)
    except (LeaseLost, OperationalError, InterfaceError, SoftTimeLimitExceeded):
        # Outside of its handlers, none of them is the event's fault.
        raise
    except Exception:
        logger.exception("Event %s could not be handled", record.pk)
        Event.objects.filter(pk=record.pk, state=EventState.PENDING).update(state=EventState.FAILED)
        return None


def _handle(record: Event, lease: Lease) -> datetime | None:
    """Offer an event to its handlers; returns until when it is held back instead, where it is."""
    event = inbound.from_record(record)
    found = {run.handler: run for run in record.runs.all()}
    if not found and isinstance(event, inbound.MessageEvent) and not event.is_revision:
        if hold := revisions.settle(event, may_hold=not broker.is_inline()):
            return _hold(record, hold)
        if record.state != EventState.PENDING:
            return None
    wanted = [handler for handler in (*built_in.handlers(), *handlers.registered()) if handler.wants(event)]
    has_taken_time = False
    for handler in wanted:
        if runs.may_run(found.get(handler.name)):
            if has_taken_time:
                lease.renew()
            has_taken_time = True
            found[handler.name] = runs.attempt(event, handler, found.get(handler.name))
    _conclude(record, {handler.name for handler in wanted}, found.values())
    return None


def _hold(record: Event, time: timedelta) -> datetime:
    until = timezone.now() + time
    Event.objects.filter(pk=record.pk, state=EventState.PENDING).update(retry_at=until)
    return until


def _conclude(record: Event, wanted: Collection[str], found: Collection[HandlerRun]) -> None:
    """Close the event, or set it aside where a handler has attempts left."""
    again = [runs.tries(run) for run in found if run.handler in wanted and runs.may_run(run)]
    retry_at = None
    if again:
        state = EventState.PENDING
        retry_at = timezone.now() + min(_FIRST_RETRY * 4 ** min(max(again) - 1, _FOURFOLD), _LAST_RETRY)
    elif any(run.state in (HandlerRunState.FAILED, HandlerRunState.INTERRUPTED) for run in found):
        state = EventState.FAILED
    elif found:
        state = EventState.DONE
    else:
        state = EventState.IGNORED
    # Failed by another process that took this one for dead: what is known here is newer.
    unfinished = Event.objects.filter(pk=record.pk, state__in=[EventState.PENDING, EventState.FAILED])
    changes: dict[str, Any] = {"state": state, "retry_at": retry_at}
    if state in (EventState.DONE, EventState.IGNORED) and policies.policy_of(record.type) == conf.METADATA:
        changes["payload"] = ""
    unfinished.update(**changes)


def _note_last_event(instance_id: int, at: datetime | None) -> None:
    if at is not None:
        older = Q(last_event_at__isnull=True) | Q(last_event_at__lt=at)
        Instance.objects.filter(older, pk=instance_id).update(last_event_at=at)
