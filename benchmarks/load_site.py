"""The site that load.py puts under load, served by gunicorn and a Celery worker; the environment names its servers."""

from __future__ import annotations

import json
import os
import time
import uuid
from urllib.parse import unquote, urlsplit

import django
from celery import Celery
from django.conf import settings

#: Of the database, the queue and whatever else a run makes.
NAME = os.environ["VZAPS_LOAD_NAME"]
SECRET = "s" * 43
_server = urlsplit(os.environ["VZAPS_LOAD_DATABASE"])
# By this variable Celery knows a Django site, whose connections it closes after a fork and after each task.
os.environ["DJANGO_SETTINGS_MODULE"] = __name__
settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": NAME,
            "USER": unquote(_server.username or ""),
            "PASSWORD": unquote(_server.password or ""),
            "HOST": _server.hostname or "",
            "PORT": str(_server.port or ""),
            "CONN_MAX_AGE": None,  # opening a connection would be most of either view's time
        }
    },
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_vzaps"],
    SECRET_KEY=SECRET,
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    MIDDLEWARE=[],
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    LOGGING={"version": 1, "loggers": {"django.request": {"level": "CRITICAL"}}},
    VZAPS={
        "CLIENT_TOKEN": "token",
        "CLIENT_SECRET": "secret",
        "ENCRYPTION_KEYS": ["Zm9yLXRlc3RzLW9ubHktMzItYnl0ZXMtbG9uZy1rZXk="],
        "WEBHOOK_BASE_URL": "https://example.com",
    },
)
django.setup()

# What follows needs the settings.
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.utils import timezone  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402

from django_vzaps import crypto  # noqa: E402
from django_vzaps.events import MessageEvent, on  # noqa: E402
from django_vzaps.models import Account, Event, EventQueue, EventState, Instance, Webhook  # noqa: E402

application = WSGIHandler()
celery = Celery(NAME, broker=os.environ["VZAPS_LOAD_BROKER"], set_as_current=True)
celery.conf.update(
    task_default_queue=NAME,
    task_ignore_result=True,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=False,
    # Redis keeps what is not acknowledged under names that all share.
    broker_transport_options={"global_keyprefix": f"{NAME}:"},
)
celery.autodiscover_tasks(["django_vzaps"])


class Handled(models.Model):
    """What the handler does: one row, with the times of sending and of handling."""

    instance_id = models.BigIntegerField()
    sent = models.FloatField()
    at = models.FloatField()

    objects: models.Manager[Handled] = models.Manager()

    class Meta:
        app_label = "benchmark"

    def __str__(self) -> str:
        return f"{self.pk}"


@on("Message")
def handle(event: MessageEvent) -> None:
    Handled.objects.create(instance_id=event.instance.pk, sent=float(event.text), at=time.time())


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


urlpatterns = [path("bare/<int:instance_id>", bare), path("vzaps/", include("django_vzaps.urls"))]


def fill(count: int) -> tuple[list[str], dict[str, int]]:
    """Make the tables and ``count`` instances: the bare view's paths, and the receiver's with the instances' ids."""
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Handled)
    account = Account.objects.create(name="default")
    bare_paths, paths = [], {}
    for number in range(count):
        # The bare view's own, whose events nobody is woken for.
        bare_paths.append(f"/bare/{Instance.objects.create(account=account, vzaps_id=f'BARE{number}').pk}")
        instance = Instance.objects.create(account=account, vzaps_id=f"VZ{number}")
        hook = Webhook.objects.create(instance=instance, public_id=uuid.uuid4(), secret_hash=crypto.hash_secret(SECRET))
        paths[f"/vzaps/webhook/{hook.public_id}/{SECRET}"] = instance.pk
    return bare_paths, paths


def is_quiet() -> bool:
    """Whether the worker has nothing more to do."""
    waiting = Event.objects.due().exclude(instance__vzaps_id__startswith="BARE")  # the bare view's wait for nobody
    return not (waiting.exists() or EventQueue.objects.exclude(lease_holder="").exists())


def give_up() -> None:
    """Leave nothing to be handled."""
    Event.objects.filter(state=EventState.PENDING).update(state=EventState.IGNORED)


def empty() -> None:
    """Forget all events and whatever was rung for them."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {Event._meta.db_table}, {Handled._meta.db_table} CASCADE")
    EventQueue.objects.update(rung_until=None, lease_until=None, lease_holder="")


def waited(instance_pk: int | None = None) -> list[float]:
    """Seconds from sending to handling, of the events of one instance or of all."""
    found = Handled.objects.all() if instance_pk is None else Handled.objects.filter(instance_id=instance_pk)
    return [at - sent for at, sent in found.values_list("at", "sent")]
