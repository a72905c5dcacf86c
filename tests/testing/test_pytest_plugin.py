from __future__ import annotations

from typing import Any

import pytest
import requests
from django.http import HttpRequest, HttpResponse
from django.urls import path

from django_vzaps import services
from django_vzaps.events import MessageEvent, handlers, on
from django_vzaps.models import Account
from django_vzaps.testing import FakeVZaps
from tests.testing.conftest import CREDENTIALS

received: list[tuple[str, bytes, bool]] = []


def hook(request: HttpRequest) -> HttpResponse:
    received.append((request.get_full_path(), request.body, request.is_secure()))
    return HttpResponse(status=202)


urlpatterns = [path("hook/", hook)]


@pytest.mark.urls("tests.testing.test_pytest_plugin")
def test_the_fixture_answers_for_vzaps_and_delivers_into_the_project(fake_vzaps: FakeVZaps) -> None:
    received.clear()
    assert requests.post("https://vzaps.test/token", json=CREDENTIALS, timeout=1).status_code == 200
    instance = fake_vzaps.add_instance(connected=True, webhook="https://hooks.example.test/hook/?a=1", events=["All"])
    event = fake_vzaps.receive(instance.id)
    assert [(target, secure) for target, _, secure in received] == [("/hook/?a=1", True)]
    assert event["event"]["info"]["id"].encode() in received[0][1]
    assert fake_vzaps.logs(instance.id)[0].response_code == 202


@pytest.fixture
def project_with_celery(settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "TASKS": "celery"}


def test_events_are_handled_at_once_in_a_project_with_celery(
    db: None, project_with_celery: None, fake_vzaps: FakeVZaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "_registered", {})
    handled: list[str] = []

    @on("Message")
    def keep(event: MessageEvent) -> None:
        handled.append(event.text)

    account = Account.objects.create(name="default")
    operation = services.instances.create(account, name="Front desk", actor=None)
    assert operation.instance is not None
    services.sessions.qr(operation.instance)
    fake_vzaps.scan(operation.instance.vzaps_id)
    fake_vzaps.receive(operation.instance.vzaps_id, "ping")
    assert handled == ["ping"]
