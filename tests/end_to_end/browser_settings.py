"""A site of its own process for the browser: a database file, and the fake as VZaps."""

from __future__ import annotations

import os
from typing import Any

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as USUAL_APPS
from tests.settings import MIDDLEWARE as USUAL_MIDDLEWARE
from tests.settings import VZAPS as USUAL_VZAPS

DEBUG = True  # static files are served
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["BROWSER_DATABASE"],
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
        "ATOMIC_REQUESTS": True,
    }
}
INSTALLED_APPS = [*USUAL_APPS, "tests.end_to_end.shop"]
MIDDLEWARE = ["tests.end_to_end.browser_settings.strict_csp", *USUAL_MIDDLEWARE]
VZAPS = {
    **USUAL_VZAPS,
    "BASE_URL": os.environ["BROWSER_VZAPS"],
    "WEBHOOK_BASE_URL": os.environ["BROWSER_SITE"],
}


def strict_csp(get_response: Any) -> Any:
    """Every page under a policy without inline scripts and styles; a violation is an error in the console."""

    def middleware(request: Any) -> Any:
        response = get_response(request)
        response["Content-Security-Policy"] = "default-src 'self'; img-src 'self' data:; form-action 'self'"
        return response

    return middleware
