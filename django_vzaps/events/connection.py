"""What Connected and Disconnected do by themselves.

They are evidence: an instance's connection facts follow them at once, and shortly after VZaps is asked whether they
are true. A burst of them is one question.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from django_vzaps import broker, services
from django_vzaps.events.inbound import ConnectedEvent, InboundEvent
from django_vzaps.models import Account, ConnectionSource, EventSource, Instance

TASK: Final = "django_vzaps.confirm_connection"

#: How long to wait for more events of a burst before VZaps is asked.
DEBOUNCE: Final = timedelta(seconds=3)
#: Questions for one sweep, so that it stays short.
_MOST_AT_ONCE: Final = 100


def note_connection(event: InboundEvent) -> None:
    """Take the event as evidence, as old as its arrival: its payload is not documented (API.md section 7.5).

    What was taken from VZaps' delivery log happened at an unknown time before: only a reason to ask.
    """
    if event.record.source != EventSource.DELIVERY_LOG:
        services.connection.record(
            event.instance.pk,
            connected=isinstance(event, ConnectedEvent),
            source=ConnectionSource.WEBHOOK,
            asked_at=event.received_at,
        )
    doubt(event.instance.pk)


def doubt(instance_id: int) -> None:
    """Have VZaps asked about the connection after :data:`DEBOUNCE`, unless that is to happen sooner anyway."""
    due = timezone.now() + DEBOUNCE
    later = Q(confirm_connection_at__isnull=True) | Q(confirm_connection_at__gt=due)
    if Instance.objects.present().filter(later, pk=instance_id).update(confirm_connection_at=due):
        transaction.on_commit(lambda: _send(instance_id, seconds=DEBOUNCE.total_seconds()))


def settle_doubts() -> int:
    """Ask about what is due and was not asked, oldest first, and return how many; at most a hundred at a time.

    Of an account for which VZaps failed lately at most one, and none while it is left alone.
    """
    now = timezone.now()
    due = Instance.objects.present().filter(confirm_connection_at__lte=now, account__is_active=True)
    due = due.order_by("confirm_connection_at")
    # About those that are too silent the probes ask: of them there is a budget.
    due = due.exclude(silent_since__isnull=False, silent_since=F("last_event_at"))
    pks = list(due.filter(account__paused_until__isnull=True).values_list("pk", flat=True)[:_MOST_AT_ONCE])
    for account in Account.objects.filter(paused_until__lte=now):
        pks += due.filter(account=account).values_list("pk", flat=True)[:1]
    for pk in pks:
        if broker.is_inline():
            confirm(pk)
        else:
            _send(pk, seconds=0)
    return len(pks)


def confirm(instance_id: int) -> bool:
    """Ask VZaps for the session's state (API.md section 4.1) where it is in doubt; False where it did not say.

    Where VZaps cannot be asked the doubt stays until a later sweep, and while it is left alone, until that ends.
    """
    asked_about = Instance.objects.present().filter(account__is_active=True).select_related("account")
    instance = asked_about.filter(pk=instance_id).first()
    now = timezone.now()
    if instance is None or instance.confirm_connection_at is None or instance.confirm_connection_at > now + DEBOUNCE:
        return False
    account = instance.account
    if not services.circuit.may_ask(account):
        waiting = Instance.objects.filter(pk=instance_id, confirm_connection_at=instance.confirm_connection_at)
        waiting.update(confirm_connection_at=account.paused_until or now)
        return False
    return services.probes.take(instance) and not services.probes.ask(instance)


def _send(instance_id: int, *, seconds: float) -> None:
    if not broker.is_inline():
        broker.send(TASK, instance_id, countdown=seconds)
