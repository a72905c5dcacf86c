"""A site as it runs in production, around a database of its own: gunicorn, Celery worker and beat."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from django.db import connection

import django_vzaps
from django_vzaps import services
from django_vzaps.models import Account, Event, EventState, HandlerRun, Instance
from django_vzaps.testing import FakeVZaps, wait_until
from tests.chaos.models import Effect
from tests.chaos.processes import HOST, Process, listens, python

PATIENCE = 60.0
"""Seconds in which everything must have been handled."""


CELERY = ("-m", "celery", "--app", "tests.chaos.celery")

CONCURRENCY = 2
"""Events that a worker handles at once: no more handlers can be interrupted by one blow."""


@dataclass(frozen=True)
class Outcome:
    """What became of a message."""

    state: str
    runs: dict[str, str]
    effects: dict[str, int]

    @property
    def is_interrupted(self) -> bool:
        """Whether it differs from calm in this only: its process died in ``send``, before or after the effect."""
        return (
            (self.state, self.runs) == (EventState.FAILED, {"keep": "done", "send": "interrupted"})
            and self.effects.get("keep") == 1
            and self.effects.get("send", 0) <= 1
        )


CALM = Outcome(EventState.DONE, {"keep": "done", "send": "done"}, {"keep": 1, "send": 1})


class Site:
    """The processes, what they are told, and what came of it as the database has it."""

    def __init__(self, fake: FakeVZaps, folder: Path, port: int, environment: dict[str, str]) -> None:
        self.fake = fake
        self.folder = folder
        self.port = port
        self.url = f"http://{HOST}:{port}"
        self.environment = environment
        self.processes: list[Process] = []
        self.web = self._process(
            "web",
            *("-m", "gunicorn", "django.core.wsgi:get_wsgi_application()", "--bind", f"{HOST}:{port}"),
            *("--workers", "2", "--threads", "4", "--no-control-socket", "--log-level", "warning"),
        )
        self.worker = self.add_worker("worker", "--concurrency", str(CONCURRENCY))
        self.beat = self._process("beat", *CELERY, "beat", "--loglevel", "INFO")

    def add_worker(self, name: str, *arguments: str) -> Process:
        """A worker that is still to be started."""
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO")
        return self._process(name, *CELERY, "worker", "--hostname", f"{name}@%h", *quiet, *arguments)

    def _process(self, name: str, *command: str) -> Process:
        process = Process(*python(*command), log=self.folder / f"{name}.log", environment=self.environment)
        self.processes.append(process)
        return process

    def start(self, *processes: Process) -> None:
        """Start processes; events can be posted when this returns."""
        for process in processes:
            process.start()
        if self.web in processes:
            assert wait_until(lambda: listens(self.port), 20), self.web.log.read_text()

    def kill_web(self) -> None:
        self.web.kill()
        assert wait_until(lambda: not listens(self.port), 10)

    def manage(self, *arguments: str) -> None:
        """Run a management command, which must succeed."""
        log = self.folder / f"{arguments[0]}.log"
        with log.open("ab") as output:
            command = python("-m", "django", *arguments)
            done = subprocess.run(  # noqa: S603
                command, cwd=self.folder, env=self.environment, stdout=output, stderr=output, timeout=60, check=False
            )
        assert done.returncode == 0, log.read_text()

    def stop(self) -> None:
        """End everything at once, and show the end of each log."""
        for process in self.processes:
            process.kill()
        for log in sorted(self.folder.glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()
            print(f"--- {log.name}", *lines[-60:], sep="\n")  # noqa: T201 - pytest shows it where a test failed

    def add_instances(self, count: int) -> list[Instance]:
        """Instances made on VZaps by this site, whose webhooks it therefore manages."""
        account = Account.objects.from_settings()
        assert account is not None
        made = [services.instances.create(account, name=f"Number {n}", actor=None).instance for n in range(count)]
        return [instance for instance in made if instance is not None]

    def webhook(self, instance: Instance) -> str:
        """The URL that VZaps has now."""
        return self.fake.instances[instance.vzaps_id].webhook

    def wait_until_handled(self, count: int) -> None:
        """Wait until so many events are there and none is pending. What is to be tried again later, is tried now."""
        pending = Event.objects.filter(state=EventState.PENDING)
        deadline = time.monotonic() + PATIENCE
        while (left := list(pending.values_list("retry_at", flat=True))) or Event.objects.count() < count:
            if left and None not in left:
                pending.update(retry_at=None)
            # On SQLite, what happens when the last connection is closed shall happen.
            connection.close()
            states = Counter(Event.objects.values_list("state", flat=True))
            assert time.monotonic() < deadline, f"{count} events should have been handled, but there are {states}"
            time.sleep(0.1)

    def outcomes(self, instance: Instance) -> dict[str, Outcome]:
        """What became of each message of an instance, by its id."""
        events = {event.message_id: event for event in Event.objects.filter(instance=instance)}
        assert len(events) == Event.objects.filter(instance=instance).count(), "an event was stored twice"
        runs: dict[str, dict[str, str]] = {message_id: {} for message_id in events}
        for run in HandlerRun.objects.select_related("event").filter(event__instance=instance):
            runs[run.event.message_id][run.handler.rpartition(".")[2]] = run.state
        effects: dict[str, Counter[str]] = {message_id: Counter() for message_id in events}
        for effect in Effect.objects.filter(instance_id=instance.pk):
            effects[effect.message_id][effect.handler] += 1
        return {
            message_id: Outcome(event.state, runs[message_id], dict(effects[message_id]))
            for message_id, event in events.items()
        }


def environment_of(**ours: str) -> dict[str, str]:
    """The environment of the site's processes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "PYTEST", "DATABASE_"))}
    package, tests = Path(django_vzaps.__file__).parents[1], Path(__file__).parents[2]
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
        "PYTHONPATH": os.pathsep.join([str(package), str(tests)]),
        "PYTHONUNBUFFERED": "1",
        **ours,
    }
