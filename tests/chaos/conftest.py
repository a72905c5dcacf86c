from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol

import pytest
from celery import Celery

from django_vzaps.schedules import BEAT_SCHEDULE, TASK_ROUTES
from django_vzaps.services.clients import forget_clients
from django_vzaps.testing import FakeVZaps
from tests.chaos import databases
from tests.chaos.processes import reserved_port
from tests.chaos.site import Site, environment_of

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class NewSite(Protocol):
    def __call__(
        self,
        *,
        broker_url: str = ...,
        database_port: int = ...,
        sqlite: bool = ...,
        environment: Mapping[str, str] = ...,
    ) -> Site: ...


@pytest.fixture
def new_site(
    request: pytest.FixtureRequest, tmp_path: Path, django_db_blocker: Any, settings: Any
) -> Iterator[NewSite]:
    """Make a site whose processes are still to be started; this process uses its database meanwhile.

    ``database_port`` is where its processes look for the server that this one knows; 0: where it really is. The
    broker is the suite's Redis, unless another is named. ``environment`` is for its processes.
    """
    with ExitStack() as stack:

        def new_site(
            *,
            broker_url: str = "",
            database_port: int = 0,
            sqlite: bool = False,
            environment: Mapping[str, str] = NOTHING,
        ) -> Site:
            prefix = f"vzaps-chaos-{uuid.uuid4().hex[:12]}:"
            if not broker_url:
                broker_url = request.getfixturevalue("redis_url")
                stack.callback(_clear, broker_url, prefix)
            elif broker_url.startswith("amqp:"):
                stack.callback(_delete_queues, broker_url, prefix)
            stack.enter_context(django_db_blocker.unblock())
            if sqlite:
                file = tmp_path / "site.sqlite3"
                stack.enter_context(databases.sqlite(file))
                database = {"CHAOS_SQLITE": str(file)}
            else:
                database = {"DATABASE_URL": stack.enter_context(databases.on_the_server(port=database_port))}
            stack.callback(forget_clients)
            fake = FakeVZaps()
            fake_url = stack.enter_context(fake.serve()).url
            port = stack.enter_context(reserved_port())
            told = {
                "CHAOS_BROKER_URL": broker_url,
                "CHAOS_FOLDER": str(tmp_path),
                "CHAOS_PREFIX": prefix,
                # On SQLite everything is to be done at once; elsewhere a test has its own say about the rest.
                "CHAOS_SCHEDULE": " ".join(BEAT_SCHEDULE) if sqlite else "vzaps-sweep",
                "CHAOS_SITE_URL": f"http://127.0.0.1:{port}",
                "CHAOS_VZAPS_URL": fake_url,
                **database,
                **environment,
            }
            site = Site(fake, tmp_path, port, environment_of(**told))
            stack.callback(site.stop)
            settings.VZAPS = {**settings.VZAPS, "BASE_URL": fake_url, "WEBHOOK_BASE_URL": site.url}
            return site

        yield new_site


def _clear(url: str, prefix: str) -> None:
    import redis  # not there where no service is

    with closing(redis.Redis.from_url(url)) as client:
        for key in client.scan_iter(f"{prefix}*"):
            client.delete(key)


def _delete_queues(url: str, prefix: str) -> None:
    app = Celery("cleaning", broker=url, set_as_current=False)
    with closing(app), app.connection_for_write() as line:
        channel: Any = line.default_channel
        for queue in {"celery", *(route["queue"] for route in TASK_ROUTES.values())}:
            channel.queue_delete(f"{prefix}{queue}")
            channel.exchange_delete(f"{prefix}{queue}")
