from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from rest_framework.test import APIClient

from tests.known import account, fresh_clients, instance

__all__ = ["account", "fresh_clients", "instance"]

ROOT = "/api/vzaps/"
ClientWith = Callable[..., APIClient]


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_superuser("operator")


@pytest.fixture
def api(operator: User) -> APIClient:
    """A program that may do everything."""
    return program_of(operator)


@pytest.fixture
def api_with(db: None) -> ClientWith:
    """A program whose user has just these permissions."""

    def log_in(*codenames: str) -> APIClient:
        user = User.objects.create_user(f"program{User.objects.count()}")
        user.user_permissions.set(
            Permission.objects.filter(content_type__app_label="django_vzaps", codename__in=codenames)
        )
        assert user.user_permissions.count() == len(codenames)
        return program_of(user)

    return log_in


def program_of(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def problem(response: Any, kind: str) -> dict[str, Any]:
    """The body of an answer that is this kind of problem."""
    body: dict[str, Any] = response.json()
    assert response["Content-Type"] == "application/problem+json", body
    assert body["type"] == f"urn:django-vzaps:problem:{kind}", body
    assert body["status"] == response.status_code
    return body
