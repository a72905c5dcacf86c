"""Mount with ``path("vzaps/", include("django_vzaps.urls"))``."""

from __future__ import annotations

app_name = "django_vzaps"
urlpatterns: list[object] = []
