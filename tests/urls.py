from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/vzaps/", include("django_vzaps.api.urls")),
    path("vzaps/", include("django_vzaps.urls")),
]
