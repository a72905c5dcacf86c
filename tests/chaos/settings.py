"""The site under test: that of the suite, with real processes around it and times short enough to be waited for."""

from __future__ import annotations

import os

from django_vzaps.schedules import BEAT_SCHEDULE, TASK_ROUTES
from tests.chaos import SQLITE_OPTIONS
from tests.chaos.celery import app as celery_app  # noqa: F401 - each process must have it, the web's too
from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, INSTALLED_APPS, VZAPS

if "CHAOS_SQLITE" in os.environ:
    DATABASES["default"] = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["CHAOS_SQLITE"],
        "OPTIONS": SQLITE_OPTIONS,
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60

INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos"]

SILENCED_SYSTEM_CHECKS = ["django_vzaps.E007"]  # http will do on this machine
VZAPS = {
    **VZAPS,
    "BASE_URL": os.environ["CHAOS_VZAPS_URL"],
    "WEBHOOK_BASE_URL": os.environ["CHAOS_SITE_URL"],
    "TASKS": "celery",
    "DRAIN_LEASE": 2,
    "SYNC_LEASE": 2,
}

CELERY_BROKER_URL = os.environ["CHAOS_BROKER_URL"]
if CELERY_BROKER_URL.startswith("redis:"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {"global_keyprefix": os.environ["CHAOS_PREFIX"]}
CELERY_TASK_DEFAULT_QUEUE = f"{os.environ['CHAOS_PREFIX']}celery"
if "CHAOS_ROUTES" in os.environ:
    CELERY_TASK_ROUTES = {
        task: {"queue": f"{os.environ['CHAOS_PREFIX']}{route['queue']}"} for task, route in TASK_ROUTES.items()
    }
if "CHAOS_SOFT_LIMIT" in os.environ:
    CELERY_TASK_ANNOTATIONS = {
        "django_vzaps.drain_instance": {"soft_time_limit": float(os.environ["CHAOS_SOFT_LIMIT"])}
    }
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# On Redis it is the only line that is always listened on. A worker whose hands are full when Redis goes notices by it.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = CELERY_BROKER_URL.startswith("redis:")
CELERY_BEAT_SCHEDULE = {
    name: {**entry, "schedule": 1.0}
    for name, entry in BEAT_SCHEDULE.items()
    if name in os.environ["CHAOS_SCHEDULE"].split()
}
