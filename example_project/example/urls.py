from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("vzaps/", include("django_vzaps.urls")),
    path("api/vzaps/", include("django_vzaps.api.urls")),
    # Open to everybody: they say what the API is, and hold no data. DEFAULT_PERMISSION_CLASSES would close them.
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
]
