"""A site to browse: a real server with the console, and the fake over HTTP behind it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from django_vzaps.testing import FakeVZaps

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = str(Path(__file__).parents[2])
# The checkout comes last on the path, so that an installed package is the one that runs.
MANAGE = """
import sys
from django.core.management import execute_from_command_line

sys.path.append(sys.argv.pop(1))
execute_from_command_line(sys.argv)
"""
DJANGO = [sys.executable, "-P", "-c", MANAGE, ROOT]


@dataclass
class Manage:
    """``manage.py`` of the site; ``manage("shell", "-c", code)`` makes what no page makes."""

    environment: dict[str, str]

    def __call__(self, *arguments: str) -> str:
        """What the command printed."""
        done = subprocess.run(  # noqa: S603
            [*DJANGO, *arguments], env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command that runs until it is stopped."""
        return subprocess.Popen(  # noqa: S603
            [*DJANGO, *arguments], env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )


@pytest.fixture(scope="module")
def fake() -> FakeVZaps:
    return FakeVZaps(client_token="demo-client-token", client_secret="demo-client-secret")


@pytest.fixture(scope="module")
def surroundings() -> dict[str, str]:
    """What else the site's environment has; for a module to override."""
    return {}


@pytest.fixture(scope="module")
def manage(fake: FakeVZaps, surroundings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manage]:
    """Runs a management command of the site, whose database has a superuser admin/admin."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with fake.serve() as server:
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.end_to_end.browser_settings",
            "DJANGO_SUPERUSER_PASSWORD": "admin",
            "BROWSER_DATABASE": str(tmp_path_factory.mktemp("site") / "db.sqlite3"),
            "BROWSER_VZAPS": server.url,
            "BROWSER_SITE": f"http://127.0.0.1:{port}",
            **surroundings,
        }
        manage = Manage(environment)
        manage("migrate", "-v0")
        manage("createsuperuser", "--noinput", "--username=admin", "--email=admin@example.org", "-v0")
        yield manage


@pytest.fixture(scope="module")
def site(manage: Manage) -> Iterator[str]:
    """The address of the running site."""
    url = manage.environment["BROWSER_SITE"]
    process = manage.start("runserver", "--noreload", url.removeprefix("http://"))
    try:
        _wait_until_it_answers(url + "/admin/login/")
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_it_answers(url: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - our own address
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


@pytest.fixture
def admin(page: Page, site: str) -> Iterator[Page]:
    """A page of a person who is logged in; what breaks the content security policy fails the test."""
    violations: list[str] = []
    page.on("console", lambda message: violations.append(message.text) if "Content Security" in message.text else None)
    log_in(page, site)
    page.wait_for_url("**/admin/")
    yield page
    assert violations == []


def log_in(page: Page, site: str, username: str = "admin", password: str = "admin") -> None:
    """Log in at the site."""
    page.goto(site + "/admin/")
    page.fill("#id_username", username)
    page.fill("#id_password", password)
    page.press("#id_password", "Enter")


def create(page: Page, site: str, name: str, fake: FakeVZaps) -> str:
    """Create an instance by hand; returns its VZaps id."""
    page.goto(site + "/admin/django_vzaps/instance/add/")
    page.fill("#id_name", name)
    page.click("text=Create on VZaps")
    page.wait_for_selector("text=is created on VZaps")
    return next(remote.id for remote in fake.instances.values() if remote.name == name)
