"""The API's resources, one module each, with the calls of the vendor's SDK."""

from __future__ import annotations

from .auth import Auth
from .instances import Instances
from .messages import Messages
from .sessions import Sessions
from .webhooks import Webhooks

__all__ = ["Auth", "Instances", "Messages", "Sessions", "Webhooks"]
