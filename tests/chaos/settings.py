"""The site under test: that of the suite, with real processes around it and times short enough to be waited for."""

from __future__ import annotations

import os

from django_vzaps.schedules import BEAT_SCHEDULE
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
}

CELERY_BROKER_URL = os.environ["CHAOS_BROKER_URL"]
CELERY_BROKER_TRANSPORT_OPTIONS = {"global_keyprefix": os.environ["CHAOS_PREFIX"]}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_BEAT_SCHEDULE = {
    name: {**entry, "schedule": 1.0}
    for name, entry in BEAT_SCHEDULE.items()
    if name in os.environ["CHAOS_SCHEDULE"].split()
}
