"""What only a real socket shows: time limits, broken and stale connections, long bodies, threads, forks."""

from __future__ import annotations

import gzip
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from django_vzaps.client import (
    VZapsAnswerError,
    VZapsAPIError,
    VZapsClient,
    VZapsConnectionError,
    VZapsTimeoutError,
    VZapsTransportError,
)
from django_vzaps.client.wire import Wire

from .conftest import Clock, make_client
from .loopback import Loopback, Script, Seen, always, answer

Start = Callable[[Script], Loopback]
INSTANCE = answer({"id": "VZ1", "token": "inst_1"})
CONNECTED = answer({"success": True, "data": {"connected": True}})


def quick(server: Loopback, **options: object) -> VZapsClient:
    return make_client(server.url, **{"timeout": (1.0, 0.2), "retries": 0} | options)


def silent(seen: Seen, connection: socket.socket) -> bool:
    connection.recv(1)  # returns when the client goes away
    return False


def hang_up(seen: Seen, connection: socket.socket) -> bool:
    return False


def drip(seen: Seen, connection: socket.socket) -> bool:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        connection.sendall(b" ")
        time.sleep(0.02)
    return False


def test_no_answer_in_time(loopback: Start) -> None:
    with (
        quick(loopback(silent)) as client,
        pytest.raises(VZapsTimeoutError, match=r"did not answer within 0\.2 s") as got,
    ):
        client.instances.subscribe("VZ1", {})
    assert got.value.may_have_been_carried_out


def test_a_body_that_drips_is_given_up(loopback: Start) -> None:
    started = time.monotonic()
    # Long beside the pauses between the drops: also on a busy machine none of them counts as silence.
    with (
        quick(loopback(drip), timeout=(1.0, 0.6)) as client,
        pytest.raises(VZapsTimeoutError, match="not complete") as got,
    ):
        client.sessions.status("VZ1")
    assert time.monotonic() - started < 10, "the whole body takes twice as long"
    assert got.value.may_have_been_carried_out


def test_a_connection_that_breaks_after_the_request(loopback: Start) -> None:
    with quick(loopback(hang_up)) as client, pytest.raises(VZapsConnectionError, match="broke") as got:
        client.instances.create(name="Front desk")
    assert got.value.may_have_been_carried_out


def test_an_answer_cut_short(loopback: Start) -> None:
    server = loopback(always(INSTANCE[:-4], keep=False))
    with quick(server) as client, pytest.raises(VZapsConnectionError, match="broke") as got:
        client.instances.create(name="Front desk")
    assert got.value.may_have_been_carried_out


def test_an_error_cut_short_is_still_that_error(loopback: Start) -> None:
    server = loopback(always(answer({"message": "no"}, status="404 Not Found")[:-4], keep=False))
    with quick(server) as client, pytest.raises(VZapsAPIError) as got:
        client.instances.restart("VZ1")
    assert (got.value.status_code, got.value.may_have_been_carried_out) == (404, False)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = make_client(f"http://127.0.0.1:{port}", retries=0)
    with pytest.raises(VZapsConnectionError, match="cannot be reached") as got:
        client.instances.create(name="Front desk")
    assert not got.value.may_have_been_carried_out


def test_an_unknown_name() -> None:
    with pytest.raises(VZapsConnectionError, match="its name is not known") as got:
        make_client("http://vzaps.invalid", retries=0).sessions.status("VZ1")
    assert not got.value.may_have_been_carried_out


def test_no_tls_where_tls_is_expected(loopback: Start) -> None:
    with pytest.raises(VZapsConnectionError):
        make_client(loopback(hang_up).url.replace("http:", "https:"), retries=0).sessions.status("VZ1")


