"""A new secret for the webhook: none that VZaps may have is shut out, and the old one dies when VZaps has the new."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_vzaps import services
from django_vzaps.events import storing
from django_vzaps.models import Account, Event, Instance, Operation, OperationKind, OperationOutcome, Webhook
from django_vzaps.services import operations, sync, webhooks
from django_vzaps.testing import FakeVZaps, events

pytestmark = pytest.mark.django_db


@pytest.fixture
def managed(fake_vzaps: FakeVZaps, instance: Instance) -> Instance:
    """An instance whose webhook this site has set; what the fake was asked for so far is forgotten."""
    webhooks.set(instance, actor=None, events=["Message", "Connected"])
    fake_vzaps.calls.clear()
    return instance


def url(fake: FakeVZaps, instance: Instance) -> str:
    """The URL that VZaps has."""
    return fake.instances[instance.vzaps_id].webhook


def status(url: str) -> int:
    """What VZaps is answered when it posts an event to ``url``."""
    body = events.message(text=str(uuid.uuid4()))
    return Client().post(urlsplit(url).path, data=body, content_type="application/json").status_code


def forged(url: str) -> str:
    return url.rpartition("/")[0] + "/a-secret-that-nobody-was-ever-given"


def let_the_grace_pass() -> None:
    """What expires has expired; what does not is accepted still."""
    Webhook.objects.filter(previous_secret_expires_at__isnull=False).update(
        previous_secret_expires_at=timezone.now() - timedelta(seconds=1)
    )


def show(fake: FakeVZaps, shown: str, times: int | None = 1) -> None:
    """When asked for the webhook, the fake shows this URL and not the one it has."""
    answer = {"code": 200, "success": True, "data": {"webhook": shown, "subscribe": ["Message", "Connected"]}}
    fake.faults.add("webhook_get", body=json.dumps(answer).encode(), times=times)


def test_both_urls_are_accepted_for_a_while_then_the_old_one_is_not(
    fake_vzaps: FakeVZaps, managed: Instance, operator: User
) -> None:
    old = url(fake_vzaps, managed)

    operation = webhooks.rotate(managed, actor=operator)

    new = url(fake_vzaps, managed)
    assert new != old
    assert [status(old), status(new), status(forged(new))] == [200, 200, 404]
    let_the_grace_pass()
    assert [status(old), status(new), status(forged(new))] == [404, 200, 404]
    assert Event.objects.count() == 3
    assert webhooks.doubt(operation) == ""


def test_it_is_recorded_and_keeps_the_events(fake_vzaps: FakeVZaps, managed: Instance, operator: User) -> None:
    operation = webhooks.rotate(managed, actor=operator)

    assert (operation.kind, operation.outcome) == (OperationKind.SET_WEBHOOK, OperationOutcome.SUCCEEDED)
    assert (operation.parameters["rotate"], operation.actor) == (True, operator)
    assert sorted(fake_vzaps.instances[managed.vzaps_id].events) == ["Connected", "Message"]
    secret = url(fake_vzaps, managed).rpartition("/")[2]
    assert secret not in str(list(Operation.objects.values())) + str(list(Webhook.objects.values()))


def test_twice_in_a_row_leaves_the_last_two(fake_vzaps: FakeVZaps, managed: Instance) -> None:
    urls = [url(fake_vzaps, managed)]
    for _ in range(2):
        webhooks.rotate(managed, actor=None)
        urls.append(url(fake_vzaps, managed))

    assert [status(each) for each in urls] == [404, 200, 200]
    let_the_grace_pass()
    assert [status(each) for each in urls] == [404, 404, 200]


def test_a_webhook_of_somebody_elses_is_left_alone(fake_vzaps: FakeVZaps, account: Account) -> None:
    remote = fake_vzaps.add_instance(webhook="https://crm.example.org/in", events=["Message"])
    sync.sync_account(account)
    fake_vzaps.calls.clear()

    with pytest.raises(services.ChangeFailed, match="This site did not set the webhook"):
        webhooks.rotate(Instance.objects.get(), actor=None)

    assert remote.webhook == "https://crm.example.org/in"
    assert not fake_vzaps.calls
    assert not Operation.objects.exists()


def test_read_only_changes_nothing(fake_vzaps: FakeVZaps, managed: Instance, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "READ_ONLY": True}

    with pytest.raises(services.ReadOnly):
        webhooks.rotate(managed, actor=None)

    assert not fake_vzaps.calls
    let_the_grace_pass()
    assert status(url(fake_vzaps, managed)) == 200


def test_a_refused_rotation_leaves_the_old_secret(fake_vzaps: FakeVZaps, managed: Instance) -> None:
    fake_vzaps.faults.add("webhook_set", status=400)

    with pytest.raises(services.ChangeFailed):
        webhooks.rotate(managed, actor=None)

    let_the_grace_pass()
    assert status(url(fake_vzaps, managed)) == 200


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_lost_answer_keeps_both_until_vzaps_shows_which(
    fake_vzaps: FakeVZaps, managed: Instance, carried_out: bool
) -> None:
    old = url(fake_vzaps, managed)
    fake_vzaps.faults.add("webhook_set", drop=True, carried_out=carried_out)

    with pytest.raises(services.OutcomeUnknown) as caught:
        webhooks.rotate(managed, actor=None)

    let_the_grace_pass()
    assert [status(old), status(url(fake_vzaps, managed))] == [200, 200]
    assert caught.value.operation is not None
    operations.settle(caught.value.operation)
    let_the_grace_pass()
    assert status(url(fake_vzaps, managed)) == 200
    assert status(old) == (404 if carried_out else 200)


def test_a_read_back_that_fails_keeps_both_until_a_later_one_succeeds(fake_vzaps: FakeVZaps, managed: Instance) -> None:
    old = url(fake_vzaps, managed)
    fake_vzaps.faults.add("webhook_get", status=400)

    operation = webhooks.rotate(managed, actor=None)

    assert "it could not be read back" in webhooks.doubt(operation)
    let_the_grace_pass()
    assert [status(old), status(url(fake_vzaps, managed))] == [200, 200]
    webhooks.check(managed)
    assert webhooks.doubt(operation) == ""
    assert status(old) == 200
    let_the_grace_pass()
    assert [status(old), status(url(fake_vzaps, managed))] == [404, 200]


@pytest.mark.parametrize("one", [True, False])
def test_a_sync_that_sees_the_new_url_lets_the_old_secret_die(
    fake_vzaps: FakeVZaps, managed: Instance, one: bool
) -> None:
    old = url(fake_vzaps, managed)
    fake_vzaps.faults.add("webhook_get", status=400)
    operation = webhooks.rotate(managed, actor=None)

    if one:
        sync.sync_instance(managed)
    else:
        sync.sync_account(managed.account)

    assert webhooks.doubt(operation) == ""
    let_the_grace_pass()
    assert [status(old), status(url(fake_vzaps, managed))] == [404, 200]


def test_a_sync_that_sees_the_old_url_lets_neither_die(fake_vzaps: FakeVZaps, managed: Instance) -> None:
    old = url(fake_vzaps, managed)
    fake_vzaps.faults.add("webhook_get", status=400)
    webhooks.rotate(managed, actor=None)
    new, fake_vzaps.instances[managed.vzaps_id].webhook = url(fake_vzaps, managed), old

    sync.sync_account(managed.account)
    sync.sync_account(managed.account)

    let_the_grace_pass()
    assert [status(old), status(new)] == [200, 200]


def test_an_old_url_that_is_still_shown_is_said_and_keeps_both(fake_vzaps: FakeVZaps, managed: Instance) -> None:
    old = url(fake_vzaps, managed)
    show(fake_vzaps, old)

    operation = webhooks.rotate(managed, actor=None)

    assert "still shows the old one" in webhooks.doubt(operation)
    let_the_grace_pass()
    assert [status(old), status(url(fake_vzaps, managed))] == [200, 200]


@pytest.mark.parametrize("shown", ["https://echo.example.org/hook", "https://hooks.example.test/vzaps/****", ""])
def test_a_url_that_is_neither_keeps_both_also_at_the_next_rotation(
    fake_vzaps: FakeVZaps, managed: Instance, shown: str
) -> None:
    """In VZaps' documented sample the URL echoed is not the URL sent (API.md 5.2)."""
    old = url(fake_vzaps, managed)
    show(fake_vzaps, shown, times=2)

    operation = webhooks.rotate(managed, actor=None)

    assert "but shows this" in webhooks.doubt(operation)
    with pytest.raises(services.ChangeFailed, match="shows neither that nor the one before it"):
        webhooks.rotate(managed, actor=None)
    assert len(fake_vzaps.calls_to("webhook_set")) == 1
    let_the_grace_pass()
    assert status(old) == 200
    webhooks.check(managed)
    assert webhooks.doubt(operation) == ""
    let_the_grace_pass()
    assert [status(old), status(url(fake_vzaps, managed))] == [404, 200]
    webhooks.rotate(managed, actor=None)
    assert status(url(fake_vzaps, managed)) == 200


