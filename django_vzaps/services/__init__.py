"""Everything that can be done with VZaps: one remote call and its local consequence each.

Changes take ``actor`` (a user, or None for the system) and return their :class:`~django_vzaps.models.Operation`.
"""

from __future__ import annotations

from django_vzaps.client import VZapsError
from django_vzaps.services import (
    accounts,
    alerts,
    batches,
    circuit,
    connection,
    deliveries,
    endings,
    health,
    instances,
    messages,
    operations,
    pairing,
    probes,
    self_test,
    sessions,
    silence,
    subscriptions,
    sync,
    webhooks,
)
from django_vzaps.services.clients import client_for
from django_vzaps.services.errors import (
    AccountInUse,
    AlreadySubscribed,
    ChangeFailed,
    ForeignWebhook,
    IdempotencyKeyReused,
    NotConfigured,
    OperationInProgress,
    OutcomeUnknown,
    ReadFailed,
    ReadOnly,
    ServiceError,
    SubscriptionIsActive,
    SyncRunning,
)

__all__ = [
    "AccountInUse",
    "AlreadySubscribed",
    "ChangeFailed",
    "ForeignWebhook",
    "IdempotencyKeyReused",
    "NotConfigured",
    "OperationInProgress",
    "OutcomeUnknown",
    "ReadFailed",
    "ReadOnly",
    "ServiceError",
    "SubscriptionIsActive",
    "SyncRunning",
    "VZapsError",
    "accounts",
    "alerts",
    "batches",
    "circuit",
    "client_for",
    "connection",
    "deliveries",
    "endings",
    "health",
    "instances",
    "messages",
    "operations",
    "pairing",
    "probes",
    "self_test",
    "sessions",
    "silence",
    "subscriptions",
    "sync",
    "webhooks",
]
