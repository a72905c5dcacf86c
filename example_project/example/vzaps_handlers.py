"""What this project does when WhatsApp events arrive. Found by its name; runs in the Celery worker."""

from __future__ import annotations

import logging

from django_vzaps.events import InboundEvent, MessageEvent, on

logger = logging.getLogger(__name__)


# It reaches outside, so it runs in no transaction: atomic=False.
@on("Message", atomic=False)
def answer_ping(event: MessageEvent) -> None:
    """Answer "ping" with "pong"."""
    if event.is_from_me or event.text.strip().lower() != "ping":
        return
    event.reply("pong")
    logger.info("%s answered a ping", event.instance)


@on("Connected", "Disconnected")
def log_connection(event: InboundEvent) -> None:
    """Say when a number comes and goes."""
    logger.info("%s: %s", event.instance, event.type)
