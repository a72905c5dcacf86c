"""Access tokens: refreshed early, asked for once at a time, shared through a cache that may fail."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import responses

from django_vzaps.client import VZapsAuthenticationError, VZapsClient

from .conftest import BASE, Clock, make_client


class Cache(dict[str, str]):
    """A cache that remembers for how long it was told to keep things."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def set(self, key: str, value: str, seconds: float) -> None:
        self[key] = value
        self.seconds.append(seconds)

    def delete(self, key: str) -> None:
        self.pop(key, None)


class BrokenCache:
    def get(self, key: str) -> str | None:
        raise RuntimeError(f"cannot get access-token {key}")

    def set(self, key: str, value: str, seconds: float) -> None:
        raise RuntimeError(f"cannot set {value}")

    def delete(self, key: str) -> None:
        raise RuntimeError("cannot delete")


class Issuer:
    """``POST /token``: numbered tokens, slowly enough for threads to meet."""

    def __init__(self, lifetime: float = 3600) -> None:
        self.lifetime = lifetime
        self.issued = 0
        self.delay = 0.0

    def __call__(self, request: Any) -> tuple[int, dict[str, str], str]:
        time.sleep(self.delay)
        self.issued += 1
        return 200, {}, json.dumps({"access_token": f"token-number-{self.issued}", "expires_in": self.lifetime})


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add_callback("POST", f"{BASE}/token", issuer)
        mock.post(f"{BASE}/instances/get", json={"id": "VZ1"})
        yield issuer


def test_a_token_is_used_until_a_minute_before_its_end(issuer: Issuer, clock: Clock) -> None:
    client = make_client(clock=clock)
    assert client.auth.get_access_token() == "token-number-1"
    clock.now += 3539
    assert client.auth.get_access_token() == "token-number-1"
    clock.now += 1
    assert client.auth.get_access_token() == "token-number-2"


def test_a_token_that_lives_shorter_than_that_is_still_used(issuer: Issuer, clock: Clock) -> None:
    issuer.lifetime = 20
    cache = Cache()
    assert make_client(clock=clock, token_cache=cache).instances.get("VZ1").id == "VZ1"
    assert (issuer.issued, cache) == (1, {})


def test_processes_share_a_token_through_the_cache(issuer: Issuer, clock: Clock) -> None:
    cache = Cache()
    assert make_client(clock=clock, token_cache=cache).auth.get_access_token() == "token-number-1"
    assert make_client(clock=clock, token_cache=cache).auth.get_access_token() == "token-number-1"
    assert cache.seconds == [3540]
    clock.now += 3540
    assert make_client(clock=clock, token_cache=cache).auth.get_access_token() == "token-number-2"


def test_the_key_gives_nothing_away_and_belongs_to_these_credentials(issuer: Issuer, clock: Clock) -> None:
    cache = Cache()
    options: list[dict[str, str]] = [{}, {"client_secret": "rotated-secret"}, {"client_token": "other-token"}]
    for option in options:
        make_client(clock=clock, token_cache=cache, **option).auth.get_access_token()
    assert issuer.issued == len(cache) == 3
    for readable in ("client-token", "client-secret", "rotated", "other", "vzaps.test"):
        assert readable not in "".join(cache)


def test_the_cached_token_is_replaced_after_a_401(clock: Clock) -> None:
    cache, issuer = Cache(), Issuer()
    with responses.RequestsMock() as mock:
        mock.add_callback("POST", f"{BASE}/token", issuer)
        mock.post(f"{BASE}/instances/get", status=401)
        mock.post(f"{BASE}/instances/get", json={"id": "VZ1"})
        first, second = (make_client(clock=clock, token_cache=cache) for _ in range(2))
        assert first.auth.get_access_token() == second.auth.get_access_token() == "token-number-1"
        first.instances.get("VZ1")
    assert "token-number-2" in next(iter(cache.values()))


def test_a_401_takes_the_token_that_another_process_has_already_got(clock: Clock) -> None:
    cache, issuer = Cache(), Issuer()
    with responses.RequestsMock() as mock:
        mock.add_callback("POST", f"{BASE}/token", issuer)
        first, second = (make_client(clock=clock, token_cache=cache) for _ in range(2))
        first.auth.get_access_token()
        second.auth.get_access_token()
        mock.post(f"{BASE}/instances/get", status=401)
        mock.post(f"{BASE}/instances/get", json={"id": "VZ1"})
        first.instances.get("VZ1")
        mock.post(f"{BASE}/instances/VZ1/restart", status=401)
        mock.post(f"{BASE}/instances/VZ1/restart", json={})
        second.instances.restart("VZ1")
        assert mock.calls[-1].request.headers["Authorization"] == "Bearer token-number-2"
    assert issuer.issued == 2


def test_a_cache_that_fails_stops_nothing(issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    client = make_client(clock=clock, token_cache=BrokenCache())
    assert client.instances.get("VZ1").id == "VZ1"
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "token-number" not in caplog.text


@pytest.mark.parametrize("kept", ["", "null", "{", "[]", "5", '{"token": "x"}', '{"token": 1, "expires_at": "x"}'])
def test_nonsense_in_the_cache_is_passed_over(issuer: Issuer, clock: Clock, kept: str) -> None:
    class Nonsense(Cache):
        def get(self, key: str, default: Any = None) -> str:
            return kept

    assert make_client(clock=clock, token_cache=Nonsense()).auth.get_access_token() == "token-number-1"


def test_threads_ask_once_also_with_a_client_each(issuer: Issuer, clock: Clock) -> None:
    issuer.delay = 0.05
    cache, shared = Cache(), make_client(clock=clock)
    clients = [shared] * 4 + [make_client(clock=clock, token_cache=cache) for _ in range(4)]
    barrier = threading.Barrier(8)

    def token(client: VZapsClient) -> str:
        barrier.wait()
        return client.auth.get_access_token()

    with ThreadPoolExecutor(8) as threads:
        tokens = list(threads.map(token, clients))
    assert len(set(tokens[:4])) == len(set(tokens[4:])) == 1
    assert issuer.issued == 2


def test_threads_that_waited_share_the_refusal(clock: Clock) -> None:
    refused = 0

    def refuse(request: Any) -> tuple[int, dict[str, str], str]:
        nonlocal refused
        time.sleep(0.05)
        refused += 1
        return 401, {}, "{}"

    barrier = threading.Barrier(6)
    with responses.RequestsMock() as mock:
        mock.add_callback("POST", f"{BASE}/token", refuse)
        client = make_client(clock=clock)

        def token(_number: int) -> None:
            barrier.wait()
            with pytest.raises(VZapsAuthenticationError):
                client.auth.get_access_token()

        with ThreadPoolExecutor(6) as threads:
            list(threads.map(token, range(6)))
        assert refused < 6
        before = refused
        with pytest.raises(VZapsAuthenticationError):
            client.auth.get_access_token()
        assert refused == before + 1
