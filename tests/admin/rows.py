"""Instances for tests of their list, and what the list shows of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import patch

from django.db.models import QuerySet
from django.template.response import SimpleTemplateResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_vzaps.models import Account, Event, Instance, Webhook

WANTED = ["Connected", "Message"]
HOOK = "example.com/in"


def make(account: Account, name: str, **columns: object) -> Instance:
    return Instance.objects.create(account=account, vzaps_id=f"VZ{name}"[:255], name=name, **columns)


def hook(instance: Instance, **columns: Any) -> Webhook:
    """A webhook that is as it should be, but for ``columns``."""
    as_it_should = {
        "desired_events": WANTED,
        "actual_events": WANTED,
        "desired_host_and_path": HOOK,
        "actual_host_and_path": HOOK,
        "checked_at": timezone.now(),
    }
    return Webhook.objects.create(instance=instance, **as_it_should | columns)


def event(instance: Instance, state: str, **columns: Any) -> Event:
    return Event.objects.create(instance=instance, type="Message", payload="{}", state=state, **columns)


def shown(client: Client, **query: str) -> Any:
    response = client.get(reverse("admin:django_vzaps_instance_changelist"), query)
    assert response.status_code == 200
    return response.context["cl"]


def listing(client: Client, model: str, **query: Any) -> Any:
    """As a list finds it; the page is not drawn, which is most of its price."""
    with patch.object(SimpleTemplateResponse, "rendered_content", ""):
        response: Any = client.get(reverse(f"admin:django_vzaps_{model}_changelist"), query)
    assert response.status_code == 200
    return response.context_data["cl"]


def names(client: Client, **query: str) -> set[str]:
    return {str(row) for row in listing(client, "instance", **query).result_list}


def counts(client: Client, **query: str) -> dict[str, str]:
    return {str(item["label"]): item["count"] for item in listing(client, "instance", **query).strip}


def ago(**past: float) -> Any:
    return timezone.now() - timedelta(**past)


def ahead(**future: float) -> Any:
    # A little more, because it is a little later when it is read.
    return timezone.now() + timedelta(**future) + timedelta(seconds=30)


def theirs(user: Any, instances: QuerySet[Instance]) -> QuerySet[Instance]:
    """A scope: whose it is may see it."""
    return instances.filter(owner=user)
