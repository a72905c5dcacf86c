"""The example site, for a program that asks as fast as it can."""

from __future__ import annotations

from typing import Any

import example.settings
from example.settings import *  # noqa: F403

# Throttles are tested elsewhere: here every answer would be theirs.
REST_FRAMEWORK: dict[str, Any] = {  # type: ignore[no-redef]
    **example.settings.REST_FRAMEWORK,
    "DEFAULT_THROTTLE_RATES": {"vzaps_pairing": None, "vzaps_billing": None},
}
