from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DjangoVZapsConfig(AppConfig):
    name = "django_vzaps"
    label = "django_vzaps"
    verbose_name = _("WhatsApp (VZaps)")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks and the project's handlers, and keep the webhook's secret out of logs."""
        from django_vzaps import checks, logs  # noqa: F401 - checks register themselves
        from django_vzaps.events import checks as event_checks  # noqa: F401
        from django_vzaps.events import handlers

        logs.attach()
        handlers.autodiscover()
