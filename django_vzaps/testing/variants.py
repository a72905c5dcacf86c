"""The ways in which VZaps' documentation disagrees with itself, each one a switch (API.md section 17)."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Literal

WebhookBody = Literal["bare", "json_data", "json_data_text"]


@dataclass(slots=True, kw_only=True)
class Variants:
    """How the fake spells its answers. The defaults are the documented forms; a wrong name is an error at once."""

    camel_case_tokens: bool = False
    """``accessToken`` and ``expiresIn`` (API.md 17.1)."""
    envelope: Literal["documented", "always", "never"] = "documented"
    """Wrap every JSON answer in ``{code, success, data}``, or none of them (API.md 17.24)."""
    billing_key: Literal["billing_status", "status", "both"] = "billing_status"
    """Where an instance shows its billing state (API.md 17.9)."""
    echo_webhook: bool = True
    """Whether create, list, get and update show the webhook's URL."""
    event_list: Literal["string", "array"] = "string"
    """How an instance shows ``events_subscribe`` (API.md 17.8)."""
    omit_from_list: Set[str] = frozenset()
    """Keys left out of a list, such as ``total`` or ``summary`` (API.md 3.4), and of the delivery log (5.3)."""
    max_page_size: int | None = None
    """A page size above this is lowered without a word."""
    created_status: int = 200
    """HTTP status of a create; 201 is as likely (API.md 3.1)."""
    checkout: bool = False
    """Subscribe answers with a hosted checkout although a card is on file."""
    immediate_cancel: bool = False
    """Cancel takes effect at once and not at the period's end (API.md 3.11)."""
    qr_key: Literal["qr_code", "QRCode"] = "qr_code"
    """API.md 17.12."""
    qr_data_url: bool = True
    """Without it, the QR code's value lacks its ``data:`` prefix (API.md 4.2)."""
    pair_code_key: Literal["LinkingCode", "linking_code"] = "LinkingCode"
    """API.md 17.11."""
    session_profile: bool = True
    """Without it, session status says ``connected`` and nothing else (API.md 17.13)."""
    webhook_body: WebhookBody = "bare"
    """Webhook bodies as documented, or wrapped in ``json_data`` as an object or as text (API.md 6.1)."""
    event_casing: Literal["snake", "whatsapp"] = "snake"
    """Event payloads in snake_case or in WhatsApp's own casing (API.md 17.18)."""