def test_where_vzaps_never_shows_the_url_an_event_at_the_new_one_lets_the_old_die(
    fake_vzaps: FakeVZaps, managed: Instance
) -> None:
    show(fake_vzaps, "https://echo.example.org/hook", times=None)
    old = url(fake_vzaps, managed)
    operation = webhooks.rotate(managed, actor=None)

    assert status(old) == 200
    assert status(forged(old)) == 404
    assert webhooks.doubt(operation)  # the old URL proves nothing, a forged one less
    assert status(url(fake_vzaps, managed)) == 200
    assert webhooks.doubt(operation) == ""

    assert status(old) == 200
    let_the_grace_pass()
    assert [status(old), status(url(fake_vzaps, managed))] == [404, 200]
    webhooks.rotate(managed, actor=None)
    assert status(url(fake_vzaps, managed)) == 200


def test_an_event_does_not_settle_a_rotation_that_began_while_it_was_stored(
    fake_vzaps: FakeVZaps, managed: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(fake_vzaps, "https://echo.example.org/hook", times=None)
    webhooks.rotate(managed, actor=None)
    old, receive = url(fake_vzaps, managed), storing.receive

    def rotate_meanwhile(*args: Any, **kwargs: Any) -> storing.Received:
        monkeypatch.setattr(storing, "receive", receive)
        assert status(old) == 200  # settles the first rotation, so that there can be another
        webhooks.rotate(managed, actor=None)
        return receive(*args, **kwargs)

    monkeypatch.setattr(storing, "receive", rotate_meanwhile)
    assert status(old) == 200

    let_the_grace_pass()
    new = url(fake_vzaps, managed)
    assert new != old
    assert [status(old), status(new)] == [200, 200]


def test_an_event_settles_nothing_while_vzaps_shows_the_old_url(fake_vzaps: FakeVZaps, managed: Instance) -> None:
    """It may have been under way before the rotation, and VZaps may get round to the new URL yet."""
    old = url(fake_vzaps, managed)
    show(fake_vzaps, old)
    webhooks.rotate(managed, actor=None)

    assert status(old) == 200

    let_the_grace_pass()
    assert status(url(fake_vzaps, managed)) == 200


def test_a_webhook_on_another_host_can_be_taken_back(fake_vzaps: FakeVZaps, managed: Instance) -> None:
    fake_vzaps.faults.add("webhook_get", status=400)
    webhooks.rotate(managed, actor=None)
    fake_vzaps.instances[managed.vzaps_id].webhook = "https://crm.example.org/in"

    with pytest.raises(services.ChangeFailed, match=r"but this: crm\.example\.org/in"):
        webhooks.rotate(managed, actor=None)
    webhooks.set(managed, actor=None)

    assert status(url(fake_vzaps, managed)) == 200
