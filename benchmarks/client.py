"""How fast the client calls VZaps, beside plain ``requests`` and the vendor's own SDK.

    python benchmarks/client.py [--quick]

Needs the vendor's SDK: ``pip install vzaps``. About a minute; ``--quick`` is a smoke test of a few seconds.

All make the same calls to one HTTP server on loopback, which is a process of its own, keeps connections open and sends
answers that were made beforehand, each in one write. Everybody is signed in before. With one thread, and with eight
that share the client, the session or the SDK. The rounds of all alternate.

- The client does what it always does: limits of size and time, a look for refusals and for secrets that VZaps repeats,
  a line in the log. It gives instances: values of known types, tokens hidden, and a copy of each answer without
  secrets. ``client.request`` gives the decoded JSON, as the other two do; the page is asked for with GET then, by all
  three, because it makes a new connection for anything else.
- requests is used as one does: ``session.post(url, json=..., headers=..., timeout=...).json()``. The session finds the
  environment's proxies and netrc anew for each call, as it does unless told not to.
- The SDK, which is made with httpx, gives the decoded JSON.

Prints calls per second, medians of the rounds, and the client's ratio to each with the range of the rounds' ratios.
Exit code 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Final

import requests
import vzaps

from django_vzaps.client import VZapsClient
from django_vzaps.testing import FakeVZaps

#: What the client's calls per second are to those of the others, at least.
GOALS: Final = {"requests": 1.1, "SDK": 1.0}
TOKEN, SECRET = "demo-client-token", "demo-client-secret"
TIMEOUT: Final = (5.0, 30.0)
PAGE: Final = 100
THREADS: Final = (1, 8)

Call = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is done: rounds, and calls of one instance and of a page in a round."""

    rounds: int
    one: int
    page: int


#: Rounds are short, so that what else the machine does falls on all callers of a round alike.
FULL = Size(rounds=25, one=240, page=80)
QUICK = Size(rounds=2, one=40, page=16)


class Service(asyncio.Protocol):
    """One connection to a server that knows its answers by their paths."""

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self._answers = answers
        self._came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._came += data
        head, end, body = self._came.partition(b"\r\n\r\n")
        length = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        if end and len(body) == int(length or 0):
            self._came = b""
            self._transport.write(self._answers[head.split(b" ", 2)[1]])


def serve(pipe: Connection, answers: dict[bytes, bytes]) -> None:
    """What the server's process does. Tells its port, and ends with the pipe."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Service(answers), "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await loop.run_in_executor(None, pipe.poll, None)

    asyncio.run(run())


@contextmanager
def served(answers: dict[bytes, bytes]) -> Iterator[str]:
    """The URL of a running server."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there, answers), daemon=True)
    process.start()
    there.close()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        here.close()
        process.join()


def said() -> tuple[str, dict[bytes, bytes]]:
    """The id of an instance, and what VZaps says to each call, as it goes over the wire."""
    fake = FakeVZaps(client_token=TOKEN, client_secret=SECRET)
    fake.token_seconds = 24 * 3600
    for number in range(PAGE):
        found = fake.add_instance(
            name=f"Shop {number}",
            connected=True,
            webhook=f"https://shop.example.com/vzaps/webhook/{number:036}/{'s' * 43}",
            events=["Message", "ReadReceipt", "Connected", "Disconnected"],
        )

    def ask(path: str, body: Any) -> bytes:
        answer = fake.handle("POST", path, headers, json.dumps(body).encode())
        assert answer.status == 200
        lines = [f"{name}: {value}\r\n" for name, value in answer.headers.items()]
        return f"HTTP/1.1 200 OK\r\n{''.join(lines)}Content-Length: {len(answer.body)}\r\n\r\n".encode() + answer.body

    headers: dict[str, str] = {}
    token = ask("/token", {"client_token": TOKEN, "client_secret": SECRET})
    access = json.loads(token.partition(b"\r\n\r\n")[2])["access_token"]
    headers |= {"Authorization": f"Bearer {access}", "X-Client-Token": TOKEN}
    return found.id, {
        b"/token": token,
        b"/instances/get": ask("/instances/get", {"id": found.id}),
        b"/instances/list": ask("/instances/list", {"page": 1, "size": PAGE, "filter": {}}),
    }


