"""The webhook of an instance, and VZaps' log of its deliveries (API.md section 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...secret import Secret
from ..answers import Acknowledgement, WebhookLog, WebhookLogPage, WebhookSettings
from ..transport import Path, Transport
from .arguments import event_names, merged


class Webhooks:
    """``client.webhooks``. A token argument takes text or a :class:`Secret`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, instance_id: str, *, instance_token: Secret | str | None = None) -> WebhookSettings:
        """Where VZaps sends events, and which (API.md section 5.1)."""
        path = Path.of("/instances/{instance_id}/webhook", instance_id=instance_id)
        return self._transport.call("GET", path, WebhookSettings.of, instance_token=instance_token, read=True)

    def set(
        self,
        request: Mapping[str, Any] | None = None,
        *,
        instance_id: str | None = None,
        instance_token: Secret | str | None = None,
        webhook_url: Secret | str | None = None,
        events: Sequence[str] | str | None = None,
    ) -> WebhookSettings:
        """Send events to ``webhook_url`` (API.md section 5.2). Without ``events`` the list of events stays as it is.

        The documented answer may show another URL than the one sent: read it back with :meth:`get`.
        """
        asked = merged(
            request, instance_id=instance_id, instance_token=instance_token, webhook_url=webhook_url, events=events
        )
        if not asked.get("webhook_url"):
            raise ValueError("webhook_url is required.")
        body = {"webhookURL": asked["webhook_url"]}
        if "events" in asked:
            body["events"] = ",".join(event_names(asked["events"]))
        return self._transport.call(
            "POST",
            Path.of("/instances/{instance_id}/webhook", instance_id=asked.get("instance_id", "")),
            WebhookSettings.of_change,
            body=body,
            instance_token=asked.get("instance_token"),
        )

    def search_logs(
        self,
        request: Mapping[str, Any] | None = None,
        *,
        instance_id: str | None = None,
        instance_token: Secret | str | None = None,
        status: str | None = None,
        **filters: Any,
    ) -> WebhookLogPage:
        """Deliveries that VZaps recorded, of one ``status`` (``failed`` is documented; API.md section 5.3)."""
        asked = merged(request, instance_id=instance_id, instance_token=instance_token, status=status, **filters)
        instance_id, instance_token = asked.pop("instance_id", ""), asked.pop("instance_token", None)
        return self._transport.call(
            "POST",
            Path.of("/instances/{instance_id}/webhook/logs/search", instance_id=instance_id or ""),
            WebhookLogPage.of,
            body=asked,
            instance_token=instance_token,
            read=True,
        )

    def get_log(
        self,
        request: Mapping[str, Any] | None = None,
        *,
        instance_id: str | None = None,
        log_id: str | None = None,
        instance_token: Secret | str | None = None,
    ) -> WebhookLog:
        """One recorded delivery with its payload (API.md section 5.3)."""
        asked = merged(request, instance_id=instance_id, log_id=log_id, instance_token=instance_token)
        path = _log_path("/instances/{instance_id}/webhook/logs/{log_id}", asked)
        return self._transport.call("GET", path, WebhookLog.of, instance_token=asked.get("instance_token"), read=True)

    def retry_log(
        self,
        request: Mapping[str, Any] | None = None,
        *,
        instance_id: str | None = None,
        log_id: str | None = None,
        instance_token: Secret | str | None = None,
    ) -> Acknowledgement:
        """Have VZaps deliver once more (API.md section 5.3)."""
        asked = merged(request, instance_id=instance_id, log_id=log_id, instance_token=instance_token)
        path = _log_path("/instances/{instance_id}/webhook/logs/{log_id}/retry", asked)
        return self._transport.call("POST", path, Acknowledgement.of, instance_token=asked.get("instance_token"))


def _log_path(route: str, asked: Mapping[str, Any]) -> Path:
    return Path.of(route, instance_id=asked.get("instance_id", ""), log_id=asked.get("log_id", ""))
