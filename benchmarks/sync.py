"""What a sync costs: database time beside raw upserts of the same rows, growth with the number of instances, memory.

    python benchmarks/sync.py [--quick] [--database sqlite] [--database postgres://postgres@127.0.0.1:5432/]

A stand-in for VZaps, in a process of its own, lists 100,000 instances of one account over HTTP, and 1,000 of each of
five others. In PostgreSQL where databases may be created (needs psycopg), and on SQLite in a file, each of them is
synced for the first time. After each page of the large account the same rows are written into a second, empty database
with nothing but ``bulk_create(update_conflicts=True)``, three statements in one transaction: so what else the machine
does falls on both alike. Then the large account is synced again: with nothing changed, with nothing changed but the
times of all rows to be renewed, and with one instance in a hundred changed. Database time is what statements and
commits take from being sent until they are read. Memory is the process' peak: how much higher 100,000 make it than
1,000 did. About ten minutes for each database, most of them in the stand-in; ``--quick`` is a smoke test with a tenth.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
from databases import Watch, database
from django.conf import settings

if TYPE_CHECKING:
    from django_vzaps.models import Account

LARGE, SMALL, SMALL_ACCOUNTS = 100_000, 1_000, 5
DATABASES = ("postgres://postgres@127.0.0.1:5432/", "sqlite")


def serve(counts: dict[str, int], line: Connection) -> None:
    """The stand-in: says where it is, and changes one instance in a hundred of an account when told its token."""
    from django_vzaps.testing import FakeVZaps

    fake, number = FakeVZaps(client_token="token", client_secret="secret"), 0  # noqa: S106
    for token, count in counts.items():
        account = fake.add_account(token, "secret")
        for _ in range(count):
            number += 1
            fake.add_instance(
                name=f"Branch {number:06}",
                account=account,
                phone=f"55119{number:08}",
                connected=True,
                webhook=f"https://crm.example.org/in/{number}",
                events=["Message", "Connected", "Disconnected"],
                billing_status="ACTIVE",
            )
    fake._settle_billing = lambda: None  # to look through all of them takes most of a call
    with fake.serve() as server:
        line.send(server.url)
        while token := line.recv():
            for instance in [item for item in fake.instances.values() if item.account.client_token == token][::100]:
                instance.name += "!"
            fake.calls.clear()
            line.send("done")


def configure(base_url: str, databases: dict[str, Any]) -> None:
    settings.configure(
        DATABASES=databases,
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_vzaps"],
        SECRET_KEY="for the benchmark only",  # noqa: S106
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        VZAPS={"BASE_URL": base_url, "ENCRYPTION_KEYS": ["Zm9yLXRlc3RzLW9ubHktMzItYnl0ZXMtbG9uZy1rZXk="]},
    )
    django.setup()


@dataclass(frozen=True)
class Walk:
    """One sync: all of its time, the database's part, and its statements."""

    seconds: float
    database: float
    statements: int


class Raw:
    """The rows of each page, written with bulk_create alone into another database."""

    def __init__(self, account: Account) -> None:
        from django_vzaps.models import Account

        self._account, self.seconds, self._last = account, 0.0, 0
        Account.objects.using("raw").bulk_create([Account(pk=account.pk, name=account.name)])

    def write(self) -> None:
        from django.db import transaction

        from django_vzaps.models import Instance, Subscription, Webhook
        from django_vzaps.services import mirror

        instances = list(
            Instance.objects.filter(account=self._account, pk__gt=self._last)
            .select_related("subscription", "webhook")
            .order_by("pk")
        )
        if not instances:
            return
        self._last = instances[-1].pk
        tables: list[tuple[type, list[Any], list[str], str]] = [
            (Instance, instances, mirror.INSTANCE_COLUMNS, "vzaps_id"),
            (Subscription, [item.subscription for item in instances], mirror.SUBSCRIPTION_COLUMNS, "instance"),
            (Webhook, [item.webhook for item in instances], mirror.WEBHOOK_COLUMNS, "instance"),
        ]
        for item in instances:
            item.pk = item.subscription.pk = item.webhook.pk = None
        with Watch("raw") as watch, transaction.atomic(using="raw"):
            for model, rows, columns, unique in tables:
                model._default_manager.using("raw").bulk_create(
                    rows, update_conflicts=True, update_fields=columns, unique_fields=[unique]
                )
                if model is Instance:
                    for item in instances:
                        item.subscription.instance_id = item.webhook.instance_id = item.pk
        self.seconds += watch.seconds


