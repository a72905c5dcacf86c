"""The WhatsApp session of an instance (API.md section 4)."""

from __future__ import annotations

from ...secret import Secret
from ..answers import ActionResult, PairCode, QRCode, SessionStatus
from ..transport import Path, Transport


class Sessions:
    """``client.sessions``. A token argument takes text or a :class:`Secret`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def status(self, instance_id: str, *, instance_token: Secret | str | None = None) -> SessionStatus:
        """Whether the instance is connected to WhatsApp, and as whom (API.md section 4.1)."""
        path = Path.of("/instances/{instance_id}/session/status", instance_id=instance_id)
        return self._transport.call("GET", path, SessionStatus.of, instance_token=instance_token, read=True)

    def qr(self, instance_id: str, *, instance_token: Secret | str | None = None) -> QRCode:
        """The QR code to scan (API.md section 4.2). Starts the pairing worker: ask only while somebody is looking."""
        path = Path.of("/instances/{instance_id}/session/qr", instance_id=instance_id)
        return self._transport.call("GET", path, QRCode.of, instance_token=instance_token, read=True)

    def pair_code(self, instance_id: str, phone: str, *, instance_token: Secret | str | None = None) -> PairCode:
        """A code to type on the phone with this number: international, digits only (API.md section 4.3)."""
        path = Path.of("/instances/{instance_id}/session/paircode/{phone}", instance_id=instance_id, phone=phone)
        return self._transport.call("GET", path, PairCode.of, instance_token=instance_token, read=True)

    def disconnect(self, instance_id: str, *, instance_token: Secret | str | None = None) -> ActionResult:
        """Disconnect from WhatsApp (API.md section 4.4). Whether this unlinks the phone is not documented."""
        return self._transport.call(
            "POST",
            Path.of("/instances/{instance_id}/session/disconnect", instance_id=instance_id),
            lambda answer: ActionResult.of(answer, instance_id=instance_id),
            instance_token=instance_token,
        )
