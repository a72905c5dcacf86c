"""How the lists of admin and REST API keep up with their tables: queries, and a large site's time to a small one's.

    python benchmarks/lists.py [--quick] [--only WORDS] [--rounds N] [--database postgres://postgres@127.0.0.1:5432/]

The small site has 1,000 instances and 10,000 events, the large one 100,000 and 1,000,000. Each is a database of its
own, which is removed at the end, also after Ctrl-C: in a PostgreSQL where databases may be created (needs psycopg), or
with ``--database sqlite`` a file in a temporary folder. Every list page of every model that the package registers, and
every list of the API, is asked for in this process by the test client, with middleware, session and a superuser: plain,
by each filter, by each order, searched, and the last page. The two sites take turns and so do the pages, so that what
else the machine does falls on all alike. About ten minutes, two of them for the rows; ``--quick`` is a smoke test with
a tenth of them.

A page of the large site may have more rows than the small site's, where a filter finds few there: their ratio is not of
like and like, and is no miss of the goal.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import django
from databases import database
from django.conf import settings

if TYPE_CHECKING:
    from django.test import Client
    from list_rows import Size

GOAL, MOST_QUERIES = 1.5, 8
SMALL, LARGE = "default", "large"
#: Of a filter with more choices, such as the events' types, these many are tried.
CHOICES = 8
SEARCHES = {
    "instance": ["Shop Recife", "*lima 7", "+55 (11) 9", "5512900000001@s.what", "VZ00000100", "nothing like it"],
    "event": ["3EB000000000000A", "551199", "nothing like it"],
    "operation": ["Shop Recife", "VZ00000100", "req_100", "nothing like it"],
    "account": ["account 0"],
    "faileddelivery": ["log100"],
}


class Router:
    """Every query goes to the site that is being looked at."""

    current = SMALL

    def db_for_read(self, *_args: Any, **_hints: Any) -> str:
        return self.current

    db_for_write = db_for_read

    def allow_relation(self, *_args: Any, **_hints: Any) -> bool:
        return True


ROUTER = Router()


def configure(databases: dict[str, Any]) -> None:
    settings.configure(
        DATABASES=databases,
        DATABASE_ROUTERS=[ROUTER],
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            "django.contrib.sessions",
            "django.contrib.staticfiles",
            "rest_framework",
            "django_vzaps",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        STATIC_URL="static/",
        SECRET_KEY="for the benchmark only",  # noqa: S106
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        VZAPS={
            "CLIENT_TOKEN": "token",
            "CLIENT_SECRET": "secret",
            "ENCRYPTION_KEYS": ["Zm9yLXRlc3RzLW9ubHktMzItYnl0ZXMtbG9uZy1rZXk="],
            "WEBHOOK_BASE_URL": "https://example.com",
            "STALE_AFTER": 24 * 60 * 60,  # nothing grows stale while it is measured
        },
    )
    django.setup()


@dataclass
class Page:
    """A list page, and what was measured of it on either site."""

    name: str
    paths: dict[str, str]
    rows: dict[str, int] = field(default_factory=dict)
    queries: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=lambda: {SMALL: [], LARGE: []})

    def milliseconds(self, site: str) -> float:
        return 1000 * statistics.median(self.seconds[site])

    @property
    def ratio(self) -> float:
        return self.milliseconds(LARGE) / self.milliseconds(SMALL)

    @property
    def misses(self) -> bool:
        return self.ratio > GOAL and self.rows[SMALL] == self.rows[LARGE]


class Visitor:
    """A superuser's browser on each of the two sites."""

    def __init__(self) -> None:
        self._clients = {site: self._logged_in(site) for site in (SMALL, LARGE)}

    def _logged_in(self, site: str) -> Client:
        from django.contrib.auth import get_user_model
        from django.test import Client

        ROUTER.current = site
        client = Client()
        client.force_login(get_user_model().objects.get(username="admin"))
        return client

    def rows(self, site: str, path: str) -> int:
        """How many rows a list shows."""
        answer = self.get(site, path)
        if path.startswith("/api/"):
            return len(answer.json().get("results", ()))
        return len(answer.context["cl"].result_list)

    def get(self, site: str, path: str) -> Any:
        ROUTER.current = site
        answer = self._clients[site].get(path)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answers {answer.status_code} on the site {site}")
        return answer

    def time(self, page: Page, site: str) -> None:
        began = time.perf_counter()
        self.get(site, page.paths[site])
        page.seconds[site].append(time.perf_counter() - began)

    def count(self, page: Page, site: str) -> None:
        from django.db import connections
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connections[site]) as captured:
            self.get(site, page.paths[site])
        page.queries[site] = len(captured)

    def pages(self, only: str) -> Iterator[Page]:
        """Every list page there is: plain, filtered, ordered, searched, and the last one."""
        from django.contrib import admin
        from django.test.utils import setup_test_environment, teardown_test_environment
        from django.urls import reverse

        setup_test_environment()  # pages come with their context
        try:
            for model in sorted(admin.site._registry, key=lambda model: model._meta.label):
                meta = model._meta
                if meta.app_label != "django_vzaps":
                    continue
                path = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
                shown = {site: self.get(site, path).context["cl"] for site in (SMALL, LARGE)}
                page, name = shown[LARGE], meta.model_name or ""
                queries = {
                    "": "plain",
                    **_filters(page),
                    **_orders(page),
                    **{f"?{urlencode({'q': words})}": f"search {words}" for words in SEARCHES.get(name, [])},
                }
                found = [Page(f"{name}, {what}", dict.fromkeys(shown, path + query)) for query, what in queries.items()]
                if page.paginator.num_pages > 1:
                    last = {site: f"{path}?p={cl.paginator.num_pages}" for site, cl in shown.items()}
                    found.append(Page(f"{name}, last page", last))
                yield from self._wanted(found, only)
            yield from self._wanted(self._api_pages(), only)
        finally:
            teardown_test_environment()

    def _wanted(self, pages: Iterable[Page], only: str) -> Iterator[Page]:
        for page in pages:
            if only in page.name:
                page.rows = {site: self.rows(site, path) for site, path in page.paths.items()}
                yield page

    def _api_pages(self) -> list[Page]:
        from api_lists import queries

        from django_vzaps.models import Instance

        paths: dict[str, list[tuple[str, str]]] = {}
        for site in (SMALL, LARGE):
            ROUTER.current = site
            instance = Instance.objects.order_by("pk").values_list("vzaps_id", flat=True)[50]
            paths[site] = list(queries(instance))
        return [
            Page(name, {SMALL: small, LARGE: large})
            for (name, small), (_name, large) in zip(paths[SMALL], paths[LARGE], strict=True)
        ]


