"""Sent messages (API.md section 9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ..errors import VZapsAnswerError
from ..fields import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """A message that VZaps accepted. Accepted is not delivered: that is told by a ``ReadReceipt`` event."""

    message_id: str
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, answer: Any) -> Self:
        """Raises VZapsAnswerError when no message id came: such a message may or may not be on its way."""
        fields = Fields.of(answer, "a sent message")
        message_id = fields.text("message_id")
        if message_id is None:
            raise VZapsAnswerError("VZaps accepted the message but sent no message id.")
        return cls(message_id=message_id, raw=fields.raw)
