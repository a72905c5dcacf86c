"""A client for the VZaps API that knows nothing of Django.

from django_vzaps.client import VZapsClient

client = VZapsClient(client_token="...", client_secret="...")
for instance in client.instances.iterate():
    print(instance.name, instance.billing_status)
"""

from __future__ import annotations

from ..exceptions import VZapsError
from ..secret import Secret
from .answers import (
    Acknowledgement,
    ActionResult,
    BillingSession,
    BusinessCategory,
    BusinessProfile,
    Instance,
    InstancePage,
    PairCode,
    QRCode,
    SentMessage,
    SessionStatus,
    WebhookLog,
    WebhookLogPage,
    WebhookSettings,
)
from .client import VZapsClient
from .errors import (
    VZapsAnswerError,
    VZapsAPIError,
    VZapsAuthenticationError,
    VZapsCallError,
    VZapsConnectionError,
    VZapsNotFoundError,
    VZapsPermissionError,
    VZapsRateLimitError,
    VZapsServerError,
    VZapsTimeoutError,
    VZapsTransportError,
    VZapsValidationError,
)
from .tokens import TokenCache

__all__ = [
    "Acknowledgement",
    "ActionResult",
    "BillingSession",
    "BusinessCategory",
    "BusinessProfile",
    "Instance",
    "InstancePage",
    "PairCode",
    "QRCode",
    "Secret",
    "SentMessage",
    "SessionStatus",
    "TokenCache",
    "VZapsAPIError",
    "VZapsAnswerError",
    "VZapsAuthenticationError",
    "VZapsCallError",
    "VZapsClient",
    "VZapsConnectionError",
    "VZapsError",
    "VZapsNotFoundError",
    "VZapsPermissionError",
    "VZapsRateLimitError",
    "VZapsServerError",
    "VZapsTimeoutError",
    "VZapsTransportError",
    "VZapsValidationError",
    "WebhookLog",
    "WebhookLogPage",
    "WebhookSettings",
]
