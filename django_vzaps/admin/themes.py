"""The admin classes to build on: Django's, or those of the theme that the project has installed.

django-unfold's templates ask a model admin for more than Django's own has; whoever installs it wants its looks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib import admin

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
    from django.contrib.admin.views.main import ChangeList
elif apps.is_installed("unfold"):
    from unfold.admin import ModelAdmin, TabularInline
    from unfold.views import ChangeList
else:
    from django.contrib.admin import ModelAdmin, TabularInline
    from django.contrib.admin.views.main import ChangeList

__all__ = ["ChangeList", "ModelAdmin", "TabularInline"]
