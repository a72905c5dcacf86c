from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses

from django_vzaps.client import VZapsClient

from .loopback import Loopback, Script

BASE = "https://vzaps.test"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.post(f"{BASE}/token", json={"access_token": "access-token-1", "expires_in": 3600})
        yield mock


def make_client(base_url: str = BASE, **options: Any) -> VZapsClient:
    options = {"client_token": "client-token", "client_secret": "client-secret", "base_url": base_url} | options
    return VZapsClient(**options)


@pytest.fixture
def client(wire: responses.RequestsMock, clock: Clock) -> Iterator[VZapsClient]:
    with make_client(clock=clock, sleep=clock.sleep) as client:
        yield client


@pytest.fixture
def loopback() -> Iterator[Callable[[Script], Loopback]]:
    servers: list[Loopback] = []

    def start(script: Script) -> Loopback:
        servers.append(Loopback(script).__enter__())
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__()
