"""Mount with ``path("vzaps/", include("django_vzaps.urls"))``."""

from __future__ import annotations

from django.urls import path

from django_vzaps import views
from django_vzaps.metrics.views import metrics

app_name = "django_vzaps"
urlpatterns = [
    path("webhook/<uuid:public_id>/<str:secret>", views.webhook, name="webhook"),
    # VZaps would not follow a redirect, so the other form is answered as well. Without a name: reverse gives the first.
    path("webhook/<uuid:public_id>/<str:secret>/", views.webhook),
    path("metrics/", metrics, name="metrics"),
]
