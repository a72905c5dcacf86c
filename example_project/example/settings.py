"""Settings of the example site. Everything that differs from place to place comes from the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from django.core.management.utils import get_random_secret_key

from django_vzaps.schedules import BEAT_SCHEDULE
from example.environment import database, kept

#: Everything that is written down here: database, broker, generated keys.
VAR = Path(os.environ.get("EXAMPLE_VAR") or Path(__file__).resolve().parent.parent / "var").resolve()
VAR.mkdir(parents=True, exist_ok=True)

DEBUG = os.environ.get("DEBUG", "1") == "1"
SECRET_KEY = os.environ.get("SECRET_KEY") or kept(VAR / "secret_key", get_random_secret_key)
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "127.0.0.1,localhost").split(",")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "drf_spectacular_sidecar",  # the page of the API's documentation loads nothing from elsewhere
    "django_vzaps",
    "example",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
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
]
ROOT_URLCONF = "example.urls"
STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"
DATABASES = {"default": database(os.environ.get("DATABASE_URL", ""), VAR / "db.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = os.environ.get("TZ") or "UTC"

REST_FRAMEWORK = {
    # The first one says how to log in: so nobody is told 401, and not 403.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Example site",
    "VERSION": "1",
    "DESCRIPTION": (
        "To try it out here: log in to [the admin](/admin/), or press *Authorize* and give `tokenAuth` the word "
        "`Token`, a space and the token that the demo printed when it started."
    ),
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(name)s: %(message)s", "datefmt": "%H:%M:%S"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"example": {"level": "INFO"}},
}

# Without credentials in the environment the site talks to the fake service of "manage.py demo".
_own_account = "VZAPS_CLIENT_TOKEN" in os.environ
VZAPS: dict[str, Any] = {
    "CLIENT_TOKEN": os.environ.get("VZAPS_CLIENT_TOKEN", "demo-client-token"),
    "CLIENT_SECRET": os.environ.get("VZAPS_CLIENT_SECRET", "" if _own_account else "demo-client-secret"),
    "BASE_URL": os.environ.get("VZAPS_BASE_URL")
    or ("https://api.vzaps.com" if _own_account else "http://127.0.0.1:8001"),
    "WEBHOOK_BASE_URL": os.environ.get("VZAPS_WEBHOOK_BASE_URL") or ("" if _own_account else "http://127.0.0.1:8000"),
    "ENCRYPTION_KEYS": (
        os.environ.get("VZAPS_ENCRYPTION_KEYS") or kept(VAR / "encryption_key", lambda: Fernet.generate_key().decode())
    ).split(","),
    "READ_ONLY": os.environ.get("VZAPS_READ_ONLY") == "1",
    "ALERT_RECIPIENTS": ["ops@example.com"],
}

# Mails about alerts are files to look at: nothing leaves this machine.
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = VAR / "mails"

CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL", "filesystem://localhost")
if CELERY_BROKER_URL.startswith("filesystem:"):  # Needs no server: each message is a file.
    _queue, _control = VAR / "broker" / "queue", VAR / "broker" / "control"
    for folder in (_queue, _control):
        folder.mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_queue),
        "data_folder_out": str(_queue),
        "control_folder": str(_control),
        "polling_interval": 0.1,  # seconds; the default of 1 is felt as a delay
    }
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE}
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR / "beat-schedule")
