"""Lines to the broker, on which no step may take long. Those to Redis are kept, since opening one costs most."""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import suppress
from typing import Any, Final

from celery import current_app
from celery.app import app_or_default
from kombu import Connection

#: What each step of a conversation with the broker may take. VZaps waits for an answer meanwhile.
STEP_SECONDS: Final = 0.1
_TIMEOUTS: Final[dict[str, dict[str, Any]]] = {
    "redis": {"socket_timeout": STEP_SECONDS, "socket_connect_timeout": STEP_SECONDS},
    "amqp": {"read_timeout": STEP_SECONDS, "write_timeout": STEP_SECONDS},
}

#: Not AMQP: there nobody says that a message came, and on a line that broke unnoticed it would be lost.
_KEPT: Final = frozenset({"redis"})
#: Less than what servers, and what stands between, allow a silent line.
_KEPT_SECONDS: Final = 20
_MOST_KEPT: Final = 8

#: Lines that nobody uses, each with whose it is and when it was used last.
_idle: Final[deque[tuple[Connection, object, float]]] = deque()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)


def opened() -> Connection:
    """A line of its own; closed by :func:`close` or :func:`keep`."""
    line = current_app.connection_for_write(connect_timeout=STEP_SECONDS)
    # Each transport has its own options, and some (SQLAlchemy) refuse those they do not know.
    timeouts = _TIMEOUTS.get(line.transport.driver_type, {})
    line.transport_options = {**(line.transport_options or {}), **timeouts, "max_retries": 0}
    return line


def kept() -> Connection | None:
    """A line that somebody kept a moment ago. The broker may have ended it."""
    whose = _whose()
    while _idle:
        try:
            line, owner, used_at = _idle.pop()
        except IndexError:  # another thread was quicker
            break
        if owner == whose and time.monotonic() - used_at < _KEPT_SECONDS:
            return line
        close(line)
    return None


def keep(line: Connection) -> None:
    """Keep a line that worked for whoever is next, where that is safe."""
    if line.transport.driver_type in _KEPT and len(_idle) < _MOST_KEPT:
        _idle.append((line, _whose(), time.monotonic()))
    else:
        close(line)


def close(line: Connection | None) -> None:
    """Close a line, whatever state it is in."""
    if line is not None:
        with suppress(Exception):
            line.release()


def _whose() -> object:
    """The Celery application and its broker: both may change, in tests."""
    conf = current_app.conf
    return id(app_or_default()), str(conf.broker_write_url or conf.broker_url)
