"""The admin classes to build on: Django's, or those of the theme that the project has installed.

django-unfold's templates ask a model admin for more than Django's own has; whoever installs it wants its looks. The
console's own style sheets know Django's colours only: what unfold calls them is said in a sheet of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst

from django_vzaps.admin.display import NOTHING

IS_UNFOLD: Final = apps.is_installed("unfold")

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
    from django.contrib.admin.views.main import ChangeList
elif IS_UNFOLD:
    from unfold.admin import ModelAdmin as _ModelAdmin
    from unfold.admin import TabularInline
    from unfold.views import ChangeList
else:
    from django.contrib.admin import ModelAdmin as _ModelAdmin
    from django.contrib.admin import TabularInline
    from django.contrib.admin.views.main import ChangeList

__all__ = ["ChangeList", "ModelAdmin", "TabularInline"]


class ModelAdmin(_ModelAdmin):
    """What every list and page of the console is made with."""

    #: Whether the pages have other templates than Django's.
    is_themed: Final = IS_UNFOLD
    empty_value_display = NOTHING

    class Media:
        css = {"all": ["django_vzaps/admin.css", *(["django_vzaps/unfold.css"] if IS_UNFOLD else [])]}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Django's list under the name of what it lists: most rows are looked at here, and none is to be changed."""
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})
