"""Which fields have one of a known set of values. What VZaps says in words of its own is not among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple

from rest_framework.serializers import BaseSerializer

from django_vzaps.api.serializers.accounts import AccountSerializer
from django_vzaps.api.serializers.alerts import AlertSerializer
from django_vzaps.api.serializers.batches import BatchItemSerializer, BatchSerializer, StartBatchSerializer
from django_vzaps.api.serializers.changes import ChangeSerializer
from django_vzaps.api.serializers.events import (
    EventSerializer,
    HandlerRunSerializer,
    ReplayReportSerializer,
    ReplaySerializer,
)
from django_vzaps.api.serializers.health import HealthSerializer, LimitsSerializer
from django_vzaps.api.serializers.instances import (
    ApplyWebhookSerializer,
    ConnectionSerializer,
    CreateInstanceSerializer,
    SubscriptionSerializer,
    WebhookSerializer,
)
from django_vzaps.api.serializers.operations import DecisionSerializer, OperationSerializer
from django_vzaps.api.serializers.pairing import PairingSerializer
from django_vzaps.events.replay import Skipped
from django_vzaps.models import (
    AlertKind,
    BatchItemState,
    BatchKind,
    ChangedField,
    ConnectionSource,
    ConnectionState,
    EventSource,
    EventState,
    HandlerRunState,
    OperationKind,
    OperationOutcome,
    OperationPhase,
    PairingPhase,
    SubscriptionState,
    WebhookHealth,
)
from django_vzaps.services.webhooks import EVENT_TYPES


class Closed(NamedTuple):
    """A component of its own, so that a program has one type for all fields of the set."""

    name: str
    values: Sequence[str]


def _of(values: type[Enum]) -> Closed:
    return Closed(values.__name__, [str(member.value) for member in values])


_EVENT_TYPE: Final = Closed("EventType", EVENT_TYPES)
_BATCH_KIND: Final = _of(BatchKind)
_SOURCE: Final = _of(ConnectionSource)
_PHASE: Final = _of(OperationPhase)
_LIMIT: Final = Closed("Limit", tuple(LimitsSerializer().fields))

#: By serializer and field; of a list, what its items are.
CLOSED: Final[Mapping[type[BaseSerializer[Any]], Mapping[str, Closed]]] = {
    AccountSerializer: {"credentials": Closed("CredentialsPlace", ("stored", "settings", "none"))},
    AlertSerializer: {"kind": _of(AlertKind)},
    ApplyWebhookSerializer: {"events": _EVENT_TYPE},
    BatchItemSerializer: {"state": _of(BatchItemState)},
    BatchSerializer: {"kind": _BATCH_KIND},
    ChangeSerializer: {"field": _of(ChangedField), "source": _SOURCE},
    ConnectionSerializer: {"state": _of(ConnectionState), "source": _SOURCE},
    CreateInstanceSerializer: {"events": _EVENT_TYPE},
    DecisionSerializer: {"phase": _PHASE},
    EventSerializer: {"state": _of(EventState), "source": _of(EventSource)},
    HandlerRunSerializer: {"state": _of(HandlerRunState)},
    HealthSerializer: {"status": Closed("HealthStatus", ("ok", "failing")), "failing": _LIMIT},
    OperationSerializer: {"kind": _of(OperationKind), "outcome": _of(OperationOutcome), "phase": _PHASE},
    PairingSerializer: {"phase": _of(PairingPhase)},
    ReplayReportSerializer: {"left_out_because": Closed("NotReplayed", [reason.value for reason in Skipped])},
    ReplaySerializer: {"what": Closed("Replayed", ("failed", "interrupted", "again"))},
    StartBatchSerializer: {"kind": _BATCH_KIND, "events": _EVENT_TYPE},
    SubscriptionSerializer: {"state": _of(SubscriptionState)},
    WebhookSerializer: {"health": _of(WebhookHealth), "drift": Closed("WebhookDrift", ("url", "events"))},
}

#: The keys of what counts by state.
COUNTED: Final[Mapping[str, Sequence[str]]] = {
    "connections": ConnectionState.values,
    "open_alerts": AlertKind.values,
    "subscriptions": SubscriptionState.values,
    "webhooks": WebhookHealth.values,
}


def set_of(serializer: object, field: str) -> Closed | None:
    """The set of a field's values, where it is known."""
    for shape in type(serializer).__mro__:
        if (found := CLOSED.get(shape, {}).get(field)) is not None:
            return found
    return None
