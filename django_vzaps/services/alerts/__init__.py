"""Noticing what a person should know of, and telling them once.

:func:`check` is run every minute; what there is to know is in :class:`~django_vzaps.models.Alert`.
"""

from __future__ import annotations

from django_vzaps.services.alerts.checking import CheckReport, check
from django_vzaps.services.alerts.words import about, advice, link, meaning, title, url

__all__ = ["CheckReport", "about", "advice", "check", "link", "meaning", "title", "url"]
