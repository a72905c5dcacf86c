"""Databases of a site's own, which are this process' default one meanwhile."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.utils import load_backend

from tests.chaos import SQLITE_OPTIONS
from tests.chaos.models import Effect

_SCHEMES = {"postgresql": "postgres", "mysql": "mysql"}


@contextmanager
def on_the_server(*, port: int = 0) -> Iterator[str]:
    """A database on the server that the suite uses; yields its URL, with another port if one is given."""
    name = f"vzaps_chaos_{uuid.uuid4().hex[:12]}"
    server = connections[DEFAULT_DB_ALIAS]
    with server._nodb_cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    try:
        with _default({**server.settings_dict, "NAME": name}):
            yield _url({**server.settings_dict, "NAME": name, **({"PORT": str(port)} if port else {})})
    finally:
        with server._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name}" + (" WITH (FORCE)" if server.vendor == "postgresql" else ""))


@contextmanager
def sqlite(path: Path) -> Iterator[None]:
    """A database in this file."""
    settings = {**connections[DEFAULT_DB_ALIAS].settings_dict, "USER": "", "PASSWORD": "", "HOST": "", "PORT": ""}
    settings |= {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path), "OPTIONS": SQLITE_OPTIONS}
    with _default(settings):
        yield


@contextmanager
def _default(settings: dict[str, Any]) -> Iterator[None]:
    before = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = load_backend(settings["ENGINE"]).DatabaseWrapper(settings, DEFAULT_DB_ALIAS)
    try:
        call_command("migrate", verbosity=0)
        with connection.schema_editor() as editor:
            editor.create_model(Effect)
        yield
    finally:
        connection.close()
        connections[DEFAULT_DB_ALIAS] = before


def _url(settings: dict[str, Any]) -> str:
    scheme = _SCHEMES[settings["ENGINE"].rpartition(".")[2]]
    user = ":".join(quote(settings[part], safe="") for part in ("USER", "PASSWORD") if settings[part])
    return f"{scheme}://{user}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"
