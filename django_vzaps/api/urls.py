"""Mount with ``path("api/vzaps/", include("django_vzaps.api.urls"))``."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import path, re_path

from django_vzaps.api.views.accounts import AccountViewSet
from django_vzaps.api.views.alerts import AlertViewSet
from django_vzaps.api.views.base import APIViewSet
from django_vzaps.api.views.batches import BatchViewSet
from django_vzaps.api.views.billing import SubscriptionViewSet
from django_vzaps.api.views.changes import ChangeViewSet
from django_vzaps.api.views.deliveries import DeliveryViewSet
from django_vzaps.api.views.elsewhere import ElsewhereViewSet
from django_vzaps.api.views.events import EventViewSet
from django_vzaps.api.views.health import HealthViewSet
from django_vzaps.api.views.instances import InstanceViewSet
from django_vzaps.api.views.messages import MessageViewSet
from django_vzaps.api.views.operations import OperationViewSet
from django_vzaps.api.views.session import SessionViewSet
from django_vzaps.api.views.webhook import WebhookViewSet

app_name = "django_vzaps_api"

if find_spec("drf_spectacular") is not None:
    from django_vzaps.api.openapi.schema import Schema

    # Beside whatever DEFAULT_SCHEMA_CLASS describes the project's own views with.
    APIViewSet.schema = Schema()

_INSTANCE = "instances/<str:vzaps_id>/"

urlpatterns = [
    path("accounts/", AccountViewSet.as_view({"get": "list", "post": "create"}), name="accounts"),
    path(
        "accounts/<int:pk>/",
        AccountViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="account",
    ),
    path(
        "accounts/<int:pk>/check-credentials/",
        AccountViewSet.as_view({"post": "check_credentials"}),
        name="account-check-credentials",
    ),
    path("accounts/<int:pk>/sync/", AccountViewSet.as_view({"post": "sync"}), name="account-sync"),
    path("instances/", InstanceViewSet.as_view({"get": "list", "post": "create"}), name="instances"),
    path(
        _INSTANCE,
        InstanceViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="instance",
    ),
    path(f"{_INSTANCE}sync/", InstanceViewSet.as_view({"post": "sync"}), name="instance-sync"),
    path(f"{_INSTANCE}restart/", InstanceViewSet.as_view({"post": "restart"}), name="instance-restart"),
    path(f"{_INSTANCE}changes/", ChangeViewSet.as_view({"get": "list"}), name="changes"),
    path(f"{_INSTANCE}subscription/", SubscriptionViewSet.as_view({"get": "retrieve"}), name="subscription"),
    path(
        f"{_INSTANCE}subscription/refresh/",
        SubscriptionViewSet.as_view({"post": "refresh"}),
        name="subscription-refresh",
    ),
    path(f"{_INSTANCE}subscribe/", SubscriptionViewSet.as_view({"post": "subscribe"}), name="subscribe"),
    path(
        f"{_INSTANCE}cancel-subscription/",
        SubscriptionViewSet.as_view({"post": "cancel"}),
        name="cancel-subscription",
    ),
    path(
        f"{_INSTANCE}resume-subscription/",
        SubscriptionViewSet.as_view({"post": "resume"}),
        name="resume-subscription",
    ),
    path(f"{_INSTANCE}session/", SessionViewSet.as_view({"get": "retrieve"}), name="session"),
    path(f"{_INSTANCE}session/status/", SessionViewSet.as_view({"post": "status"}), name="session-status"),
    path(
        f"{_INSTANCE}session/qr/",
        SessionViewSet.as_view({"post": "begin_qr", "get": "look", "delete": "stop"}),
        name="session-qr",
    ),
    path(f"{_INSTANCE}session/pair-code/", SessionViewSet.as_view({"post": "pair_code"}), name="session-pair-code"),
    path(f"{_INSTANCE}session/disconnect/", SessionViewSet.as_view({"post": "disconnect"}), name="session-disconnect"),
    path(f"{_INSTANCE}webhook/", WebhookViewSet.as_view({"get": "retrieve"}), name="webhook"),
    path(f"{_INSTANCE}webhook/check/", WebhookViewSet.as_view({"post": "check"}), name="webhook-check"),
    path(f"{_INSTANCE}webhook/apply/", WebhookViewSet.as_view({"post": "apply"}), name="webhook-apply"),
    path(
        f"{_INSTANCE}webhook/rotate-secret/",
        WebhookViewSet.as_view({"post": "rotate_secret"}),
        name="webhook-rotate-secret",
    ),
    path(f"{_INSTANCE}deliveries/", DeliveryViewSet.as_view({"get": "search"}), name="deliveries"),
    path(
        f"{_INSTANCE}deliveries/<path:log_id>/retry/",
        DeliveryViewSet.as_view({"post": "retry"}),
        name="delivery-retry",
    ),
    path(f"{_INSTANCE}messages/", MessageViewSet.as_view({"post": "send"}), name="messages"),
    path("alerts/", AlertViewSet.as_view({"get": "list"}), name="alerts"),
    path("alerts/<int:pk>/", AlertViewSet.as_view({"get": "retrieve"}), name="alert"),
    path("events/", EventViewSet.as_view({"get": "list"}), name="events"),
    path("events/<int:pk>/", EventViewSet.as_view({"get": "retrieve"}), name="event"),
    path("events/<int:pk>/replay/", EventViewSet.as_view({"post": "replay"}), name="event-replay"),
    path("operations/", OperationViewSet.as_view({"get": "list"}), name="operations"),
    path("operations/<int:pk>/", OperationViewSet.as_view({"get": "retrieve"}), name="operation"),
    path("operations/<int:pk>/settle/", OperationViewSet.as_view({"post": "settle"}), name="operation-settle"),
    path("operations/<int:pk>/decide/", OperationViewSet.as_view({"post": "decide"}), name="operation-decide"),
    path("batches/", BatchViewSet.as_view({"get": "list", "post": "create"}), name="batches"),
    path("batches/<uuid:public_id>/", BatchViewSet.as_view({"get": "retrieve"}), name="batch"),
    path("batches/<uuid:public_id>/items/", BatchViewSet.as_view({"get": "items"}), name="batch-items"),
    path("batches/<uuid:public_id>/retry/", BatchViewSet.as_view({"post": "retry"}), name="batch-retry"),
    path("batches/<uuid:public_id>/stop/", BatchViewSet.as_view({"post": "stop"}), name="batch-stop"),
    path("health/", HealthViewSet.as_view({"get": "retrieve"}), name="health"),
    # Also without a slash at the end: Django would lead there, and most clients would make a GET of a POST on the way.
    re_path(
        r"^.*$",
        ElsewhereViewSet.as_view(dict.fromkeys(("get", "post", "put", "patch", "delete"), "nothing")),
        name="elsewhere",
    ),
]
