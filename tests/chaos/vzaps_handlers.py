"""Two handlers that write down what they did, and stay inside where the text of a message says so."""

from __future__ import annotations

import os
import time
from pathlib import Path

from django_vzaps.events import MessageEvent, on
from tests.chaos.models import Effect

FOLDER = Path(os.environ["CHAOS_FOLDER"])


@on("Message")
def keep(event: MessageEvent) -> None:
    """In a transaction."""
    _act("keep", event)


@on("Message", atomic=False)
def send(event: MessageEvent) -> None:
    """As one that reaches outside: what it did is there at once."""
    _linger("before send", event)
    _act("send", event)


def _act(name: str, event: MessageEvent) -> None:
    Effect.objects.create(handler=name, instance_id=event.instance.pk, message_id=event.message_id)
    _linger(f"after {name}", event)


def _linger(where: str, event: MessageEvent) -> None:
    """Tell the test that a handler is here, and wait to be killed. Whoever comes here next goes on."""
    if event.text != where:
        return
    try:
        (FOLDER / where).touch(exist_ok=False)
    except FileExistsError:
        return
    time.sleep(60)
