from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import requests

from django_vzaps.testing import FakeVZaps, events
from tests.testing.conftest import CREDENTIALS, log_in


class Receiver:
    """A webhook receiver behind a real socket."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.hold = threading.Event()
        self.hold.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.hold.wait(5)
                receiver.got.append((self.path, body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.hold.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def served() -> Iterator[tuple[FakeVZaps, str]]:
    fake = FakeVZaps()
    with fake.serve() as server:
        yield fake, server.url


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_answers_over_one_kept_connection_come_at_once(
    served: tuple[FakeVZaps, str], session: requests.Session
) -> None:
    _, url = served
    session.post(f"{url}/token", json=CREDENTIALS, timeout=5)
    began = time.perf_counter()
    for _ in range(25):
        answer = session.post(f"{url}/token", json=CREDENTIALS, timeout=5)
        assert answer.status_code == 200
    # 40 ms each where headers and body leave apart and wait for an acknowledgement.
    assert time.perf_counter() - began < 0.75


def test_no_content_has_no_body_whatever_goes_wrong(served: tuple[FakeVZaps, str]) -> None:
    fake, url = served
    instance, credentials = fake.add_instance(), log_in(fake).headers["Authorization"]
    fake.faults.add("delete", malformed=True)
    host, port = url.removeprefix("http://").split(":")
    # On a bare socket: clients drop such bytes and go wrong one call later.
    with socket.create_connection((host, int(port)), timeout=5) as connection, connection.makefile("rb") as answer:
        connection.sendall(
            f"DELETE /instances/{instance.id} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Authorization: {credentials}\r\n\r\n".encode()
        )
        content = answer.read()
    assert content.startswith(b"HTTP/1.1 204")
    assert content.endswith(b"\r\n\r\n")


def test_a_webhook_never_holds_up_an_answer(
    served: tuple[FakeVZaps, str], session: requests.Session, receiver: Receiver
) -> None:
    fake, url = served
    instance = fake.add_instance(connected=True, webhook=f"{receiver.url}/hook?a=1", events=["All"])
    receiver.hold.clear()
    answer = session.post(
        f"{url}/instances/{instance.id}/chat/send/text",
        json={"phone": events.SENDER, "message": "hello"},
        headers=log_in(fake).headers,
        timeout=5,
    )
    assert answer.status_code == 200
    assert receiver.got == []
    receiver.hold.set()
    assert fake.wait_for_deliveries()
    assert [(path, body["type"]) for path, body in receiver.got] == [
        ("/hook?a=1", "Message"),
        ("/hook?a=1", "ReadReceipt"),
    ]


def test_one_instances_webhooks_keep_their_order(served: tuple[FakeVZaps, str], receiver: Receiver) -> None:
    fake, _ = served
    instance = fake.add_instance(connected=True, webhook=receiver.url, events=["All"])
    for number in range(30):
        fake.receive(instance.id, str(number))
    assert fake.wait_for_deliveries()
    texts = [body["event"]["message"]["conversation"] for _, body in receiver.got]
    assert texts == [str(number) for number in range(30)]


def test_a_dead_receiver_is_in_the_log_and_a_delayed_webhook_comes_later(
    served: tuple[FakeVZaps, str], receiver: Receiver
) -> None:
    fake, _ = served
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    instance = fake.add_instance(connected=True, webhook=dead, events=["All"])
    fake.receive(instance.id)
    assert fake.wait_for_deliveries()
    assert fake.logs(instance.id)[0].error == "ConnectionRefusedError"
    instance.webhook = receiver.url
    fake.faults.webhooks.delay(60)
    fake.receive(instance.id, "late")
    assert fake.wait_for_deliveries()
    assert receiver.got == []
    fake.clock.advance(60)
    assert fake.wait_for_deliveries()
    assert len(receiver.got) == 1


def test_a_dropped_answer_closes_the_connection_after_the_change(
    served: tuple[FakeVZaps, str], session: requests.Session
) -> None:
    fake, url = served
    instance = fake.add_instance()
    fake.faults.add("subscribe", drop=True)
    with pytest.raises(requests.ConnectionError):
        session.post(f"{url}/instances/{instance.id}/subscribe", json={}, headers=log_in(fake).headers, timeout=5)
    assert len(fake.charges) == 1


def test_a_slow_answer_is_really_slow_and_does_not_outlive_the_server(session: requests.Session) -> None:
    fake = FakeVZaps()
    instance = fake.add_instance()
    headers = log_in(fake).headers
    with fake.serve() as server:
        fake.faults.add("subscribe", delay=60)
        with pytest.raises(requests.ReadTimeout):
            session.post(f"{server.url}/instances/{instance.id}/subscribe", json={}, headers=headers, timeout=0.1)
    assert len(fake.charges) == 1


def test_many_threads_lose_nothing(served: tuple[FakeVZaps, str]) -> None:
    fake, url = served
    headers = log_in(fake).headers

    def create(number: int) -> str:
        body = {"name": f"Desk {number}"}
        with requests.Session() as session:
            session.trust_env = False
            made = session.put(f"{url}/instances/create", json=body, headers=headers, timeout=10)
        name: str = made.json()["name"]
        return name

    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(create, range(40)))
    assert len(names) == len(fake.instances) == len(fake.calls_to("create")) == 40


def test_a_stopped_server_hangs_up_and_its_port_is_free_again(session: requests.Session) -> None:
    fake = FakeVZaps()
    with fake.serve() as server:
        session.post(f"{server.url}/token", json=CREDENTIALS, timeout=5)
        port = int(server.url.rpartition(":")[2])
    with pytest.raises(requests.ConnectionError):
        session.post(f"{server.url}/token", json=CREDENTIALS, timeout=5)
    with fake.serve(port) as again:
        assert again.url == server.url
        assert session.post(f"{again.url}/token", json=CREDENTIALS, timeout=5).status_code == 200
        with pytest.raises(OSError, match="in use"):
            fake.serve(port)


def test_a_body_without_length_is_refused(served: tuple[FakeVZaps, str], session: requests.Session) -> None:
    _, url = served
    answer = session.post(f"{url}/token", data=iter([b"{}"]), timeout=5)
    assert answer.status_code == 411


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_its_url_and_stops_when_told(session: requests.Session, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "django_vzaps.testing", "--port", "0", "--client-token", "t", "--seed", "3"]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:  # noqa: S603
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            body = {"client_token": "t", "client_secret": "demo-client-secret"}
            token = session.post(f"{url}/token", json=body, timeout=5).json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            assert session.post(f"{url}/instances/list", json={}, headers=headers, timeout=5).json()["total"] == 3
            process.send_signal(number)
            assert process.wait(5) == 0
        finally:
            process.kill()


def test_the_command_says_when_its_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "django_vzaps.testing", "--port", str(port)],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    assert done.returncode == 1
    assert f"Port {port}" in done.stderr
    assert "already in use" in done.stderr
    assert "Traceback" not in done.stderr
