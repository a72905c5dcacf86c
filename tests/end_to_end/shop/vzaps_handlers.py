"""What the site that browser tests look at does with messages: orders fail until the shop is mended."""

from __future__ import annotations

import os
from pathlib import Path

from django_vzaps.events import on
from django_vzaps.events.inbound import MessageEvent


@on("Message")
def take_order(event: MessageEvent) -> None:
    if event.text.startswith("order") and not Path(os.environ["BROWSER_DATABASE"]).with_name("mended").exists():
        raise LookupError("The shop's stock cannot be read")
