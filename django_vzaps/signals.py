"""Signals, each sent after the transaction that made it true was committed.

Every signal is sent with ``sender`` the model class. A receiver that raises is logged and disturbs nobody.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.dispatch import Signal

instance_created = Signal()
"""``instance``: an instance is new in the mirror, made here or found by a sync."""
instance_updated = Signal()
"""``instance``, ``changes``: ``{field: (old, new)}``."""
instance_connected = Signal()
"""``instance``, ``source``: ``api``, ``webhook`` or ``realtime``."""
instance_disconnected = Signal()
"""``instance``, ``source``."""
instance_removed = Signal()
"""``instance``: it is gone on VZaps; the local row stays."""
subscription_changed = Signal()
"""``instance``, ``subscription``, ``old``, ``new``: normalised states."""
subscription_ending = Signal()
"""``instance``, ``subscription``, ``ends_at``, ``days``: its end is at most 7, 3 or 1 days away. Once for each."""
subscription_past_due = Signal()
"""``instance``, ``subscription``: VZaps calls it past due or unpaid, and did not before."""
alert_raised = Signal()
"""``alert``: a person should know of something. Once while its reason holds."""
alert_resolved = Signal()
"""``alert``: its reason is gone."""
event_received = Signal()
"""``instance``, ``event`` (typed; its row is ``event.record``): an event is about to be handled. Once each."""


def send_on_commit(signal: Signal, *, sender: type, **kwargs: Any) -> None:
    """Send once the current transaction is committed; at once where there is none."""
    transaction.on_commit(lambda: signal.send_robust(sender=sender, **kwargs))
