"""What VZaps answers, as frozen dataclasses.

Every spelling of API.md section 17 is read. A value that VZaps did not send is None. ``raw`` holds the whole answer,
unknown fields too, with tokens, codes and webhook URLs masked. Times are aware and in UTC.
"""

from __future__ import annotations

from .instances import Acknowledgement, ActionResult, BillingSession, Instance, InstancePage
from .messages import SentMessage
from .sessions import BusinessCategory, BusinessProfile, PairCode, QRCode, SessionStatus
from .webhooks import WebhookLog, WebhookLogPage, WebhookSettings

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
    "SentMessage",
    "SessionStatus",
    "WebhookLog",
    "WebhookLogPage",
    "WebhookSettings",
]
