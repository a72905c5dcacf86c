"""Processes and connections that a test can break."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from django_vzaps.testing import wait_until

HOST = "127.0.0.1"


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that nobody else is given meanwhile, also while the process that shall listen on it is down."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((HOST, 0))
        yield holder.getsockname()[1]


def listens(port: int) -> bool:
    """Whether somebody takes connections."""
    with suppress(OSError), socket.create_connection((HOST, port), timeout=5):
        return True
    return False


class Process:
    """A command and all that it starts, in a group of its own. Its output goes to a log, which restarts continue."""

    def __init__(self, *command: str, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.command = command
        self.log = log
        self.environment = environment
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._running = subprocess.Popen(  # noqa: S603
                self.command,
                cwd=self.log.parent,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def send(self, number: int) -> None:
        """Send a signal to the whole group."""
        if self._running is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._running.pid, number)

    def kill(self) -> None:
        """``kill -9`` of the whole group: nothing of it has a chance to tidy up."""
        self.send(signal.SIGKILL)
        if self._running is not None:
            self._running.wait()
            self._running = None


def python(*arguments: str) -> tuple[str, ...]:
    """A command of this Python that takes the package and these tests from where this process has them."""
    return (sys.executable, "-P", *arguments)


class Gate:
    """A way to a server that can be shut: open connections are cut then, and new ones refused."""

    def __init__(self, port: int, target: tuple[str, int]) -> None:
        self.port = port
        self._target = target
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []

    def open(self) -> None:
        """Let everybody through."""
        listener = socket.create_server((HOST, self.port))
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def shut(self) -> None:
        """Cut what is open, and refuse what comes."""
        with self._lock:
            listener, self._listener = self._listener, None
            closing = [*self._open, *([listener] if listener else [])]
            self._open.clear()
        for end in closing:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                if self._listener is not listener:  # shut meanwhile
                    near.close()
                    return
                far = socket.create_connection(self._target)
                self._open += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class Redis(Process):
    """A Redis server of the test's own, which keeps nothing when it is killed."""

    def __init__(self, executable: str, port: int, *, log: Path) -> None:
        super().__init__(executable, "--port", str(port), "--bind", HOST, "--save", "", log=log)
        self.port = port
        self.url = f"redis://{HOST}:{port}/0"

    def start(self) -> None:
        super().start()
        assert wait_until(lambda: listens(self.port), 10), self.log.read_text()
