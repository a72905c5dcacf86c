"""What is done every minute: find what was left undone."""

from __future__ import annotations

from dataclasses import dataclass

from django_vzaps import broker
from django_vzaps.events import connection
from django_vzaps.events.dispatch import wake
from django_vzaps.models import Event
from django_vzaps.services import batches, operations, pairing


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepReport:
    """What a sweep did: queues woken, queues that could not be, connections to ask about, operations given up,
    batches woken.
    """

    woken: int
    unreachable: int
    doubted: int
    overdue: int
    batches: int


def sweep() -> SweepReport:
    """Wake the queues that have due events and the batches that nobody carries out, have doubts about connections
    settled, mark overdue operations unknown.

    QR codes that nobody looks at any more are forgotten. Safe to run at any time and twice at once.
    """
    # What waits for a sweep has waited long enough: a broker that was down a moment ago is tried once more.
    broker.breaker.note(worked=True)
    pairing.erase_ended()
    waiting = Event.objects.queues_due()
    woken = sum(wake(instance_id, lane) for instance_id, lane in waiting)
    return SweepReport(
        woken=woken,
        unreachable=len(waiting) - woken,
        doubted=connection.settle_doubts(),
        overdue=operations.mark_overdue(),
        # Last: where tasks are inline, all that is left of them is done here and now.
        batches=batches.wake_unattended(),
    )