@contextmanager
def callers(url: str, instance: str) -> Iterator[dict[str, dict[str, Call]]]:
    """The calls, by their names and who makes them; everybody is signed in."""
    with (
        VZapsClient(client_token=TOKEN, client_secret=SECRET, base_url=url, timeout=TIMEOUT) as client,
        requests.Session() as session,
        vzaps.VZapsClient(client_token=TOKEN, client_secret=SECRET, base_url=url) as sdk,
    ):
        headers = {"Authorization": f"Bearer {client.auth.get_access_token()}", "X-Client-Token": TOKEN}
        assert sdk.auth.get_access_token() == client.auth.get_access_token()

        def post(path: str, body: Any) -> Any:
            return session.post(f"{url}{path}", json=body, headers=headers, timeout=TIMEOUT).json()

        def get(path: str) -> Any:
            return session.get(f"{url}{path}", headers=headers, timeout=TIMEOUT).json()

        page = {"page": 1, "size": PAGE, "filter": {}}
        assert client.instances.get(instance).id == post("/instances/get", {"id": instance})["id"] == instance
        assert len(client.instances.list(page=1, size=PAGE).content) == len(post("/instances/list", page)["content"])
        assert client.request("GET", "/instances/list") == get("/instances/list") == sdk.instances.list()
        yield {
            "one instance": {
                "client": lambda: client.instances.get(instance),
                "requests": lambda: post("/instances/get", {"id": instance}),
                "SDK": lambda: sdk.instances.get(instance),
            },
            f"page of {PAGE}, as JSON": {
                "client": lambda: client.request("GET", "/instances/list"),
                "requests": lambda: get("/instances/list"),
                "SDK": lambda: sdk.request("GET", "/instances/list"),
            },
            f"page of {PAGE} instances": {
                "client": lambda: client.instances.list(page=1, size=PAGE),
                "requests": lambda: post("/instances/list", page),
                "SDK": lambda: sdk.instances.list(page=1, size=PAGE),
            },
        }


def speed(call: Call, count: int, threads: int) -> float:
    """Calls per second, when ``threads`` make ``count`` of them."""
    ready = threading.Barrier(threads + 1)

    def work() -> None:
        ready.wait()
        for _ in range(count // threads):
            call()

    with ThreadPoolExecutor(threads) as pool:
        ends = [pool.submit(work) for _ in range(threads)]
        ready.wait()
        began = time.perf_counter()
        for end in ends:
            end.result()
        return count / (time.perf_counter() - began)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smoke test: few calls, and no verdict")
    quick = parser.parse_args().quick
    instance, answers = said()
    with served(answers) as url, callers(url, instance) as calls:
        return measure(calls, QUICK if quick else FULL, quick=quick)


def measure(calls: dict[str, dict[str, Call]], size: Size, *, quick: bool) -> int:
    speeds: dict[tuple[str, int, str], list[float]] = {}
    # The first round warms up: connections are opened, and code is loaded.
    for number in range(size.rounds + 1):
        for (name, who), count in zip(calls.items(), (size.one, size.page, size.page), strict=True):
            for threads in THREADS:
                for caller in list(who) if number % 2 else reversed(who):
                    per_second = speed(who[caller], count, threads)
                    if number:
                        speeds.setdefault((name, threads, caller), []).append(per_second)
    kept = "requests.Session with keep-alive, .json()"
    print(f"client: django_vzaps.client; requests {version('requests')}: {kept}; SDK: vzaps {version('vzaps')}")
    print(f"{size.rounds} rounds; calls per second, medians; ratios: medians of the rounds (lowest to highest)")
    beside = "".join(f"   {f'to {name}, goal {goal}':22}" for name, goal in GOALS.items())
    print(f"{'':24} threads {'client':>8} {'requests':>9} {'SDK':>7}{beside}")
    missed = False
    for name in calls:
        for threads in THREADS:
            ours, *theirs = (speeds[name, threads, caller] for caller in ("client", *GOALS))
            medians = [statistics.median(found) for found in (ours, *theirs)]
            line = f"{name:24} {threads:7} {medians[0]:8,.0f} {medians[1]:9,.0f} {medians[2]:7,.0f}"
            for found, goal in zip(theirs, GOALS.values(), strict=True):
                ratios = [mine / other for mine, other in zip(ours, found, strict=True)]
                line += f"   {f'{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})':22}"
                missed |= statistics.median(ratios) < goal
            print(line)
    return 1 if missed and not quick else 0


if __name__ == "__main__":
    sys.exit(main())