@pytest.mark.parametrize(
    "content",
    [
        answer(b'"' + b"x" * 5000 + b'"'),
        answer(gzip.compress(b" " * 5_000_000), extra="Content-Encoding: gzip\r\n"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"800\r\n" + b"x" * 0x800 + b"\r\n" * 1,
    ],
    ids=["long", "unpacks to long", "chunked"],
)
def test_a_body_over_the_limit_is_not_read(loopback: Start, content: bytes) -> None:
    with (
        quick(loopback(always(content)), max_body=2000) as client,
        pytest.raises(VZapsAnswerError, match="2,000") as got,
    ):
        client.instances.subscribe("VZ1", {})
    assert got.value.may_have_been_carried_out


def test_broken_compression(loopback: Start) -> None:
    server = loopback(always(answer(b"not gzip", extra="Content-Encoding: gzip\r\n")))
    with quick(server) as client, pytest.raises(VZapsAnswerError, match="compressed"):
        client.sessions.status("VZ1")


def test_redirects_are_not_followed(loopback: Start) -> None:
    elsewhere = loopback(always(INSTANCE))
    server = loopback(always(answer(b"", status="307 Temporary Redirect", extra=f"Location: {elsewhere.url}/\r\n")))
    with quick(server) as client, pytest.raises(VZapsAnswerError, match="307"):
        client.instances.create(name="Front desk")
    assert elsewhere.seen == []


def test_reads_share_a_connection_and_what_must_not_fail_late_gets_its_own(loopback: Start) -> None:
    def script(seen: Seen, connection: socket.socket) -> bool:
        content = CONNECTED if "status" in seen.path else answer({"id": "VZ1", "token": "inst_1", "message_id": "M1"})
        connection.sendall(content)
        return True

    server = loopback(script)
    with quick(server) as client:
        client.sessions.status("VZ1")
        client.instances.create(name="Front desk")
        client.instances.subscribe("VZ1", {})
        client.instances.resume_subscription("VZ1")
        client.instances.cancel("VZ1")
        client.messages.send_text(instance_id="VZ1", phone="5511999999999", message="hi")
        client.request("POST", "/plans/buy")
        client.sessions.status("VZ1")
        client.instances.restart("VZ1")
    pooled = {seen.connection for seen in server.requests() if "status" in seen.path or "restart" in seen.path}
    alone = [seen.connection for seen in server.requests() if seen.connection not in pooled]
    assert len(pooled) == 1
    assert len(alone) == len(set(alone)) == 6


def test_a_connection_that_went_stale_is_no_error_for_a_read(loopback: Start, clock: Clock) -> None:
    """The server takes the second request of a connection and hangs up, as one whose keep-alive has just ended."""
    requests: list[int] = []

    def script(seen: Seen, connection: socket.socket) -> bool:
        requests.append(seen.connection)
        if requests.count(seen.connection) > 1:
            return False
        connection.sendall(CONNECTED)
        return True

    with quick(loopback(script), retries=1, sleep=clock.sleep) as client:
        assert client.sessions.status("VZ1").connected
        assert client.sessions.status("VZ1").connected
    assert len(clock.slept) == 1


def test_threads_share_a_client(loopback: Start) -> None:
    def script(seen: Seen, connection: socket.socket) -> bool:
        phone = seen.path.split("/")[2]
        connection.sendall(answer({"success": True, "data": {"connected": True, "phone": phone}}))
        return True

    server = loopback(script)
    with quick(server, timeout=(5.0, 5.0)) as client, ThreadPoolExecutor(8) as threads:
        ids = [f"VZ{number}" for number in range(80)]
        assert [status.phone for status in threads.map(client.sessions.status, ids)] == ids
    assert len([seen for seen in server.seen if seen.path == "/token"]) == 1
    assert len({seen.connection for seen in server.seen}) <= 9


def test_a_forked_worker_opens_its_own_connections(loopback: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    server = loopback(always(CONNECTED))
    with quick(server) as client:
        client.sessions.status("VZ1")
        monkeypatch.setattr(os, "getpid", lambda: -1)
        client.sessions.status("VZ1")
    first, second = server.requests()
    assert first.connection != second.connection


def test_a_closed_client_can_be_used_again(loopback: Start) -> None:
    server = loopback(always(CONNECTED))
    with quick(server) as client:
        client.sessions.status("VZ1")
        client.close()
        client.sessions.status("VZ1")
        client.sessions.status("VZ1")
    first, second, third = server.requests()
    assert first.connection != second.connection == third.connection


def test_closing_a_client_hangs_up_and_a_connection_of_its_own_is_not_kept(loopback: Start) -> None:
    hung_up = threading.Semaphore(0)

    def script(seen: Seen, connection: socket.socket) -> bool:
        connection.sendall(answer({"message": "no"}, status="422 Unprocessable Entity"))
        if not connection.recv(1):
            hung_up.release()
        return False

    with quick(loopback(script)) as client:
        with pytest.raises(VZapsAPIError) as got:
            client.instances.subscribe("VZ1", {})
        assert hung_up.acquire(timeout=5)
        with pytest.raises(VZapsAPIError):
            client.instances.restart("VZ1")
        assert not hung_up.acquire(blocking=False)
        client.close()
        assert hung_up.acquire(timeout=5)
    assert got.value.status_code == 422


@pytest.mark.parametrize(
    ("base_url", "path"),
    [
        ("https://api.vzaps.com", "/instances/get"),
        ("http://127.0.0.1:8000/vzaps", "/instances/VZ1/webhook/logs/a-b_c"),
        ("http://[::1]:8000", "/token"),
        ("https://API.bücher.example", "/token"),
        ("https://api.vzaps.com", "/a%2Fb%7e/ü é?x=1#y"),
        ("https://api.vzaps.com", "/../token"),
        ("https://api.vzaps.com", "/token\n"),
    ],
)
@pytest.mark.parametrize(("method", "content"), [("POST", b"{}"), ("POST", None), ("GET", None), ("DELETE", None)])
def test_a_request_is_what_requests_would_make_of_it(
    base_url: str, path: str, method: str, content: bytes | None
) -> None:
    wire = Wire(base_url, timeout=(1.0, 1.0), max_body=1000)
    ours = wire.prepared(method, path, query=None, content=content)
    theirs = requests.Request(method, f"{base_url}{path}", data=content).prepare()
    assert (ours.method, ours.url, ours.path_url, ours.body) == (
        theirs.method, theirs.url, theirs.path_url, theirs.body,
    )  # fmt: skip
    assert dict(ours.headers) == dict(theirs.headers)


def test_the_environment_is_asked_for_proxies_once(loopback: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = loopback(always(CONNECTED))
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "")
    client = make_client("http://vzaps.invalid", retries=0)
    monkeypatch.delenv("http_proxy")
    assert client.sessions.status("VZ1").connected
    assert proxy.requests()[0].path == "http://vzaps.invalid/instances/VZ1/session/status"


def test_a_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://user:proxy-password@127.0.0.1:{port}")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(VZapsTransportError) as got:
        make_client("http://vzaps.invalid", retries=0).instances.create(name="Front desk")
    assert not got.value.may_have_been_carried_out
    assert "proxy-password" not in str(got.value)


def test_one_line_per_call_in_the_log(loopback: Start, caplog: pytest.LogCaptureFixture) -> None:
    server = loopback(
        always(answer({"data": {"LinkingCode": "7K2M-44QX"}, "success": True}, extra="X-Request-Id: r1\r\n"))
    )
    with quick(server) as client, caplog.at_level(logging.DEBUG, "django_vzaps.client"):
        client.sessions.pair_code("VZ1", "5511999999999")
    lines = [record.getMessage() for record in caplog.records if record.name == "django_vzaps.client"]
    assert len(lines) == 2
    assert lines[1].startswith("GET /instances/VZ1/session/paircode/{phone}: 200 in ")
    assert lines[1].endswith("[r1]")


def test_many_threads_wait_once_for_a_sign_in_that_hangs(loopback: Start) -> None:
    """One after the other they would wait eight times."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        client = make_client(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=(0.3, 0.3), retries=0)
        barrier = threading.Barrier(8)

        def status(_number: int) -> bool:
            barrier.wait()
            with pytest.raises(VZapsTimeoutError) as got:
                client.sessions.status("VZ1")
            return got.value.may_have_been_carried_out

        started = time.monotonic()
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(status, range(8))) == [False] * 8
        assert time.monotonic() - started < 1.5
