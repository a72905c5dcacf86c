"""QR codes as WhatsApp shows them while it waits to be paired."""

from __future__ import annotations

import base64
import io
import random
from functools import lru_cache

import segno

FIRST_SECONDS = 60
NEXT_SECONDS = 20
CODES_PER_ATTEMPT = 6
ATTEMPT_SECONDS = FIRST_SECONDS + (CODES_PER_ATTEMPT - 1) * NEXT_SECONDS


def code_number(elapsed: float) -> int | None:
    """Which code of an attempt shows after ``elapsed`` seconds (0 to 5); None once the attempt is over."""
    if elapsed >= ATTEMPT_SECONDS:
        return None
    return 0 if elapsed < FIRST_SECONDS else 1 + int((elapsed - FIRST_SECONDS) // NEXT_SECONDS)


def qr_text(seed: str) -> str:
    """What the code says: a reference and three keys, in the form that WhatsApp's own codes have."""
    source = random.Random(seed)  # noqa: S311 - nothing is protected by it
    keys = [base64.b64encode(source.randbytes(size)).decode() for size in (66, 32, 32, 32)]
    return "2@" + ",".join(keys) + ",1"


@lru_cache(maxsize=64)
def png_data_url(text: str) -> str:
    """A PNG that a camera can read, as a data URL (API.md section 4.2)."""
    buffer = io.BytesIO()
    segno.make(text, error="l", micro=False).save(buffer, kind="png", scale=6, border=4)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
