"""A Django site that runs WhatsApp numbers with django_vzaps."""

from __future__ import annotations

# Imported here so that the site, and not only the worker, knows the broker.
from example.celery import app as celery_app

__all__ = ["celery_app"]
