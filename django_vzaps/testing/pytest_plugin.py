"""Fixtures for a project's own tests: ``pytest_plugins = ["django_vzaps.testing.pytest_plugin"]``."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client

from django_vzaps.testing.fake import FakeVZaps

DEFAULT_BASE_URL = "https://api.vzaps.com"


@pytest.fixture
def fake_vzaps() -> Iterator[FakeVZaps]:
    """The fake service in place of VZaps, with the account that settings name.

    What the package asks of VZaps is answered by the fake, and the webhooks it sends arrive at the project's own URLs
    through Django's test client and are handled, before the call that caused them returns: for the test,
    ``VZAPS["TASKS"]`` is ``"inline"``, and no broker hears of it.
    """
    configured = settings.VZAPS
    fake = FakeVZaps(client_token=configured["CLIENT_TOKEN"], client_secret=configured["CLIENT_SECRET"])
    fake.deliver = _deliver
    with pytest.MonkeyPatch.context() as project, fake.mount(configured.get("BASE_URL") or DEFAULT_BASE_URL):
        project.setitem(configured, "TASKS", "inline")
        yield fake


def _deliver(url: str, body: bytes, headers: dict[str, str]) -> int:
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    extra = {name: value for name, value in headers.items() if name != "Content-Type"}
    answer = Client(headers=extra).post(
        path, data=body, content_type=headers["Content-Type"], secure=parts.scheme == "https"
    )
    return answer.status_code
