"""The HTTP mount: the fake behind a real socket, one thread per connection."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import TYPE_CHECKING, Any

from django_vzaps.testing.pages import page_for
from django_vzaps.testing.wire import Answer

if TYPE_CHECKING:
    from django_vzaps.testing.fake import FakeVZaps

MAX_BODY = 32 * 1024 * 1024


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "FakeVZaps"
    sys_version = ""
    disable_nagle_algorithm = True
    # Buffered: status, headers and body leave in one write, so that a keep-alive answer never waits for an ACK.
    wbufsize = -1
    server: _HTTPServer

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > MAX_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._write(Answer.json({"error": "A body needs a Content-Length.", "code": "length_required"}, 411))
            return
        body = self.rfile.read(int(length))
        fake = self.server.fake
        headers = dict(self.headers.items())
        answer = page_for(fake, self.command, self.path, body) or fake.handle(self.command, self.path, headers, body)
        if answer.delay:
            self.server.stopping.wait(answer.delay)
        if answer.dropped:
            self.close_connection = True
            return
        self._write(answer)

    do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = _serve  # noqa: N815

    def _write(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and answer.status != 204:
            self.wfile.write(answer.body)

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing: paths hold phone numbers, and calls are recorded anyway."""


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], fake: FakeVZaps) -> None:
        self.fake = fake
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # Not HTTPServer's: that one asks the resolver for the machine's name, which can take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[0], self.server_address[1]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers hang up when they like; that is nothing to report. Anything else is a bug and goes to stderr."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Server:
    """The running HTTP mount. ``url`` is its base URL; leaving the block stops it and hangs up on everybody."""

    def __init__(self, fake: FakeVZaps, *, host: str, port: int) -> None:
        self._fake = fake
        self._http = _HTTPServer((host, port), fake)
        shown = "127.0.0.1" if host in {"", "0.0.0.0"} else host  # noqa: S104 - compared, not bound
        self.url = f"http://{shown}:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Server:
        self._url_before, self._fake.base_url = self._fake.base_url, self.url
        self._fake.deliveries.background += 1
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.stopping.set()
        self._http.shutdown()
        self._http.hang_up()
        self._http.server_close()
        self._thread.join()
        self._fake.deliveries.background -= 1
        self._fake.base_url = self._url_before
