"""Sending messages (API.md section 9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...secret import Secret
from ..answers import SentMessage
from ..transport import Path, Transport
from .arguments import merged


class Messages:
    """``client.messages``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def send_text(
        self,
        request: Mapping[str, Any] | None = None,
        *,
        instance_id: str | None = None,
        instance_token: Secret | str | None = None,
        phone: str | None = None,
        message: str | None = None,
        **more: Any,
    ) -> SentMessage:
        """Send a text to ``phone``: international, digits only, or a group's id. Never repeated by itself.

        ``more``: the fields of API.md section 9.1, for example ``id`` or ``reply_to_message_id``.
        """
        body = merged(
            request, instance_id=instance_id, instance_token=instance_token, phone=phone, message=message, **more
        )
        path = Path.of("/instances/{instance_id}/chat/send/text", instance_id=body.pop("instance_id", ""))
        token = body.pop("instance_token", None)
        for name in ("phone", "message"):
            if not body.get(name):
                raise ValueError(f"{name} is required.")
        return self._transport.call("POST", path, SentMessage.of, body=body, instance_token=token, fresh=True)
