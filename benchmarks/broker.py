"""What a broken broker costs the answer to an event, beside a call that finds the breaker open.

    python benchmarks/broker.py

The doorbell is rung with brokers that refuse the connection, that take it and never say a word, and that let it
wait for ever; with Redis' protocol (needs ``celery[redis]``) and RabbitMQ's. Prints milliseconds: the median and the
longest of ten. No broker is needed.
"""

from __future__ import annotations

import logging
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from celery import Celery
from django.conf import settings

ROUNDS = 10


@contextmanager
def refusing() -> Iterator[int]:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield port


@contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word: the kernel does so for who does not accept."""
    with socket.create_server(("127.0.0.1", 0), backlog=ROUNDS * 10) as server:
        yield server.getsockname()[1]


@contextmanager
def black_hole() -> Iterator[int]:
    """A port whose queue of connections is full, so that a new one is neither taken nor refused."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as waiting:
        for _ in range(4):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def milliseconds(call: Callable[[], object]) -> list[float]:
    """How long each of ten calls took, after one that loads what is loaded once."""
    call()
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        call()
        found.append((time.perf_counter() - began) * 1000)
    return found


def main() -> int:
    settings.configure(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_vzaps"])
    import django

    django.setup()
    from django_vzaps import broker

    logging.disable(logging.CRITICAL)
    task = "django_vzaps.drain_instance"

    def ring_again() -> bool:
        broker.breaker.note(worked=True)
        return broker.send(task, 1)

    print(f"{'broker':24} {'median ms':>10} {'longest ms':>11} {'breaker open ms':>16}")
    for scheme in ("redis", "amqp"):
        for kind in (refusing, silent, black_hole):
            with kind() as port:
                Celery("benchmark", broker=f"{scheme}://127.0.0.1:{port}//").set_default()
                told = milliseconds(ring_again)
                untold = milliseconds(lambda: broker.send(task, 1))
            row = f"{statistics.median(told):10.1f} {max(told):11.1f} {statistics.median(untold):16.4f}"
            print(f"{scheme + ' ' + kind.__name__.replace('_', ' '):24} {row}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
