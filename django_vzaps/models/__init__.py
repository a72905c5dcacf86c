"""The nouns: what this project knows of its VZaps accounts and instances, and what it did and received."""

from __future__ import annotations

from django_vzaps.models.account import Account
from django_vzaps.models.alert import Alert, AlertKind
from django_vzaps.models.batch import Batch, BatchItem, BatchItemState, BatchKind
from django_vzaps.models.event import Event, EventSource, EventState
from django_vzaps.models.event_queue import EventQueue, Lane
from django_vzaps.models.handler_run import HandlerRun, HandlerRunState
from django_vzaps.models.healing import FailedDelivery, HealingOutcome, HealingRun
from django_vzaps.models.instance import ConnectionSource, ConnectionState, Instance, ReportedState
from django_vzaps.models.instance_change import ChangedField, InstanceChange
from django_vzaps.models.operation import BILLING_KINDS, Operation, OperationKind, OperationOutcome
from django_vzaps.models.operation_phase import OperationPhase, phase_of
from django_vzaps.models.pairing import Pairing, PairingPhase
from django_vzaps.models.subscription import Subscription, SubscriptionState
from django_vzaps.models.webhook import Webhook, WebhookHealth

__all__ = [
    "BILLING_KINDS",
    "Account",
    "Alert",
    "AlertKind",
    "Batch",
    "BatchItem",
    "BatchItemState",
    "BatchKind",
    "ChangedField",
    "ConnectionSource",
    "ConnectionState",
    "Event",
    "EventQueue",
    "EventSource",
    "EventState",
    "FailedDelivery",
    "HandlerRun",
    "HandlerRunState",
    "HealingOutcome",
    "HealingRun",
    "Instance",
    "InstanceChange",
    "Lane",
    "Operation",
    "OperationKind",
    "OperationOutcome",
    "OperationPhase",
    "Pairing",
    "PairingPhase",
    "ReportedState",
    "Subscription",
    "SubscriptionState",
    "Webhook",
    "WebhookHealth",
    "phase_of",
]
