"""A tiny HTTP server whose answers are written byte by byte by the test: for what a mock of requests cannot show."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Seen:
    """A request that arrived, and on which connection."""

    connection: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Script = Callable[[Seen, socket.socket], bool]
"""Answers a request on its socket; True keeps the connection open for the next one."""


class Loopback:
    """Hands out access tokens by itself, and every other request to ``script``."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.seen: list[Seen] = []
        self._closing = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        for open_socket in [self._listener, *self._sockets]:
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
            open_socket.close()
        for thread in self._threads:
            thread.join(5)

    def requests(self, path: str = "") -> list[Seen]:
        """What arrived, without the requests for access tokens."""
        return [seen for seen in self.seen if not seen.path.endswith("/token") and path in seen.path]

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(connection)
            self._start(self._serve, connection, len(self._sockets))

    def _serve(self, connection: socket.socket, number: int) -> None:
        # ValueError: what came is no HTTP.
        with suppress(OSError, ValueError), connection, connection.makefile("rb") as stream:
            while seen := _request(stream, number):
                self.seen.append(seen)
                if seen.path.endswith("/token"):
                    connection.sendall(answer({"access_token": "access-token-1", "expires_in": 3600}))
                elif not self.script(seen, connection):
                    return


def _request(stream: Any, number: int) -> Seen | None:
    first = stream.readline().decode("ascii")
    if not first:
        return None
    headers = {}
    while (line := stream.readline().decode("ascii").strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    method, path, _ = first.split(" ", 2)
    return Seen(number, method, path, headers, stream.read(int(headers.get("content-length", 0))))


def answer(body: Any, *, status: str = "200 OK", extra: str = "") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n{extra}\r\n".encode() + content


def always(content: bytes, *, keep: bool = True) -> Script:
    def script(_seen: Seen, connection: socket.socket) -> bool:
        connection.sendall(content)
        return keep

    return script
