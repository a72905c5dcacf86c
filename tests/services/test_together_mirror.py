"""Two at once, told in one thread: an older answer never overwrites what was learned later."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_vzaps import client, services
from django_vzaps.crypto import matches
from django_vzaps.models import Account, Instance, Operation, OperationOutcome, Subscription, Webhook
from django_vzaps.services import (
    connection,
    instances,
    mirror,
    operations,
    pages,
    sync,
    webhooks,
)
from django_vzaps.services.clients import client_for
from django_vzaps.testing import FakeVZaps
from tests.services.conftest import answer_about, during

pytestmark = pytest.mark.django_db


def test_a_list_read_before_a_deletion_does_not_bring_the_instance_back(
    fake_vzaps: FakeVZaps, instance: Instance, account: Account
) -> None:
    early, asked_at = answer_about(instance), timezone.now()

    # Nothing is read before: what is known of it is older than the list.
    instances.delete(instance, actor=None, despite_subscription=True)
    pages.store_page(account, [early], asked_at=asked_at, unsettled=set())
    mirror.store(account, early, asked_at=asked_at)

    instance.refresh_from_db()
    assert instance.removed_at is not None


def test_the_token_of_a_creation_is_kept_where_the_list_shows_none(fake_vzaps: FakeVZaps, account: Account) -> None:
    """A sync finds the new instance before the creation's answer is there, in a list without tokens."""

    def meanwhile(*_call: object) -> None:
        (remote,) = fake_vzaps.instances.values()
        sent = b'{"page": 1, "size": 100, "total": 1, "content": [{"id": "%s", "name": "Front desk"}]}'
        fake_vzaps.faults.add("list", body=sent % remote.id.encode())
        sync.sync_account(account)
        assert Instance.objects.get().token is None

    during(fake_vzaps, "create", meanwhile)

    operation = instances.create(account, name="Front desk", actor=None)

    (remote,) = fake_vzaps.instances.values()
    assert operation.instance is not None
    assert operation.instance.token is not None
    assert operation.instance.token.reveal() == remote.token
    assert operation.instance.webhook.is_managed


