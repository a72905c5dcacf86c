"""A project unlike ours: its migrations must come out the same (``tox run -e migrations``)."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as USUAL_APPS

DEFAULT_AUTO_FIELD = "django.db.models.SmallAutoField"
USE_TZ = False
TIME_ZONE = "Asia/Kathmandu"
LANGUAGE_CODE = "de"
INSTALLED_APPS = [*USUAL_APPS, "tests.packaging.custom_user"]
AUTH_USER_MODEL = "custom_user.Person"
