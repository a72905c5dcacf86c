"""How long the webhook takes to answer, and an event to reach its handler, over HTTP and beside a bare Django view.

    python benchmarks/load.py [--quick] [--database postgres://postgres@127.0.0.1:5432/] [--broker redis://127.0.0.1:6379/13]

Needs a PostgreSQL in which it may create databases and a Redis, and beside the project's own dependencies gunicorn,
psycopg and redis. Everything it makes has a name of its own and is removed at the end, also after Ctrl-C. About five
minutes; ``--quick`` is a smoke test of half a minute.

One gunicorn (2 processes of 4 threads) serves both views, a Celery worker (2 processes) handles the events. The bare
view decodes the body and creates one row of the same table with the ORM: it has no worker. So the webhook is measured
twice, with the worker stopped, where the views alone differ, and with the worker running on the same processors. The
rounds of all three alternate. The load comes from a process of its own, over 8 connections that are kept open:

- at a fixed rate, the same for all. Each event has its time, and from then on it waits, also for a connection: what is
  slow is seen in all that comes behind it. The answers' percentiles and the times to the handler are of this load.
- as fast as answers come, for the events accepted per second.

The storm is of one instance and comes in bursts; another one gets a message each second meanwhile.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from load_client import HOST, Answers, Letter, letters, tell

FOLDER = Path(__file__).resolve().parent
CONNECTIONS = 8
INSTANCES = 4
GOAL_RATIO, GOAL_SECONDS = 1.5, 2.0
#: Longer than anything here takes, in seconds: who waits for more has failed.
PATIENCE = 180.0

Process = subprocess.Popen[bytes]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is done. ``rate``: events per second; ``burst`` of the storm every ``pause`` seconds."""

    rounds: int
    rate: int
    seconds: float
    as_fast: int
    bursts: int
    burst: int
    pause: float


FULL = Size(rounds=6, rate=60, seconds=12, as_fast=1000, bursts=10, burst=250, pause=6)
QUICK = Size(rounds=2, rate=60, seconds=2, as_fast=100, bursts=2, burst=50, pause=3)


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


