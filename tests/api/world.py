"""What it takes to get into trouble."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from django_vzaps.client import VZapsClient
from django_vzaps.models import Instance
from django_vzaps.services import clients
from django_vzaps.testing import FakeVZaps
from tests.api.conftest import ROOT, program_of


@dataclass
class World:
    """One instance, a program that may do everything, and all that can be made to go wrong."""

    api: APIClient
    instance: Instance
    fake: FakeVZaps
    settings: Any
    monkeypatch: pytest.MonkeyPatch

    def ask(self, path: str, body: Any = None, *, api: APIClient | None = None, **more: Any) -> Any:
        """Post to a path below the instance."""
        url = f"{ROOT}instances/{self.instance.vzaps_id}/{path}"
        return (api or self.api).post(url, body, format="json", **more)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Ask for a path below the API's; ``{id}`` is the instance's, also in the body."""
        given, id_ = None if body is None else json.dumps(body), self.instance.vzaps_id
        text = "" if given is None else given.replace("{id}", id_)
        return self.api.generic(method.upper(), ROOT + path.replace("{id}", id_), text, "application/json")

    def configure(self, **given: Any) -> None:
        self.settings.VZAPS = {**self.settings.VZAPS, **given}

    def other(self) -> APIClient:
        return program_of(User.objects.create_superuser("other"))


@pytest.fixture
def world(
    api: APIClient, instance: Instance, fake_vzaps: FakeVZaps, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> World:
    """With a client that does not wait before it reads again."""
    monkeypatch.setattr(clients, "VZapsClient", partial(VZapsClient, sleep=lambda _seconds: None))
    clients.forget_clients()
    return World(api, instance, fake_vzaps, settings, monkeypatch)
