"""Deliveries as VZaps may make them: many at once, and again where they were not taken."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from types import TracebackType
from typing import Any, Final, Self

from django_vzaps.testing import events, wait_until
from django_vzaps.testing.deliveries import post

CLIENTS: Final = 6
PATIENCE: Final = 30.0
_HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "FakeVZaps"}

Body = dict[str, Any]


def message(number: int, text: str = "hello") -> Body:
    """The same message whenever it is made."""
    return events.message(text, message_id=f"3EB0{number:016X}", timestamp="2026-01-01T00:00:00Z")


def deliver(url: str, body: Body) -> int:
    """Post an event once; returns the status of the answer, 0 where none came."""
    try:
        return post(url, json.dumps(body).encode(), _HEADERS)
    except OSError:
        return 0


class Storm:
    """Makes deliveries in the background while the block runs; leaving it waits until all were accepted."""

    def __init__(self, deliveries: Iterable[tuple[str, Body]]) -> None:
        self.accepted = 0
        self.repeated = 0
        """Attempts that no answer came to, or a server error."""
        self._left = deque(deliveries)
        self._lock = Lock()
        self._clients = ThreadPoolExecutor(CLIENTS)

    def __enter__(self) -> Self:
        self._work = [self._clients.submit(self._deliver_all) for _ in range(CLIENTS)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._left.clear()
        self._clients.shutdown()
        if kind is None:
            for client in self._work:
                client.result()

    def _deliver_all(self) -> None:
        while True:
            try:
                delivery = self._left.popleft()
            except IndexError:
                return
            assert wait_until(partial(self._is_accepted, *delivery), PATIENCE), "an event was never accepted"

    def _is_accepted(self, url: str, body: Body) -> bool:
        status = deliver(url, body)
        assert status == 200 or status == 0 or status >= 500, f"an authentic event was refused with {status}"
        with self._lock:
            self.accepted += status == 200
            self.repeated += status != 200
        return status == 200
