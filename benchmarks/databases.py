"""Databases that are there while a benchmark runs, and how long statements take in one."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


@contextmanager
def database(url: str, folder: Path) -> Iterator[dict[str, Any]]:
    """The settings of a database that is there while this is open; ``url`` is a PostgreSQL server's, or ``sqlite``."""
    name = f"vzaps_benchmark_{uuid.uuid4().hex[:8]}"
    if url == "sqlite":
        options = {
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
            "transaction_mode": "IMMEDIATE",
        }
        yield {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / name, "OPTIONS": options}
        return
    import psycopg

    parts = urlsplit(url)
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": name,
                "USER": unquote(parts.username or ""),
                "PASSWORD": unquote(parts.password or ""),
                "HOST": parts.hostname or "",
                "PORT": str(parts.port or ""),
                "CONN_MAX_AGE": None,  # opening a connection is no part of what is measured
            }
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Watch:
    """The seconds and the statements that a database takes while this is open: sent, answered, read and committed."""

    def __init__(self, alias: str) -> None:
        from django.db import connections

        self._connection = connections[alias]
        self._connection.ensure_connection()
        self.seconds, self.statements = 0.0, 0

    def __enter__(self) -> Watch:
        self._make_cursor, self._commit = self._connection.make_cursor, self._connection._commit
        self._connection.make_cursor = lambda cursor: _TimedCursor(self._make_cursor(cursor), self)
        self._connection._commit = lambda: self.timed(self._commit)
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.make_cursor, self._connection._commit = self._make_cursor, self._commit

    def timed(self, call: Callable[..., Any], *args: Any) -> Any:
        began = time.perf_counter()
        try:
            return call(*args)
        finally:
            self.seconds += time.perf_counter() - began


class _TimedCursor:
    def __init__(self, cursor: Any, watch: Watch) -> None:
        self._cursor, self._watch = cursor, watch

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._cursor, name)
        if name not in {"execute", "executemany", "fetchone", "fetchmany", "fetchall"}:
            return found
        self._watch.statements += name.startswith("execute")
        return lambda *args: self._watch.timed(found, *args)

    def __enter__(self) -> _TimedCursor:
        return self

    def __exit__(self, *_error: object) -> None:
        self._cursor.close()

    def __iter__(self) -> Iterator[Any]:
        while (row := self.fetchone()) is not None:
            yield row
