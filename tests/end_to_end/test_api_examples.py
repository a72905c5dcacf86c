"""The examples of the REST API in README.md and docs/api.md run as they stand, and print what stands below them.

A block of shell commands or Python with a block of output right after it is an example; one of ``export`` lines alone
sets what the later ones use. What happens on the phone or at VZaps meanwhile is said by comments that no reader of the
page sees: ``<!-- meanwhile: the phone scans the code -->``.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import requests
from django.contrib.auth.models import AbstractBaseUser, User
from django.core.cache import cache
from pytest_django.live_server_helper import LiveServer
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

from django_vzaps import events, services
from django_vzaps.api.views.base import APIViewSet
from django_vzaps.events import handlers
from django_vzaps.models import Account
from django_vzaps.services.clients import forget_clients
from django_vzaps.testing import FakeVZaps

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"^<!-- meanwhile: (?P<meanwhile>[^\n]+) -->$"
    r"|^```(?P<language>bash|python)\n(?P<code>.*?)^```$(?:\n+```(?:json|http|text)\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
EXPORT = re.compile(r"^export (\w+)=(.+)$", re.MULTILINE)
DOCUMENTED = "http://127.0.0.1:8000"
TOKEN = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b"

#: What is another one on every run, and the same one all over the page.
NAMED = {
    "instance": r"VZ[0-9A-Z]{26}",
    "uuid": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "operation": r"(?<=/operations/)\d+|(?<=\(operation)\d+",
    "event": r"(?<=/events/)\d+",
    "account": r"(?<=/accounts/)\d+",
    "message": r"3EB0[0-9A-F]{18}",
    "billing": r"(?:cs|sub)_[0-9a-f]{24}",
    "watch": r'(?<="watch":")[\w-]{16,64}|(?<=watch=)[\w-]{16,64}',
}
#: What is another one every time.
ANY = {
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z",
    "cursor": r"(?<=cursor=)[\w%-]+",
    "number": r'(?<="id":)\d+(?=[,}])|(?<="account":)\d+',
    "seconds": r'(?<="age":)[\d.]+|(?<="duration":)[\d.]+(?:e-\d+)?',
    "request": r"req_[0-9a-f]+",
    "code": r'(?<="code":")[0-9A-Z]{4}-[0-9A-Z]{4}',
}
NAMES = re.compile("|".join(f"(?P<{kind}>{looks})" for kind, looks in NAMED.items()))
TOKENS = re.compile("|".join(f"(?P<{kind}>{looks})" for kind, looks in {**NAMED, **ANY, "rest": r"\.\.\."}.items()))


class Block(NamedTuple):
    meanwhile: str | None
    language: str | None
    code: str
    output: str | None


def examples(page: str) -> list[Block]:
    """The blocks of a page, from the one on that says where the API is."""
    text = (ROOT / page).read_text(encoding="utf-8")
    start = text.rindex("```", 0, text.index("export API="))
    return [Block(**match.groupdict()) for match in BLOCK.finditer(text, start)]


class Reader:
    """Somebody who types in what stands there, in its order."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.environment: dict[str, str] = {}
        self.known: dict[tuple[str, str], str] = {}

    def here(self, code: str) -> str:
        """What stands in the page, with the server and the ids of this run."""
        known = NAMES.sub(lambda found: self.known.get((str(found.lastgroup), found[0]), found[0]), code)
        return known.replace(DOCUMENTED, self.server)

    def run(self, block: Block) -> str:
        """What the example prints."""
        printed = (self._python if block.language == "python" else self._shell)(self.here(block.code))
        return printed.replace(self.server, DOCUMENTED)

    def export(self, code: str) -> None:
        """Set what the later examples use."""
        assert not EXPORT.sub("", code).strip(), f"There is no output to this:\n{code}"
        self.environment |= {name: shlex.split(self.here(value))[0] for name, value in EXPORT.findall(code)}

    def compare(self, shown: str, printed: str) -> None:
        """Fail where another thing was printed, but for the line breaks; what stands for ``...`` may be anything."""
        shown, printed = bare(shown), bare(printed)
        wanted, end, learnt = "", 0, dict[tuple[str, str], str]()
        for token in TOKENS.finditer(shown):
            wanted += re.escape(shown[end : token.start()]) + self._pattern(str(token.lastgroup), token[0], learnt)
            end = token.end()
        found = re.fullmatch(wanted + re.escape(shown[end:]), printed)
        assert found, f"\nthe page has   {shown}\nwhat came is   {printed}"
        self.known |= {name: found[group] for name, group in learnt.items()}
        here = [(kind, value) for (kind, _), value in self.known.items()]
        assert len(here) == len(set(here)), f"One thing has two names: {self.known}"

    def _pattern(self, kind: str, text: str, learnt: dict[tuple[str, str], str]) -> str:
        if kind == "rest":
            return ".*?"
        if kind in ANY:
            return f"(?:{ANY[kind]})"
        name = kind, text
        if name in self.known:
            return re.escape(self.known[name])
        if name in learnt:
            return f"(?P={learnt[name]})"
        learnt[name] = f"name{len(learnt)}"
        return f"(?P<{learnt[name]}>{NAMED[kind]})"

    def _shell(self, code: str) -> str:
        environment = {**os.environ, **self.environment}
        done = subprocess.run(  # noqa: S603 - our own documentation
            ["/bin/sh", "-ec", code], env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=30
        )
        return done.stdout

    def _python(self, code: str) -> str:
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            patch.setattr(time, "sleep", lambda seconds: None)
            exec(compile(code, "an example", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own documentation
        return printed.getvalue()


def bare(text: str) -> str:
    """Without white space, and with the characters that JSON has by number."""
    text = re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)
    return re.sub(r"\s+", "", text)


class World:
    """What happens on phones and at VZaps while somebody reads the page."""

    def __init__(self, fake: FakeVZaps) -> None:
        self.fake = fake

    def play(self, what: str) -> None:
        """Let that happen."""
        acts: dict[str, Callable[[], object]] = {
            "VZaps has an instance": self.instance_is_known,
            "the phone scans the code": lambda: self.fake.scan(self.instance),
            "somebody writes to the number": lambda: self.fake.receive(self.connected, "What time do you open?"),
            "the account has no card": lambda: setattr(self.fake.account, "card_on_file", False),
            "the page of VZaps is paid": lambda: self.fake.complete_checkout(self.instance),
            "the answer to a subscribe is lost": lambda: self.fake.faults.add("subscribe", drop=True),
            "the answer to a restart is lost": lambda: self.fake.faults.add("restart", drop=True),
            "the phone unlinks the number": lambda: self.fake.disconnect(self.connected),
            "a delivery is lost": lambda: self.fake.faults.webhooks.lose(),
        }
        acts[what]()

    def instance_is_known(self) -> None:
        """One that was there before, and is synced."""
        self.fake.add_instance(name="Night shift", connected=True)
        account = Account.objects.from_settings()
        assert account is not None
        services.sync.sync_account(account)

    @property
    def instance(self) -> str:
        """The one that the page made last."""
        return next(reversed(self.fake.instances))

    @property
    def connected(self) -> str:
        """One that is paired."""
        return next(instance.id for instance in self.fake.instances.values() if instance.connected)


class OneToken(TokenAuthentication):
    """Django REST framework's, with one token that needs no table."""

    def authenticate_credentials(self, key: str) -> tuple[AbstractBaseUser, Any]:
        if key != TOKEN:
            raise AuthenticationFailed
        return User.objects.get(username="robot"), None


@pytest.fixture
def fake(live_server: LiveServer, settings: Any) -> Iterator[FakeVZaps]:
    """VZaps, which reaches this site by its public name."""
    fake = FakeVZaps()
    settings.VZAPS = {**settings.VZAPS, "BASE_URL": fake.base_url, "WEBHOOK_BASE_URL": "https://example.com"}

    def deliver(url: str, body: bytes, headers: dict[str, str]) -> int:
        answer: int = requests.post(live_server.url + urlsplit(url).path, body, headers=headers, timeout=10).status_code
        return answer

    fake.deliver = deliver
    with fake.mount(fake.base_url) as mock:
        mock.add_passthru(live_server.url)
        yield fake


@pytest.fixture
def server(live_server: LiveServer, fake: FakeVZaps, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A site with the API, a program that may do everything, and a handler of messages."""
    User.objects.create_superuser("robot")
    monkeypatch.setattr(APIViewSet, "authentication_classes", [OneToken])
    monkeypatch.setattr(handlers, "_registered", {})
    events.on("Message")(greet)
    cache.clear()
    forget_clients()
    yield live_server.url
    forget_clients()


def greet(event: events.MessageEvent) -> None:
    """A handler of a shop's."""


greet.__module__ = "shop.vzaps_handlers"


@pytest.fixture(scope="module")
def curl() -> None:
    """The one that the examples use: 7.82 or newer, which knows ``--json``."""
    found = shutil.which("curl")
    if found is None or b"--json" not in subprocess.check_output([found, "--help", "all"]):  # noqa: S603 - no input
        pytest.skip("needs curl 7.82 or newer")


@pytest.mark.usefixtures("curl")
@pytest.mark.parametrize("page", ["README.md", "docs/api.md"])
def test_the_examples_of_the_api_print_what_the_page_shows(page: str, server: str, fake: FakeVZaps) -> None:
    reader, world, compared = Reader(server), World(fake), 0
    for block in examples(page):
        if block.meanwhile:
            world.play(block.meanwhile)
        elif block.output is not None:
            reader.compare(block.output, reader.run(block))
            compared += 1
        elif block.language == "bash":
            reader.export(block.code)
    assert compared > 1
