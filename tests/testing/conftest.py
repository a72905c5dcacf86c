from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from django_vzaps.testing import Answer, FakeVZaps

CREDENTIALS = {"client_token": "demo-client-token", "client_secret": "demo-client-secret"}


@dataclass
class Caller:
    """Somebody with an access token, who talks to the fake's core as a mount would."""

    fake: FakeVZaps
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Answer:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self.fake.handle(method, path, self.headers if headers is None else headers, content)

    def json(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        answer = self(method, path, body)
        assert answer.status == status, answer.body
        return json.loads(answer.body)

    def error(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Any:
        answer = self(method, path, body, headers=headers)
        return answer.status, json.loads(answer.body)["code"]


def log_in(fake: FakeVZaps, **credentials: str) -> Caller:
    answer = fake.handle("POST", "/token", {}, json.dumps(CREDENTIALS | credentials).encode())
    granted = json.loads(answer.body)
    return Caller(fake, {"Authorization": f"Bearer {granted.get('access_token') or granted['accessToken']}"})


@dataclass
class Inbox:
    """The receiver of webhooks: keeps what it gets and answers with ``status``."""

    status: int = 200
    got: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)

    def __call__(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        self.got.append(json.loads(body))
        self.headers.append(headers)
        self.urls.append(url)
        return self.status

    @property
    def types(self) -> list[str]:
        return [payload["type"] for payload in self.got]


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def fake(inbox: Inbox) -> FakeVZaps:
    fake = FakeVZaps(clock=lambda: 1_800_000_000.0)
    fake.deliver = inbox
    return fake


@pytest.fixture
def ask(fake: FakeVZaps) -> Caller:
    return log_in(fake)


@pytest.fixture(autouse=True)
def _cheap_qr_codes() -> None:
    """Here the pictures are looked at."""
