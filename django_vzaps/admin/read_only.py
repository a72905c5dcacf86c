"""Rows that people look at and nobody edits."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.http import HttpRequest

from django_vzaps.admin.themes import ModelAdmin, TabularInline


class ReadOnlyAdmin(ModelAdmin):
    """Lists and shows; Django's add, change and delete are refused to everybody."""

    actions: Any = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class ReadOnlyInline(TabularInline):
    """Shown to whoever may see the row it belongs to."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self.admin_site._registry[self.parent_model].has_view_permission(request, obj)