def _filters(page: Any) -> dict[str, str]:
    found = {}
    for spec in page.filter_specs:
        choices = [choice for choice in spec.choices(page) if not choice["selected"]]
        for choice in choices[:CHOICES]:
            found[str(choice["query_string"])] = f"{spec.title} {choice['display']}"
    return found


def _orders(page: Any) -> dict[str, str]:
    columns = [
        (number, name)
        for number, name in enumerate(page.list_display)
        if page.get_ordering_field(name) and name in page.sortable_by
    ]
    return {f"?o={sign}{number}": f"by {sign}{name}" for number, name in columns for sign in ("", "-")}


def fill(sizes: dict[str, Size]) -> None:
    from django.core.management import call_command
    from list_rows import Filler

    for site, size in sizes.items():
        ROUTER.current = site
        call_command("migrate", database=site, verbosity=0)
        print(f"{size}: made in {Filler(site, size).fill():.0f} s", flush=True)


def measure(*, rounds: int, only: str) -> None:
    visitor = Visitor()
    pages = list(visitor.pages(only))
    for site in (SMALL, LARGE):
        for page in pages:
            visitor.get(site, page.paths[site])  # templates and the database's cache are warm
            visitor.count(page, site)
    for number in range(rounds):
        for page in pages:
            for site in (SMALL, LARGE) if number % 2 else (LARGE, SMALL):
                visitor.time(page, site)
    width = max(len(page.name) for page in pages)
    print(f"\n{'list page':{width}}   queries        rows   small, ms   large, ms   ratio")
    for page in pages:
        queries = f"{page.queries[SMALL]}" + (
            "" if page.queries[SMALL] == page.queries[LARGE] else f" / {page.queries[LARGE]}"
        )
        rows = " / ".join(dict.fromkeys(str(page.rows[site]) for site in (SMALL, LARGE)))
        marks = " *" * page.misses + " q" * (max(page.queries.values()) > MOST_QUERIES)
        figures = f"{page.milliseconds(SMALL):9.1f}   {page.milliseconds(LARGE):9.1f}   {page.ratio:5.2f}"
        print(f"{page.name:{width}}   {queries:>7}   {rows:>9}   {figures}{marks}")
    slow, many = sum(page.misses for page in pages), sum(max(page.queries.values()) > MOST_QUERIES for page in pages)
    print(
        f"\n{len(pages)} pages, medians of {rounds}. At most {GOAL} times the small site's time: missed by {slow} (*)."
    )
    print(f"At most {MOST_QUERIES} queries: missed by {many} (q).")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smoke test: a tenth of the rows, and few rounds")
    parser.add_argument("--only", default="", help="measure the pages whose name has this in it, such as “instance”")
    parser.add_argument("--rounds", type=int, help="how often each page is timed on each site")
    parser.add_argument("--database", default="postgres://postgres@127.0.0.1:5432/", help="default: %(default)s")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    shrink = 10 if options.quick else 1
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            configure({site: stack.enter_context(database(options.database, folder)) for site in (SMALL, LARGE)})
            stack.callback(django.db.connections.close_all)
            from list_rows import Size

            fill(
                {
                    SMALL: Size(instances=1_000, events=10_000),
                    LARGE: Size(instances=100_000 // shrink, events=1_000_000 // shrink),
                }
            )
            measure(rounds=options.rounds or (3 if options.quick else 9), only=options.only)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


def urls() -> list[Any]:
    from django.contrib import admin
    from django.urls import include, path

    return [path("admin/", admin.site.urls), path("api/vzaps/", include("django_vzaps.api.urls"))]


def __getattr__(name: str) -> Any:
    # Asked for by Django once it is set up.
    if name == "urlpatterns":
        return urls()
    raise AttributeError(name)


if __name__ == "__main__":
    sys.exit(main())