def test_an_instance_that_a_sync_stores_at_the_same_moment_is_taken_over(
    fake_vzaps: FakeVZaps, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = mirror.apply_instance
    raced: list[bool] = []

    def raced_once(instance: Instance, answer: client.Instance, **kwargs: Any) -> Any:
        if not raced:
            raced.append(True)
            Instance.objects.create(vzaps_id=answer.id, account=account, name="found by a sync")
        return real(instance, answer, **kwargs)

    monkeypatch.setattr(mirror, "apply_instance", raced_once)

    operation = instances.create(account, name="Front desk", actor=None)

    assert operation.outcome == OperationOutcome.SUCCEEDED
    assert Instance.objects.get().name == "Front desk"
    assert operation.instance == Instance.objects.get()


def test_a_creation_is_adopted_once(fake_vzaps: FakeVZaps, account: Account) -> None:
    """Two settle the same creation; between them the webhook was set anew, and its secret must stay."""
    fake_vzaps.faults.add("create", drop=True)
    with pytest.raises(services.OutcomeUnknown):
        instances.create(account, name="Front desk", actor=None)
    slow = Operation.objects.get()

    def meanwhile(*_call: object) -> None:
        sync.sync_account(account)
        webhooks.set(Instance.objects.get(), actor=None)

    during(fake_vzaps, "list", meanwhile)
    operations.settle(slow)

    (remote,) = fake_vzaps.instances.values()
    assert matches(remote.webhook.rsplit("/", 1)[1], *Webhook.objects.get().accepted_hashes())
    assert slow.outcome == OperationOutcome.SUCCEEDED


@pytest.mark.parametrize("url", ["https://[not-ipv6/in", "http://ex\u2100mple.org/in", "https://a:b@[::1/x"])
def test_a_webhook_that_is_no_url_does_not_stop_the_sync(fake_vzaps: FakeVZaps, account: Account, url: str) -> None:
    fake_vzaps.add_instance(webhook=url, events=["Message"])

    assert sync.sync_account(account).complete

    instance = Instance.objects.get()
    assert instance.webhook.actual_host_and_path
    assert webhooks.check(instance).drift == ()


def test_an_instance_seen_by_another_is_not_counted_as_missing(
    fake_vzaps: FakeVZaps, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        fake_vzaps.add_instance(name=f"Branch {number}")
    sync.sync_account(account)
    away = Instance.objects.earliest("pk")
    remote = fake_vzaps.instances.pop(away.vzaps_id)
    real = sync._batches

    def seen_meanwhile(pks: Any) -> Any:
        if list(pks) and away.vzaps_id not in fake_vzaps.instances:
            fake_vzaps.instances[away.vzaps_id] = remote
            sync.sync_instance(Instance.objects.get(pk=away.pk))
        return real(pks)

    monkeypatch.setattr(sync, "_batches", seen_meanwhile)
    sync.sync_account(account)

    away.refresh_from_db()
    assert away.missing_walks == 0


@pytest.mark.parametrize("of", ["event", "answer"])
def test_a_page_on_which_nothing_changed_overwrites_nothing_that_was_learned_since_it_was_compared(
    fake_vzaps: FakeVZaps, account: Account, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    """It is compared without a lock: another one writes between that and its new times."""
    fake_vzaps.add_instance(connected=True, webhook="https://crm.example.org/in", events=["Message"])
    sync.sync_account(account)
    instance = Instance.objects.select_related("webhook", "subscription").get()
    old = timezone.now() - timedelta(minutes=10)
    Instance.objects.update(synced_at=old, connection_asked_at=old)
    Subscription.objects.update(refreshed_at=old)
    Webhook.objects.update(checked_at=old)
    answer, asked_at = answer_about(instance), timezone.now()
    later, real = timezone.now() + timedelta(seconds=1), pages._confirm

    def after_another(*args: Any, **kwargs: Any) -> None:
        if of == "event":
            connection.record(instance.pk, connected=False, source="webhook", asked_at=later)
        else:
            mirror.store(account, replace(answer, connected=False), asked_at=later)
        real(*args, **kwargs)

    monkeypatch.setattr(pages, "_confirm", after_another)

    pages.store_page(account, [answer], asked_at=asked_at, unsettled=set())

    instance = Instance.objects.select_related("webhook", "subscription").get()
    assert (instance.connected, instance.connection_asked_at) == (False, later)
    if of == "event":
        assert instance.connection_source == "webhook"
    else:
        times = [instance.synced_at, instance.subscription.refreshed_at, instance.webhook.checked_at]
        assert times == [later] * 3


def test_an_instance_that_was_seen_after_the_walk_began_is_not_gone(fake_vzaps: FakeVZaps, account: Account) -> None:
    for number in range(5):
        fake_vzaps.add_instance(name=f"Branch {number}")
    sync.sync_account(account)
    away = Instance.objects.earliest("pk")
    answer, asked_at = answer_about(away), []
    del fake_vzaps.instances[away.vzaps_id]
    sync.sync_account(account)
    during(fake_vzaps, "list", lambda *_call: asked_at.append(timezone.now()))
    sync.sync_account(account)
    away.refresh_from_db()
    assert away.removed_at is not None

    # That answer was asked for after the walk had begun, and is only written now.
    mirror.store(account, answer, asked_at=asked_at[0])

    away.refresh_from_db()
    assert away.removed_at is None


def test_a_walk_whose_lease_ran_out_removes_nothing(fake_vzaps: FakeVZaps, account: Account) -> None:
    for number in range(5):
        fake_vzaps.add_instance(name=f"Branch {number}")
    sync.sync_account(account)
    fake_vzaps.instances.popitem()
    sync.sync_account(account)

    def steal(_progress: sync.SyncProgress) -> None:
        Account.objects.update(sync_lease_holder="somebody else")

    with pytest.raises(services.SyncRunning, match="took over"):
        sync.sync_account(account, progress=steal)
    assert not Instance.objects.filter(removed_at__isnull=False).exists()


def test_a_total_that_is_too_small_does_not_end_the_walk_at_a_full_page(
    fake_vzaps: FakeVZaps, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "PAGE_SIZE", 4)
    for number in range(5):
        fake_vzaps.add_instance(name=f"Branch {number}")
    sync.sync_account(account)
    client_ = client_for(account).instances
    listed = client_.list
    monkeypatch.setattr(client_, "list", lambda **kw: replace(page := listed(**kw), total=len(page.content)))

    for _ in range(3):
        sync.sync_account(account)

    assert not Instance.objects.filter(removed_at__isnull=False).exists()


def test_what_a_scheduled_sync_did_not_dare_is_said_on_the_account(fake_vzaps: FakeVZaps, account: Account) -> None:
    assert sync.sync_account(account).notes == ()
    for number in range(3):
        fake_vzaps.add_instance(name=f"Branch {number}")
    sync.sync_account(account)
    kept = dict(fake_vzaps.instances)
    fake_vzaps.instances.clear()

    sync.sync_account(account)
    account.refresh_from_db()
    assert "nothing was removed" in account.sync_error

    fake_vzaps.instances.update(list(kept.items())[:1])
    sync.sync_account(account)
    account.refresh_from_db()
    assert "too many to believe" in account.sync_error

    fake_vzaps.instances.update(kept)
    sync.sync_account(account)
    account.refresh_from_db()
    assert account.sync_error == ""


def test_an_event_that_arrived_later_outlives_the_answer_to_a_disconnect(
    fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    def meanwhile(*_call: object) -> None:
        connection.record(instance.pk, connected=True, source="webhook", asked_at=timezone.now())

    during(fake_vzaps, "disconnect", meanwhile)
    services.sessions.disconnect(instance, actor=None)

    assert instance.connected is True
