from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DjangoVZapsConfig(AppConfig):
    name = "django_vzaps"
    label = "django_vzaps"
    verbose_name = _("WhatsApp (VZaps)")
    default_auto_field = "django.db.models.BigAutoField"
