"""Pages for people, served by the HTTP mount."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_vzaps.testing.wire import Answer

if TYPE_CHECKING:
    from django_vzaps.testing.fake import FakeVZaps


def page_for(fake: FakeVZaps, method: str, target: str, body: bytes) -> Answer | None:
    """The page at a path; None where the path belongs to the API."""
    return None