def walk(account: Account, raw: Raw | None = None) -> Walk:
    """Sync the account; what ``raw`` takes meanwhile is no part of it."""
    from django_vzaps.services import sync

    account.refresh_from_db()
    aside = 0.0

    def page_is_done(_progress: object) -> None:
        nonlocal aside
        began = time.perf_counter()
        watch.__exit__()
        if raw is not None:
            raw.write()
        watch.__enter__()
        aside += time.perf_counter() - began

    with Watch("default") as watch:
        began = time.perf_counter()
        report = sync.sync_account(account, progress=page_is_done)
        seconds = time.perf_counter() - began - aside
    if not report.complete:
        raise RuntimeError(f"{account.name} was not walked to its end: {report}")
    return Walk(seconds, watch.seconds, watch.statements)


def peak() -> float:
    """The most memory that this process has had, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def measure(url: str, *, large: int) -> None:
    tokens = ["large", *(f"small{number}" for number in range(SMALL_ACCOUNTS))]
    line, other = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    counts = {token: large if token == "large" else SMALL for token in tokens}  # noqa: S105
    stand_in = context.Process(target=serve, args=(counts, other), daemon=True)
    stand_in.start()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        databases = {alias: stack.enter_context(database(url, Path(folder))) for alias in ("default", "raw")}
        configure(line.recv(), databases)
        stack.callback(_close)
        report(line, large=large)
        line.send("")
    stand_in.join(5)


def _close() -> None:
    from django.db import connections

    connections.close_all()


def report(line: Connection, *, large: int) -> None:
    from django.core.management import call_command
    from django.db import connection

    from django_vzaps.models import Account

    for alias in ("default", "raw"):
        call_command("migrate", database=alias, verbosity=0)
    accounts = {
        token: Account.objects.create(name=token, client_token=token, client_secret="secret")  # noqa: S106
        for token in ("large", *(f"small{number}" for number in range(SMALL_ACCOUNTS)))
    }
    big = accounts.pop("large")
    small = [walk(account) for account in accounts.values()]
    small_again = [walk(account) for account in accounts.values()]
    before = peak()
    raw = Raw(big)
    first = walk(big, raw)
    grown = peak() - before
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # as its own vacuum does, which waits for a minute
            cursor.execute("VACUUM ANALYZE")
    second = walk(big)
    settings.VZAPS["STALE_AFTER"] = 1
    renewed = walk(big)
    settings.VZAPS.pop("STALE_AFTER")
    line.send("large")
    line.recv()
    changed = walk(big)

    per_thousand = statistics.median(one.database for one in small)
    per_thousand_again = statistics.median(one.database for one in small_again)
    print(f"\n{connection.vendor}, {large:,} instances     all, s   database, s   statements   database, ms per 1,000")
    rows = {
        "first sync": first,
        "nothing changed": second,
        "nothing changed, all times renewed": renewed,
        "one in a hundred changed": changed,
    }
    for name, one in rows.items():
        each = 1e6 * one.database / large
        print(f"{name:36} {one.seconds:8.1f}   {one.database:11.2f}   {one.statements:10,}   {each:10.1f}")
    print(f"{'bulk_create of the same rows':36} {'':8}   {raw.seconds:11.2f}")
    print(f"{f'first sync of {SMALL:,}':36} {'':8}   {per_thousand:11.3f}   (median of {SMALL_ACCOUNTS})")
    print(f"{f'nothing changed among {SMALL:,}':36} {'':8}   {per_thousand_again:11.3f}")
    _goal("first sync's database time to bulk_create", first.database / raw.seconds, 1.3)
    _goal(f"its database time per instance to that of {SMALL:,}", first.database / large * SMALL / per_thousand, 1.3)
    _goal("nothing changed to first sync, database time", second.database / first.database, 1 / 3)
    _goal("nothing changed to first sync, all of its time", second.seconds / first.seconds, 1 / 3)
    _goal(f"peak of memory above that of {SMALL:,}, MB", grown, 30)


def _goal(name: str, value: float, most: float) -> None:
    print(f"{name}: {value:.2f} (goal: at most {most:.2f}{'' if value <= most else '; MISSED'})")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smoke test with a tenth of the instances")
    parser.add_argument("--database", action="append", help="may be repeated; default: both of those above")
    options = parser.parse_args()
    databases = options.database or DATABASES
    if len(databases) == 1:
        measure(databases[0], large=LARGE // 10 if options.quick else LARGE)
        return 0
    # Each in a process of its own: memory that one has had cannot be seen to grow for the other.
    quick = ["--quick"] if options.quick else []
    for url in databases:
        subprocess.run([sys.executable, __file__, *quick, "--database", url], check=True)  # noqa: S603 - ourselves
    return 0


if __name__ == "__main__":
    sys.exit(main())
