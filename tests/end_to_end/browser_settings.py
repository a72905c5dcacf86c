"""A site of its own process for the browser: a database file, and the fake as VZaps."""

from __future__ import annotations

import os
from typing import Any

import django

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
THEME = os.environ.get("BROWSER_THEME", "")
INSTALLED_APPS = [*([THEME] if THEME else []), *USUAL_APPS, "tests.end_to_end.shop"]

# No inline script or style; a violation is an error in the console. Themes need more than that for their own scripts.
SECURE_CSP = {"default-src": ["'self'"], "img-src": ["'self'", "data:"], "form-action": ["'self'"]}
if THEME:
    MIDDLEWARE = USUAL_MIDDLEWARE
elif django.VERSION >= (6, 0):
    MIDDLEWARE = ["django.middleware.csp.ContentSecurityPolicyMiddleware", *USUAL_MIDDLEWARE]
else:
    MIDDLEWARE = ["tests.end_to_end.browser_settings.strict_csp", *USUAL_MIDDLEWARE]
VZAPS = {
    **USUAL_VZAPS,
    "BASE_URL": os.environ["BROWSER_VZAPS"],
    "WEBHOOK_BASE_URL": os.environ["BROWSER_SITE"],
    "TASKS": os.environ.get("BROWSER_TASKS", "inline"),
}


def strict_csp(get_response: Any) -> Any:
    """As Django's own middleware, which came with 6.0."""
    policy = "; ".join(f"{directive} {' '.join(sources)}" for directive, sources in SECURE_CSP.items())

    def middleware(request: Any) -> Any:
        response = get_response(request)
        response["Content-Security-Policy"] = policy
        return response

    return middleware
