"""How many events a second workers handle, by the number of their processes or threads.

    python benchmarks/workers.py [--quick] [--database postgres://postgres@127.0.0.1:5432/] [--broker redis://127.0.0.1:6379/13]

Needs what load.py needs. The events of 20 instances are stored first, and then all of them are rung for; the clock
stops when the last one is handled. The handler writes one row. One Celery worker with so many processes, then with so
many threads, each round with the worker warm. About two minutes on a machine that does nothing else; ``--quick`` is a
smoke test.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack

from load import broker, database, process

INSTANCES = 20
PATIENCE = 120.0
POOLS = [("prefork", 1), ("prefork", 2), ("prefork", 4), ("prefork", 10), ("threads", 2), ("threads", 10)]


def wait(done: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > end:
            raise RuntimeError("the worker did not finish its work in time")
        time.sleep(0.01)


def events_a_second(pks: list[int], each: int) -> float:
    import load_site

    from django_vzaps.events import dispatch, storing
    from django_vzaps.models import Event, EventState
    from django_vzaps.testing import events

    load_site.empty()
    for pk in pks:
        for _ in range(each):
            body = json.dumps(events.message(f"{time.time()}")).encode()
            storing.receive(body, instance_id=pk, vzaps_id="")
    began = time.perf_counter()
    for pk in pks:
        dispatch.wake(pk)
    wait(lambda: not Event.objects.filter(state=EventState.PENDING).exists())
    return len(pks) * each / (time.perf_counter() - began)


def measure(stack: ExitStack, database_url: str, broker_url: str, *, rounds: int, each: int) -> None:
    name = f"vzaps_load_{uuid.uuid4().hex[:12]}"
    os.environ |= {"VZAPS_LOAD_NAME": name, "VZAPS_LOAD_DATABASE": database_url, "VZAPS_LOAD_BROKER": broker_url}
    stack.enter_context(broker(broker_url, name))
    stack.enter_context(database(database_url, name))
    import load_site

    pks = list(load_site.fill(INSTANCES)[1].values())
    print(f"{INSTANCES} instances with {each} events each, {rounds} rounds; events a second")
    print(f"{'pool':10} {'':>10} {'median':>8} {'least':>8} {'most':>8}")
    for pool, size in POOLS:
        command = ("celery", "--app", "load_site:celery", "worker", "--pool", pool, "--concurrency", str(size))
        quiet = ("--loglevel", "ERROR", "--prefetch-multiplier", "1", "--without-gossip", "--without-mingle")
        environment = {**os.environ, "PYTHONWARNINGS": "ignore:You're running the worker"}
        with process(*command, *quiet, stdout=subprocess.DEVNULL, env=environment):
            events_a_second(pks, 5)
            found = [events_a_second(pks, each) for _ in range(rounds)]
        print(f"{pool:10} {size:10} {statistics.median(found):8.0f} {min(found):8.0f} {max(found):8.0f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smoke test: few events")
    parser.add_argument("--database", default="postgres://postgres@127.0.0.1:5432/", help="default: %(default)s")
    parser.add_argument("--broker", default="redis://127.0.0.1:6379/13", help="default: %(default)s")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left behind
    with ExitStack() as stack:
        rounds, each = (1, 10) if options.quick else (3, 25)
        measure(stack, options.database, options.broker, rounds=rounds, each=each)
    return 0


if __name__ == "__main__":
    sys.exit(main())
