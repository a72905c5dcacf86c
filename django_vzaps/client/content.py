"""What stands in the body of an answer, decoded once for all who look into it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Content:
    """A decoded body; hidden, because it holds tokens, and error pages show what is in a frame."""

    value: Any = field(repr=False)
    """Its JSON; the text where it is none, and None where there is nothing."""
    flaw: str = ""
    """What keeps it from being read as JSON, as the end of a sentence about the answer."""

    @classmethod
    def of(cls, body: bytes) -> Self:
        try:
            return cls(json.loads(body) if body.strip() else None)
        except RecursionError:
            flaw = "is nested too deeply"
        except ValueError:
            flaw = "is not JSON"
        return cls(body.decode("utf-8", "replace"), flaw)
