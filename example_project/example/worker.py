"""The Celery worker of the demo, as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType

COMMAND = (
    *("-m", "celery", "--app", "example", "worker", "--beat"),
    *("--pool", "threads", "--concurrency", "4", "--loglevel", "WARNING"),
    # There is only one: nobody to talk to.
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
)
PATIENCE = 8.0
"""Seconds in which the worker must have ended by itself."""


class Worker:
    """Handles events and keeps the mirror fresh until the block ends."""

    def __init__(self, environment: dict[str, str]) -> None:
        # In a container everybody is root, and Celery need not warn of it here.
        warnings = "ignore:You're running the worker"
        self._environment = {**os.environ, **environment, "PYTHONWARNINGS": warnings}

    def __enter__(self) -> Worker:
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, *COMMAND],
            cwd=Path(__file__).resolve().parent.parent,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            # A group of its own: Ctrl-C reaches the demo only, which stops things in order, and nothing is left behind.
            start_new_session=True,
        )
        return self

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
