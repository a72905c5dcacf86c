"""What the fake remembers: accounts, instances, messages, charges and calls."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

from django_vzaps.testing.variants import WebhookBody

EVENT_NAMES = (
    "All",
    "Connected",
    "Disconnected",
    "Message",
    "ReadReceipt",
    "Presence",
    "HistorySync",
    "ChatPresence",
    "GroupParticipantsAdd",
    "GroupParticipantsRemove",
)
"""The names a webhook can subscribe to (API.md section 7.2)."""

LOGS_KEPT = 10_000
"""Deliveries kept per instance; the oldest are forgotten first."""


@dataclass(eq=False, slots=True, kw_only=True)
class FakeAccount:
    """A VZaps account. Whether it has a card decides how subscribe goes."""

    client_token: str
    client_secret: str = field(repr=False)
    card_on_file: bool = True


@dataclass(slots=True, kw_only=True)
class Billing:
    """The commercial state of an instance. Times are seconds since 1970."""

    status: str
    trial_end: float | None = None
    period_end: float | None = None
    cancel_at: float | None = None
    expired_at: float | None = None
    subscription_id: str | None = None
    mode: str | None = None


@dataclass(slots=True, kw_only=True)
class ChatMessage:
    """A message between an instance and a phone. ``from_instance`` says who wrote it; ``chat`` is the other side."""

    id: str
    chat: str
    text: str
    sent_at: float
    from_instance: bool
    kind: str = "text"
    body: dict[str, Any] = field(default_factory=dict)
    state: Literal["sent", "delivered", "read"] = "sent"


@dataclass(slots=True, kw_only=True)
class LogEntry:
    """One webhook delivery as the delivery log keeps it (API.md section 5.3: the field names are undocumented)."""

    id: str
    instance_id: str
    event_type: str
    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    payload: Any = field(repr=False)
    created_at: float
    status: Literal["pending", "delivered", "failed"] = "pending"
    attempts: int = 0
    response_code: int | None = None
    error: str = ""
    message: ChatMessage | None = None


@dataclass(eq=False, slots=True, kw_only=True)
class FakeInstance:
    """An instance. ``phone`` is set while it is paired; ``connected`` while its session is up."""

    id: str
    account: FakeAccount
    name: str
    token: str = field(repr=False)
    created_at: float
    updated_at: float
    billing: Billing
    number: int = 0
    webhook: str = field(default="", repr=False)
    events: list[str] = field(default_factory=list)
    reject_calls: bool = False
    auto_read_messages: bool = False
    labels: dict[str, Any] = field(default_factory=dict)
    connected: bool = False
    connected_at: float | None = None
    phone: str = ""
    push_name: str = ""
    pairing_since: float | None = None
    pairing_attempts: int = 0
    webhook_body: WebhookBody | None = None
    conversation: list[ChatMessage] = field(default_factory=list, repr=False)
    logs: deque[LogEntry] = field(default_factory=lambda: deque(maxlen=LOGS_KEPT), repr=False)
    shown_billing: Billing | None = field(default=None, repr=False)
    stale_reads: int = field(default=0, repr=False)

    @property
    def billing_status(self) -> str:
        """The raw billing state, such as ``TRIALING``."""
        return self.billing.status

    @property
    def whatsapp_jid(self) -> str:
        """The paired number's address on WhatsApp; empty while not paired."""
        return f"{self.phone}@s.whatsapp.net" if self.phone else ""

    def wants(self, event_type: str) -> bool:
        """Whether an event of this type goes to the webhook."""
        return bool(self.webhook) and (event_type in self.events or "All" in self.events)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A card was charged: by a subscribe, by a paid checkout, or by a renewal."""

    instance_id: str
    reason: Literal["subscribe", "checkout", "renewal"]
    at: float


@dataclass(slots=True, kw_only=True)
class Checkout:
    """A hosted payment page, open until somebody pays."""

    session_id: str
    instance_id: str
    url: str
    paid: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that reached the service. ``status`` is None where the answer was dropped.

    ``carried_out`` says whether the service did what was asked, whatever the caller was told. ``body`` is None for
    a request without a JSON object, and for ``/token``, whose body is a secret.
    """

    method: str
    path: str
    route: str
    instance_id: str
    status: int | None
    carried_out: bool
    body: dict[str, Any] | None = field(repr=False)
    request_id: str
    at: float
