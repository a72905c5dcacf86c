"""The load that load.py puts on a site: events posted over connections that are kept open, each answer timed."""

from __future__ import annotations

import gc
import itertools
import json
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from multiprocessing.connection import Connection
from typing import Final

from django_vzaps.testing import events

HOST: Final = "127.0.0.1"
#: Seconds after which an answer is given up.
PATIENCE: Final = 60.0
#: Where a body says when it was sent.
_SENT: Final = "0000000000.000000"


@dataclass(frozen=True, kw_only=True)
class Letter:
    """An event to be posted; ``at`` seconds after the beginning, or as soon as a connection is free."""

    path: str
    body: tuple[bytes, bytes]
    at: float | None = None


@dataclass(frozen=True, kw_only=True)
class Answers:
    seconds: list[float]
    """How long each took."""
    refused: int
    elapsed: float


def letters(paths: Sequence[str], times: Sequence[float | None]) -> list[Letter]:
    """Distinct messages as VZaps posts them, to each of ``paths`` in turn."""
    made = []
    for where, at in zip(itertools.cycle(paths), times, strict=False):
        before, after = json.dumps({"json_data": events.message(_SENT)}).encode().split(_SENT.encode())
        made.append(Letter(path=where, body=(before, after), at=at))
    return made


def tell(pipe: Connection, port: int, post: list[Letter], connections: int) -> None:
    """What a process of its own does: :func:`play`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is ended by who began it
    gc.disable()
    pipe.send(play(port, post, connections))


def play(port: int, post: list[Letter], connections: int) -> Answers:
    """Post them and wait for all answers."""
    numbers = itertools.count()
    took: list[float] = []
    refused: list[int] = []
    ready = threading.Barrier(connections + 1)
    began = 0.0

    def send() -> None:
        connection = HTTPConnection(HOST, port, timeout=PATIENCE)
        connection.connect()
        ready.wait()
        ready.wait()
        time.sleep(max(0.0, began - time.time()))
        while (number := next(numbers)) < len(post):
            letter = post[number]
            due = time.time() if letter.at is None else began + letter.at
            if (early := due - time.time()) > 0:
                time.sleep(early)
            before, after = letter.body
            body = b"%s%017.6f%s" % (before, due, after)
            try:
                connection.request("POST", letter.path, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            except (OSError, HTTPException):
                connection.close()  # the next request opens it again
                status = 0
            took.append(time.time() - due)
            if status != 200:
                refused.append(status)
        connection.close()

    threads = [threading.Thread(target=send, daemon=True) for _ in range(connections)]
    for thread in threads:
        thread.start()
    ready.wait()
    began = time.time() + 0.05
    ready.wait()
    for thread in threads:
        thread.join()
    return Answers(seconds=took, refused=len(refused), elapsed=time.time() - began)
