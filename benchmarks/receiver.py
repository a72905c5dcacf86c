"""How fast the webhook takes events in, beside a bare Django view that inserts one row.

    python benchmarks/receiver.py [--quick]

The bare view decodes the body and creates one row of the same table with the ORM: no secret, no duplicates, no
redaction, no doorbell. A second one does so in a table that has no index but the primary key. All run in this process,
behind the same WSGI handler without middleware, on one connection to a SQLite database (WAL), in rounds that alternate.
Prints events per second, ratios, queries per event, and for other bodies the peak of memory. Exit code 1 where the
ratio to the bare view is under 0.75.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import sys
import tempfile
import time
import tracemalloc
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import django
from django.conf import settings

FLOOR, GOAL = 0.75, 0.85
SECRET = "s" * 43
MEGABYTE = 1024 * 1024

Post = Callable[[bytes], int]


def configure(folder: Path) -> None:
    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": folder / "receiver.sqlite3",
                "CONN_MAX_AGE": None,  # opening a connection would be most of either view's time
                "OPTIONS": {
                    "transaction_mode": "IMMEDIATE",
                    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
                    "timeout": 20,
                },
            }
        },
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_vzaps"],
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        MIDDLEWARE=[],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATA_UPLOAD_MAX_MEMORY_SIZE=None,  # the bare view reads 10 MB as well
        LOGGING={"version": 1, "loggers": {"django.request": {"level": "CRITICAL"}}},
        VZAPS={
            "CLIENT_TOKEN": "token",
            "CLIENT_SECRET": "secret",
            "ENCRYPTION_KEYS": ["Zm9yLXRlc3RzLW9ubHktMzItYnl0ZXMtbG9uZy1rZXk="],
            "WEBHOOK_BASE_URL": "https://example.com",
            "WEBHOOK_MAX_BYTES": 16 * MEGABYTE,
        },
    )
    django.setup()


class Site:
    """The two views, and what they need."""

    def __init__(self) -> None:
        from celery import Celery
        from django.core.handlers.wsgi import WSGIHandler
        from django.core.management import call_command
        from django.db import connection, models
        from django.http import HttpRequest, JsonResponse
        from django.urls import include, path
        from django.utils import timezone
        from django.views.decorators.csrf import csrf_exempt

        from django_vzaps import crypto
        from django_vzaps.models import Account, Event, Instance, Webhook

        call_command("migrate", verbosity=0)
        # One task is sent for all events: nothing runs it, and its bell is found ringing by every other event.
        Celery("benchmark", broker="memory://", set_as_current=True)
        instance = Instance.objects.create(account=Account.objects.create(name="default"), vzaps_id="VZ0001")
        webhook = Webhook.objects.create(
            instance=instance, public_id=uuid.uuid4(), secret_hash=crypto.hash_secret(SECRET)
        )

        class Row(models.Model):
            instance_id = models.BigIntegerField()
            payload = models.TextField()
            received_at = models.DateTimeField()

            class Meta:
                app_label = "benchmark"

            def __str__(self) -> str:
                return f"{self.pk}"

        with connection.schema_editor() as editor:
            editor.create_model(Row)

        @csrf_exempt
        def bare(request: HttpRequest, instance_id: int) -> JsonResponse:
            event = json.loads(request.body)["json_data"]
            info = event["event"]["info"]
            Event.objects.create(
                instance_id=instance_id,
                type=event["type"],
                payload=json.dumps(event),
                received_at=timezone.now(),
                message_id=info["id"],
                chat=info["chat"],
            )
            return JsonResponse({"status": "ok"})

        @csrf_exempt
        def without_indexes(request: HttpRequest, instance_id: int) -> JsonResponse:
            event = json.loads(request.body)
            Row.objects.create(instance_id=instance_id, payload=json.dumps(event), received_at=timezone.now())
            return JsonResponse({"status": "ok"})

        global urlpatterns
        urlpatterns = [
            path("bare/<int:instance_id>", bare),
            path("without-indexes/<int:instance_id>", without_indexes),
            path("vzaps/", include("django_vzaps.urls")),
        ]
        self.bare_path = f"/bare/{instance.pk}"
        self.without_indexes_path = f"/without-indexes/{instance.pk}"
        self.path = f"/vzaps/webhook/{webhook.public_id}/{SECRET}"
        self.forged_path = f"/vzaps/webhook/{webhook.public_id}/{SECRET[:-1]}x"
        self._handler = WSGIHandler()

    def post(self, path: str) -> Post:
        def post(body: bytes) -> int:
            status: list[str] = []
            environ = {
                "REQUEST_METHOD": "POST",
                "PATH_INFO": path,
                "SERVER_NAME": "localhost",
                "SERVER_PORT": "80",
                "SERVER_PROTOCOL": "HTTP/1.1",
                "CONTENT_TYPE": "application/json",
                "CONTENT_LENGTH": str(len(body)),
                "REMOTE_ADDR": "203.0.113.7",
                "wsgi.input": io.BytesIO(body),
                "wsgi.errors": sys.stderr,
                "wsgi.url_scheme": "http",
            }
            answer = self._handler(environ, lambda line, headers: status.append(line))
            for _part in answer:
                pass
            answer.close()  # as a server does; it ends the request
            return int(status[0][:3])

        return post


urlpatterns: list[Any] = []


def messages(count: int, size: int = 0) -> list[bytes]:
    """Distinct messages as VZaps posts them; ``size``: characters of text."""
    from django_vzaps.testing import events

    return [json.dumps({"json_data": events.message("x" * size or f"message {n}")}).encode() for n in range(count)]


def seconds(post: Post, bodies: Iterable[bytes], expected: int = 200) -> float:
    began = time.perf_counter()
    for body in bodies:
        assert post(body) == expected
    return time.perf_counter() - began


def queries(post: Post, body: bytes) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        post(body)
    return len(captured)


def peak(post: Post, body: bytes) -> float:
    """Megabytes allocated at most while the body is taken in, beside the body."""
    tracemalloc.start()
    post(body)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / MEGABYTE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smoke test: few events, and no verdict")
    quick = parser.parse_args().quick
    rounds, count = (2, 20) if quick else (5, 500)
    with tempfile.TemporaryDirectory() as folder:
        configure(Path(folder))
        return measure(Site(), rounds=rounds, count=count, quick=quick)


def measure(site: Site, *, rounds: int, count: int, quick: bool) -> int:
    views = {
        "webhook": site.post(site.path),
        "bare": site.post(site.bare_path),
        "without indexes": site.post(site.without_indexes_path),
    }
    ours, bare, forged = views["webhook"], views["bare"], site.post(site.forged_path)
    for post in views.values():
        seconds(post, messages(count))
    speeds: dict[str, list[float]] = {name: [] for name in views}
    for number in range(rounds):
        order = list(views) if number % 2 else list(reversed(views))
        for name in order:
            # Each its own: what one view stored is a duplicate for another.
            speeds[name].append(count / seconds(views[name], messages(count)))
    (again,) = messages(1)
    seconds(ours, [again])
    print(f"{rounds} rounds of {count} messages   events/s, median   ratio (rounds)        queries per event")
    ratio = 1.0
    for name, found in speeds.items():
        ratios = [mine / theirs for mine, theirs in zip(speeds["webhook"], found, strict=True)]
        beside = (
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if name != "webhook" else ""
        )
        print(f"{name:26} {statistics.median(found):18,.0f}   {beside:20} {queries(views[name], messages(1)[0]):18}")
        if name == "bare":
            ratio = statistics.median(ratios)
    print(f"ratio to bare {ratio:.2f}; goal {GOAL}, floor {FLOOR}")
    print()
    print("other bodies                  events/s    queries    peak MB    bare events/s    bare peak MB")
    cases: list[tuple[str, Post, list[bytes], int]] = [
        ("forged", forged, messages(count), 404),
        ("duplicate", ours, [again] * count, 200),
        ("1 MB", ours, messages(max(2, count // 50), MEGABYTE), 200),
        ("10 MB", ours, messages(max(2, count // 250), 10 * MEGABYTE), 200),
    ]
    for name, post, bodies, expected in cases:
        speed = len(bodies) / seconds(post, bodies, expected)
        theirs = (
            len(bodies) / seconds(bare, messages(len(bodies), len(bodies[0]) // MEGABYTE * MEGABYTE))
            if expected == 200
            else None
        )
        extra = messages(1, len(bodies[0]) if len(bodies[0]) >= MEGABYTE else 0)[0]
        row = f"{name:26} {speed:11,.0f} {queries(post, bodies[0]):10} {peak(post, extra):10.1f}"
        print(row + (f" {theirs:16,.0f} {peak(bare, extra):15.1f}" if theirs else ""))
    return 0 if quick or ratio >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
