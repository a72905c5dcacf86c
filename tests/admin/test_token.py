"""The token: shown once, on a page that nothing keeps, with a record of who saw it."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_vzaps.models import Instance, Operation, OperationKind, OperationOutcome
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import StaffWith, page, said, text_of


def test_it_is_shown_once_and_recorded(
    instance: Instance, browser: Client, operator: User, fake_vzaps: FakeVZaps
) -> None:
    token = fake_vzaps.instances[instance.vzaps_id].token
    response = browser.post(page("instance_token", instance.pk))
    assert token in text_of(response)
    assert "no-store" in response["Cache-Control"]
    operation = Operation.objects.get()
    assert (operation.kind, operation.actor) == (OperationKind.REVEAL_TOKEN, operator)
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (operator, str(instance.pk))
    assert entry.change_message == f"See the instance token: succeeded (operation {operation.pk})."
    elsewhere = [
        *(text_of(browser.get(page("instance_change", instance.pk))), said(response), str(dict(browser.session))),
        *(str(list(model.objects.values())) for model in (Operation, LogEntry)),
        text_of(browser.get(page("operation_change", operation.pk))),
    ]
    assert not any(token in each for each in elsewhere)
    assert fake_vzaps.calls == []


def test_every_look_is_a_record(instance: Instance, browser: Client) -> None:
    for _ in range(2):
        browser.post(page("instance_token", instance.pk))
    assert Operation.objects.filter(kind=OperationKind.REVEAL_TOKEN).count() == 2


def test_nobody_is_led_there_by_a_link(instance: Instance, browser: Client) -> None:
    assert browser.get(page("instance_token", instance.pk)).status_code == 405
    assert not Operation.objects.exists()


def test_a_lost_key_is_said_in_words(instance: Instance, browser: Client, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "ENCRYPTION_KEYS": [Fernet.generate_key().decode()]}
    response = browser.post(page("instance_token", instance.pk))
    assert response["Location"] == page("instance_change", instance.pk)
    assert "cannot be decrypted with the present ENCRYPTION_KEYS" in said(response)
    assert Operation.objects.get().outcome == OperationOutcome.FAILED
    assert LogEntry.objects.get().change_message.startswith("See the instance token: failed")


def test_a_token_that_is_not_known_is_said(instance: Instance, browser: Client) -> None:
    Instance.objects.update(token=None)
    assert "does not know the token" in said(browser.post(page("instance_token", instance.pk)))
    assert "not known here" in text_of(browser.get(page("instance_change", instance.pk)))


def test_a_read_only_site_shows_none(instance: Instance, browser: Client, settings: Any, fake_vzaps: FakeVZaps) -> None:
    settings.VZAPS = {**settings.VZAPS, "READ_ONLY": True}
    response = browser.post(page("instance_token", instance.pk))
    assert "it shows no tokens" in said(response)
    assert fake_vzaps.instances[instance.vzaps_id].token not in response.content.decode()


def test_who_may_not_see_it_does_not(instance: Instance, staff_with: StaffWith) -> None:
    url = page("instance_token", instance.pk)
    others = ("view", "add", "change", "delete", "pair", "restart", "bill", "set_webhook", "send")
    client = staff_with(*(f"{name}_instance" for name in others))
    assert client.post(url).status_code == 403
    assert url not in text_of(client.get(page("instance_change", instance.pk)))
    assert staff_with("reveal_token_instance").post(url).status_code == 403
    assert not Operation.objects.exists()
    seer = staff_with("view_instance", "reveal_token_instance")
    assert url in text_of(seer.get(page("instance_change", instance.pk)))
    assert seer.post(url).status_code == 200


def test_that_of_one_that_is_gone_is_not_shown(instance: Instance, browser: Client) -> None:
    Instance.objects.update(removed_at=timezone.now())
    assert "it can only be looked at" in said(browser.post(page("instance_token", instance.pk)))
    assert not Operation.objects.exists()


def test_it_wants_a_csrf_token(instance: Instance, operator: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    for name in ("token", "send", "owner", "webhook_test", "deliver_again", "check_identity", "check_connection"):
        assert client.post(page(f"instance_{name}", instance.pk)).status_code == 403, name
    assert not Operation.objects.exists()


@pytest.mark.parametrize("debug", [True, False])
def test_an_error_page_does_not_show_it(
    debug: bool, instance: Instance, browser: Client, fake_vzaps: FakeVZaps, settings: Any, monkeypatch: Any
) -> None:
    from django.template.response import TemplateResponse

    settings.DEBUG = debug
    browser.raise_request_exception = False

    def fail(self: TemplateResponse) -> None:
        raise RuntimeError("no template")

    monkeypatch.setattr(TemplateResponse, "render", fail)
    response = browser.post(page("instance_token", instance.pk))
    assert response.status_code == 500
    if not debug:
        assert fake_vzaps.instances[instance.vzaps_id].token not in response.content.decode()
