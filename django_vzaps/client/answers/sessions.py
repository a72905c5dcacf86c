"""The WhatsApp session of an instance: its state, and the two ways to pair it (API.md section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ...secret import Secret
from ..errors import VZapsAnswerError
from ..fields import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessCategory:
    """A line of business that WhatsApp knows."""

    id: str | None
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessProfile:
    """The business side of a WhatsApp profile (API.md section 4.1). The options' values are texts, "true" too."""

    business_hours_timezone: str | None
    categories: tuple[BusinessCategory, ...]
    profile_options: Mapping[str, Any]
    address: str | None
    email: str | None

    @classmethod
    def of(cls, profile: Mapping[str, Any]) -> Self:
        fields = Fields(profile)
        categories = fields.value("categories")
        rows = [Fields(row) for row in categories if isinstance(row, Mapping)] if isinstance(categories, list) else []
        return cls(
            business_hours_timezone=fields.text("business_hours_timezone"),
            categories=tuple(BusinessCategory(id=row.text("id"), name=row.text("name")) for row in rows),
            profile_options=fields.mapping("profile_options") or {},
            address=fields.text("address"),
            email=fields.text("email"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatus:
    """Whether the instance is connected to WhatsApp, and as whom (API.md section 4.1); only the first is certain."""

    connected: bool
    phone: str | None
    whatsapp_jid: str | None
    push_name: str | None
    business_name: str | None
    business_profile: BusinessProfile | None
    profile_picture_id: str | None
    profile_picture_url: str | None
    profile_url: str | None
    verified_name: str | None
    about: str | None
    website: str | None
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, answer: Any) -> Self:
        """Raises VZapsAnswerError when the answer does not say whether it is connected: silence is not "no"."""
        fields = Fields.of(answer, "the state of a session")
        connected = fields.boolean("connected")
        if connected is None:
            raise VZapsAnswerError("VZaps did not say whether the session is connected.")
        profile = fields.mapping("business_profile")
        return cls(
            connected=connected,
            phone=fields.text("phone"),
            whatsapp_jid=fields.text("whatsapp_jid"),
            push_name=fields.text("push_name"),
            business_name=fields.text("business_name"),
            business_profile=BusinessProfile.of(profile) if profile else None,
            profile_picture_id=fields.text("profile_picture_id"),
            profile_picture_url=fields.text("profile_picture_url"),
            profile_url=fields.text("profile_url"),
            verified_name=fields.text("verified_name"),
            about=fields.text("about"),
            website=fields.text("website"),
            raw=fields.raw,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QRCode:
    """A QR code to scan, or the news that none is needed (API.md section 4.2).

    ``qr_code`` is a PNG data URL. Whoever scans it takes the instance over, so it is a secret.
    """

    qr_code: Secret | None
    status: str | None
    phone: str | None
    pairing_status: str | None
    error: str | None
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def paired(self) -> bool:
        """True when a phone is paired: no code came, and a phone or the word "connected" did."""
        if self.qr_code or self.error:
            return False
        return bool(self.phone) or "connected" in {(self.status or "").lower(), (self.pairing_status or "").lower()}

    @classmethod
    def of(cls, answer: Any) -> Self:
        fields = Fields.of(answer, "a QR code")
        code = fields.text("qr_code")
        if code and not code.startswith("data:"):
            code = f"data:image/png;base64,{code}"
        return cls(
            qr_code=Secret(code) if code else None,
            status=fields.text("status"),
            phone=fields.text("phone"),
            pairing_status=fields.text("pairing_status"),
            error=fields.text("error"),
            raw=fields.raw,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCode:
    """A code to type on the phone (API.md section 4.3). Whoever types it takes the instance over."""

    code: Secret
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, answer: Any) -> Self:
        """Raises VZapsAnswerError when the answer holds no code."""
        fields = Fields.of(answer, "a pairing code")
        code = fields.text("linking_code")
        if code is None:
            raise VZapsAnswerError("VZaps sent no pairing code.")
        return cls(code=Secret(code), raw=fields.raw)
