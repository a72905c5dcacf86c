from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

import django_vzaps
from tests.end_to_end.site import admin, fake, manage, site, surroundings

__all__ = ["admin", "fake", "manage", "site", "surroundings"]

MANAGE = Path(__file__).resolve().parents[2] / "example_project" / "manage.py"
ADDRESSES = re.compile(r"^ +(http://\S+)/admin/ .*\n +(http://\S+)/phone ", re.MULTILINE)
TOKEN = re.compile(r"Authorization: Token (\w+)")
READY = "Ctrl-C stops everything."

Found = TypeVar("Found")


def eventually(look: Callable[[], Found], seconds: float = 20) -> Found:
    """What ``look`` returns as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain"
        time.sleep(0.1)
    return found


@dataclass
class Demo:
    """``manage.py demo``, running."""

    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    log: Path
    site: str
    fake: str
    token: str

    def manage(self, *arguments: str) -> str:
        """Run another command of the example site, as one would in a second terminal."""
        environment = {**self.environment, "VZAPS_BASE_URL": self.fake, "VZAPS_WEBHOOK_BASE_URL": self.site}
        done = subprocess.run(  # noqa: S603
            [sys.executable, MANAGE, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def processes(self) -> set[int]:
        """The process ids of the demo and of all that it started."""
        parents = living()
        family = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= more
        return family

    def stop(self, how: int) -> None:
        """Have it stop, and see that nothing of it is left."""
        before = self.processes()
        assert len(before) > 1
        self.process.send_signal(how)
        assert self.process.wait(30) == 0
        assert not before & living().keys()


def living() -> dict[int, int]:
    """Every process that runs, with its parent."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("the rest needs /proc")
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # It has ended meanwhile.
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                found[int(path.parent.name)] = int(parent)
    return found


def demo_environment(var: Path) -> dict[str, str]:
    """The environment of a person at their terminal: nothing of this suite's settings."""
    ours = ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "PYTEST", "COV_", "VZAPS_", "CELERY_")
    mine = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    package = str(Path(django_vzaps.__file__).parents[1])
    return {**mine, "PYTHONPATH": package, "EXAMPLE_VAR": str(var)}


@contextmanager
def running_demo(folder: Path, *options: str, **settings: str) -> Iterator[Demo]:
    """``manage.py demo`` on free ports, with more options and a changed environment."""
    environment = demo_environment(folder / "var") | settings
    log = folder / "demo.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, MANAGE, "demo", "--port", "0", "--fake-port", "0", *options],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(lambda: READY in log.read_text() or process.poll() is not None, 60)
        addresses = ADDRESSES.search(log.read_text())
        token = TOKEN.search(log.read_text())
        assert addresses, log.read_text()
        assert token, log.read_text()
        running = Demo(process, environment, log, addresses[1], addresses[2], token[1])
        yield running
        if process.poll() is None:
            running.stop(signal.SIGTERM)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    with running_demo(tmp_path) as demo:
        yield demo


@pytest.fixture(autouse=True)
def _cheap_qr_codes() -> None:
    """Here the pictures are looked at."""