class Stage:
    """The running site, and what is done to it."""

    def __init__(self, port: int, worker: Process, web: Process) -> None:
        import load_site

        self.site = load_site
        self.bare, self.receiver = load_site.fill(INSTANCES)
        self._port, self._worker, self._web = port, worker, web
        self._is_stopped = False

    def play(self, *plays: tuple[list[Letter], int]) -> list[Answers]:
        """Each over so many connections, at the same time."""
        context = get_context("spawn")
        with ExitStack() as stack:
            pipes = []
            for post, connections in plays:
                here, there = context.Pipe(duplex=False)
                load = context.Process(target=tell, args=(there, self._port, post, connections))
                load.start()
                there.close()
                stack.callback(load.join)
                stack.callback(load.kill)
                pipes.append(here)
            self._wait(lambda: all(pipe.poll() for pipe in pipes))
            answers: list[Answers] = [pipe.recv() for pipe in pipes]
        if refused := sum(one.refused for one in answers):
            print(f"{refused} answers of the next figures were not 200")
        return answers

    def finish(self) -> None:
        """Wait until every event is handled."""
        self._wait(self.site.is_quiet)

    def begin(self, *, worker: bool) -> None:
        """Without events, and with the worker running or stopped."""
        self.site.give_up()
        if not self._is_stopped:
            self.finish()
        self.site.empty()
        if worker == self._is_stopped:
            os.killpg(self._worker.pid, signal.SIGCONT if worker else signal.SIGSTOP)
            self._is_stopped = not worker

    def _wait(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not done():
            if (self._worker.poll(), self._web.poll()) != (None, None):
                raise RuntimeError("gunicorn or the Celery worker has ended")
            if time.monotonic() > end:
                raise RuntimeError("gunicorn or the Celery worker did not finish its work in time")
            time.sleep(0.1)


BARE, ALONE, BESIDE = "bare view", "webhook, worker stopped", "webhook, worker running"


def rounds(
    stage: Stage, count: int, times: Sequence[float | None], *, handled: bool
) -> tuple[dict[str, list[Answers]], list[float]]:
    """The answers of each view, and where one waits for them to be ``handled``, the times to the handler."""
    found: dict[str, list[Answers]] = {BARE: [], ALONE: [], BESIDE: []}
    waited: list[float] = []
    for number in range(count):
        for name in list(found) if number % 2 else reversed(found):
            stage.begin(worker=name == BESIDE)
            (answers,) = stage.play((letters(stage.bare if name == BARE else list(stage.receiver), times), CONNECTIONS))
            found[name].append(answers)
            if handled and name == BESIDE:
                stage.finish()
                waited += stage.site.waited()
    return found, waited


def measure(stage: Stage, size: Size) -> None:
    for name in (BARE, BESIDE):  # opens the connections to the database
        stage.play((letters(stage.bare if name == BARE else list(stage.receiver), [None] * 100), CONNECTIONS * 2))
    stage.finish()

    times = [number / size.rate for number in range(int(size.rate * size.seconds))]
    print(f"{size.rounds} rounds of {len(times)} events at {size.rate} a second, of {INSTANCES} instances")
    found, waited = rounds(stage, size.rounds, times, handled=True)
    for name, answers in found.items():
        show(f"answer, {name}", [second for one in answers for second in one.seconds])
    for name in (ALONE, BESIDE):
        p99 = {view: [percentile(one.seconds, 99) for one in found[view]] for view in (BARE, name)}
        pooled = {view: percentile([s for one in found[view] for s in one.seconds], 99) for view in (BARE, name)}
        each = [mine / theirs for mine, theirs in zip(p99[name], p99[BARE], strict=True)]
        print(
            f"p99 of the answer, {name}: {pooled[name] / pooled[BARE]:.2f} of bare's"
            f" (rounds {min(each):.2f} to {max(each):.2f}); goal: at most {GOAL_RATIO}"
        )
    show("time to handler", waited)
    print()

    print(f"{size.rounds} rounds of {size.as_fast} events as fast as answers come")
    found, _ = rounds(stage, size.rounds, [None] * size.as_fast, handled=False)
    for name, answers in found.items():
        speeds = [(len(one.seconds) - one.refused) / one.elapsed for one in answers]
        print(f"accepted, {name}: {statistics.median(speeds):.0f} a second ({min(speeds):.0f} to {max(speeds):.0f})")
        show(f"answer, {name}", [second for one in answers for second in one.seconds])
    print()
    storm(stage, size)


def storm(stage: Stage, size: Size) -> None:
    stormy, calm = list(stage.receiver)[:2]
    length = size.bursts * size.pause
    bursts = [number * size.pause for number in range(size.bursts) for _ in range(size.burst)]
    stage.begin(worker=True)
    print(f"{len(bursts)} events of one instance in {length:.0f} seconds, in {size.bursts} bursts")
    _, others = stage.play(
        (letters([stormy], bursts), CONNECTIONS),
        (letters([calm], [number + 0.5 for number in range(int(length))]), 1),
    )
    stage.finish()
    show("answer, the other instance", others.seconds)
    show("time to handler, stormy instance", stage.site.waited(stage.receiver[stormy]))
    waited = stage.site.waited(stage.receiver[calm])
    show("time to handler, the other instance", waited)
    print(f"time to handler, the other instance: at most {max(waited):.2f} s; goal: under {GOAL_SECONDS:.0f} s")


def show(what: str, seconds: Sequence[float]) -> None:
    for name, value in [(f"p{p}", percentile(seconds, p)) for p in (50, 95, 99)] + [("most", max(seconds))]:
        print(f"{what}, {name}: {value * 1000:.1f} ms")


@contextmanager
def database(url: str, name: str) -> Iterator[None]:
    import psycopg

    with psycopg.connect(url, autocommit=True, connect_timeout=5) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def broker(url: str, name: str) -> Iterator[None]:
    import redis

    with redis.Redis.from_url(url, socket_timeout=5) as server:
        server.ping()
        try:
            yield
        finally:
            for key in server.scan_iter(f"*{name}*"):
                server.delete(key)


@contextmanager
def process(*arguments: str, **options: Any) -> Iterator[Process]:
    """Runs beside until the block ends; in a group of its own, so that Ctrl-C reaches this process only."""
    running = subprocess.Popen([sys.executable, "-m", *arguments], cwd=FOLDER, start_new_session=True, **options)  # noqa: S603
    try:
        yield running
    finally:
        for number, seconds in ((signal.SIGCONT, 0.0), (signal.SIGTERM, 8.0), (signal.SIGKILL, 8.0)):
            with suppress(ProcessLookupError):
                os.killpg(running.pid, number) if number != signal.SIGTERM else running.terminate()
            with suppress(subprocess.TimeoutExpired):
                running.wait(seconds)


def run(stack: ExitStack, database_url: str, broker_url: str, size: Size) -> None:
    name = f"vzaps_load_{uuid.uuid4().hex[:12]}"
    os.environ |= {"VZAPS_LOAD_NAME": name, "VZAPS_LOAD_DATABASE": database_url, "VZAPS_LOAD_BROKER": broker_url}
    stack.enter_context(broker(broker_url, name))
    stack.enter_context(database(database_url, name))
    worker = stack.enter_context(
        process(
            *("celery", "--app", "load_site:celery", "worker", "--concurrency", "2", "--loglevel", "ERROR"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONWARNINGS": "ignore:You're running the worker"},
        )
    )
    with socket.create_server((HOST, 0), backlog=128) as listener:
        port, number = listener.getsockname()[1], listener.fileno()
        web = stack.enter_context(
            process(
                *("gunicorn", "load_site:application", "--bind", f"fd://{number}", "--worker-class", "gthread"),
                *("--workers", "2", "--threads", "4", "--keep-alive", "75", "--log-level", "warning"),
                pass_fds=[number],
            )
        )
    measure(Stage(port, worker, web), size)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smoke test: few events")
    parser.add_argument("--database", default="postgres://postgres@127.0.0.1:5432/", help="default: %(default)s")
    parser.add_argument("--broker", default="redis://127.0.0.1:6379/13", help="default: %(default)s")
    options = parser.parse_args()
    if missing := [name for name in ("gunicorn", "psycopg", "redis") if find_spec(name) is None]:
        print(f"Missing: {', '.join(missing)}. Install gunicorn, psycopg[binary] and redis.", file=sys.stderr)
        return 1
    import psycopg
    import redis

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            run(stack, options.database, options.broker, QUICK if options.quick else FULL)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except psycopg.OperationalError as error:
        print(f"PostgreSQL does not answer (--database): {error}", file=sys.stderr)
        return 1
    except (RuntimeError, EOFError) as error:
        print(f"It could not be measured: {error or 'the load has ended early'}.", file=sys.stderr)
        return 1
    except redis.RedisError as error:
        print(f"Redis does not answer (--broker): {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
