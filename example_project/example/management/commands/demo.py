from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from rest_framework.authtoken.models import Token

from django_vzaps.models import Account, Instance
from django_vzaps.services import webhooks
from example.settings import VAR
from example.worker import Worker

HOST = "127.0.0.1"
CREDENTIALS = {"client_token": "demo-client-token", "client_secret": "demo-client-secret"}
FRANCHISE = {"client_token": "franchise-client-token", "client_secret": "franchise-client-secret"}

WELCOME = """
The demo is running. Nothing of it reaches WhatsApp or costs money: VZaps is played by a fake.

  {site}/admin/    the site; user admin, password admin
  {fake}/phone     the phones: scan QR codes, write messages
  {site}/api/docs/ what programs can do, to try out; it takes the token below

What to try:
  1. In the admin add an instance, and subscribe it.
  2. Open its pairing page and show the QR code. On the phones page press "Scan": it is connected.
  3. On its phone page write "ping". It arrives as an event in the admin, and "pong" comes back.
  4. Press "Unlink this device" there. The admin shows it as disconnected at once, and three minutes
     later as an alert; mails about alerts are files in {mails}
  5. Create an instance elsewhere: with VZaps' SDK at {fake}, client token
     {token} and client secret {secret}. Then run
     {sync}
  6. Ask as a program does:
     curl -H "Authorization: Token {program}" {site}/api/vzaps/instances/

Every start begins afresh. Ctrl-C stops everything.
"""


class Command(BaseCommand):
    """Run the site, a Celery worker and a fake VZaps service, with something to look at. Only for this machine."""

    help = "Runs the site with a Celery worker and a fake VZaps service, filled with instances."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="the site's port, 0: any (default: %(default)s)")
        parser.add_argument(
            "--fake-port", type=int, default=8001, help="the fake service's port, 0: any (default: %(default)s)"
        )
        parser.add_argument(
            "--count", type=int, default=16, metavar="N", help="instances to begin with (default: %(default)s)"
        )

    def handle(self, *, port: int, fake_port: int, count: int, **_options: Any) -> None:
        # Ended by force, tox leaves the commands it runs behind; nobody could press Ctrl-C then.
        tox = os.getppid() if "TOX_ENV_NAME" in os.environ else None
        stop = threading.Event()
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda _number, _frame: stop.set())
        with ExitStack() as running:
            with port_must_be_free(port, "--port"):
                site = running.enter_context(ThreadedWSGIServer((HOST, port), WSGIRequestHandler))
            with port_must_be_free(fake_port, "--fake-port"):
                fake_url = running.enter_context(serve_fake(fake_port, count))
            site_url = f"http://{HOST}:{site.server_port}"
            begin_afresh()
            worker = running.enter_context(Worker(point_to(fake_url, site_url)))
            program = fill()
            running.enter_context(serving(site))
            self.stdout.write(WELCOME.format(**self._words(site_url, fake_url), program=program))
            self.stdout.flush()
            while not stop.wait(0.5) and tox in (None, os.getppid()):
                if worker.exit_code is not None:
                    raise CommandError(f"The Celery worker has ended (exit code {worker.exit_code}). Start again.")
            self.stdout.write("Stopping ...")
            self.stdout.flush()

    def _words(self, site_url: str, fake_url: str) -> dict[str, str]:
        sync = f"{shown(sys.executable)} {shown(sys.argv[0])} vzaps_sync"
        if not fake_url.endswith(":8001"):
            sync = f"VZAPS_BASE_URL={fake_url} {sync}"
        return {
            "site": site_url,
            "fake": fake_url,
            "token": CREDENTIALS["client_token"],
            "secret": CREDENTIALS["client_secret"],
            "sync": sync,
            "mails": shown(VAR / "mails"),
        }


def shown(path: str | Path) -> str:
    """``path`` as one would type it here."""
    here = Path.cwd()
    found = Path(path).absolute()
    return str(found.relative_to(here) if found.is_relative_to(here) else found)


@contextmanager
def port_must_be_free(port: int, option: str) -> Iterator[None]:
    """Say in words which port is taken and how to choose another one."""
    try:
        yield
    except OSError as error:
        reason = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be opened ({error.strerror})"
        raise CommandError(f"Port {port} {reason}. Choose another one with {option}.") from None


@contextmanager
def serve_fake(port: int, count: int) -> Iterator[str]:
    """The fake service with two accounts; yields its URL. The second account has no card on file."""
    try:
        from django_vzaps.testing import FakeVZaps

        fake = FakeVZaps(client_token=CREDENTIALS["client_token"], client_secret=CREDENTIALS["client_secret"])
        franchise = fake.add_account(**FRANCHISE, card_on_file=False)
        for instance in fake.seed_demo(count)[count - count // 4 :]:
            instance.account = franchise
    except ModuleNotFoundError as error:
        raise CommandError(str(error)) from None
    with fake.serve(port, host=HOST) as server:
        yield server.url


def begin_afresh() -> None:
    """Forget the demo before: its fake is gone, and so are the instances that were there."""
    name = settings.DATABASES["default"]["NAME"]
    if isinstance(name, Path):  # The site's own file, not one that DATABASE_URL names.
        for path in name.parent.glob(f"{name.name}*"):
            path.unlink()
    for folder in ("broker", "mails"):
        shutil.rmtree(VAR / folder, ignore_errors=True)
    for folder in ("queue", "control"):
        (VAR / "broker" / folder).mkdir(parents=True)


def point_to(fake_url: str, site_url: str) -> dict[str, str]:
    """Have this process talk to the fake, whatever the environment says; returns the same for other processes."""
    chosen = {
        "CLIENT_TOKEN": CREDENTIALS["client_token"],
        "CLIENT_SECRET": CREDENTIALS["client_secret"],
        "BASE_URL": fake_url,
        "WEBHOOK_BASE_URL": site_url,
    }
    settings.VZAPS = {**settings.VZAPS, **chosen}
    return {f"VZAPS_{key}": value for key, value in chosen.items()}


def fill() -> str:
    """Tables, a superuser, two accounts, their instances, and one connected number that sends its events here.

    Returns the token with which programs log in as the superuser.
    """
    call_command("migrate", verbosity=0)
    users = get_user_model()._default_manager
    admin = users.filter(username="admin").first()
    if admin is None:
        admin = users.create_superuser("admin", password="admin")  # noqa: S106
    token, _is_new = Token.objects.get_or_create(user=admin)
    Account.objects.update_or_create(name="franchise", defaults=FRANCHISE)
    call_command("vzaps_sync")
    connected = Instance.objects.present().filter(connected=True).order_by("pk").first()
    if connected is not None:
        webhooks.set(connected, actor=None)
    return str(token.key)


@contextmanager
def serving(site: ThreadedWSGIServer) -> Iterator[None]:
    """Answer the site's requests in the background."""
    site.set_app(StaticFilesHandler(get_wsgi_application()))
    thread = threading.Thread(target=site.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        site.shutdown()
        thread.join()
