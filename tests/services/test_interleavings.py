"""Two at once, told in one thread: what somebody else does in the middle of a call is done by :func:`during`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from django_vzaps import client, services
from django_vzaps.crypto import hash_secret, matches
from django_vzaps.models import Account, Instance, Operation, OperationKind, OperationOutcome, Subscription, Webhook
from django_vzaps.services import (
    attempts,
    connection,
    instances,
    mirror,
    operations,
    pages,
    subscriptions,
    sync,
    webhooks,
)
from django_vzaps.services.clients import client_for
from django_vzaps.testing import FakeVZaps
from tests.services.conftest import during

pytestmark = pytest.mark.django_db


def let_the_deadline_pass() -> None:
    Operation.objects.filter(outcome=OperationOutcome.RUNNING).update(deadline=timezone.now() - timedelta(seconds=1))
    assert operations.mark_overdue()


def answer_about(instance: Instance) -> client.Instance:
    return client_for(instance).instances.get(instance.vzaps_id)


# Billing


def test_who_was_given_up_before_sending_does_not_send_any_more(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User
) -> None:
    """A slow first read, a person who decides, a second attempt that is charged: the first must not be sent after."""
    fake_vzaps.billing_lag = 50

    def meanwhile(*_call: object) -> None:
        let_the_deadline_pass()
        operations.decide(Operation.objects.get(), carried_out=False, actor=operator)
        fake_vzaps.faults.add("subscribe", drop=True)
        with pytest.raises(services.OutcomeUnknown):
            subscriptions.subscribe(Instance.objects.get(), actor=operator)

    during(fake_vzaps, "get", meanwhile, before=True)

    with pytest.raises(services.ChangeFailed, match="Nothing was sent"):
        subscriptions.subscribe(instance, actor=None)

    assert len(fake_vzaps.charges) == 1
    first, second = Operation.objects.order_by("pk")
    assert (first.outcome, first.lock) == (OperationOutcome.FAILED, None)
    assert (second.outcome, second.lock is None) == (OperationOutcome.UNKNOWN, False)


def test_an_error_of_our_own_before_sending_releases_the_lock(
    fake_vzaps: FakeVZaps, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(mirror, "store", _fail)
        with pytest.raises(RuntimeError, match="broken"):
            subscriptions.subscribe(instance, actor=None)

    operation = Operation.objects.get()
    assert (operation.outcome, operation.lock) == (OperationOutcome.FAILED, None)
    assert subscriptions.subscribe(instance, actor=None).confirmed_at is not None
    assert len(fake_vzaps.charges) == 1


def test_an_error_of_our_own_after_sending_keeps_the_lock(
    fake_vzaps: FakeVZaps, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_vzaps.billing_lag = 50
    with monkeypatch.context() as broken:
        broken.setattr(subscriptions, "_keep_billing_session", _fail)
        with pytest.raises(RuntimeError, match="broken"):
            subscriptions.subscribe(instance, actor=None)

    with pytest.raises(services.OperationInProgress):
        subscriptions.subscribe(instance, actor=None)
    let_the_deadline_pass()
    with pytest.raises(services.OperationInProgress):
        subscriptions.subscribe(instance, actor=None)
    assert len(fake_vzaps.charges) == 1


def test_a_person_who_says_carried_out_does_not_open_the_door_while_the_shown_state_lags(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User
) -> None:
    fake_vzaps.billing_lag = 3
    fake_vzaps.faults.add("subscribe", drop=True)
    with pytest.raises(services.OutcomeUnknown) as caught:
        subscriptions.subscribe(instance, actor=None)
    assert caught.value.operation is not None

    decided = operations.decide(caught.value.operation, carried_out=True, actor=operator)

    assert decided.outcome == OperationOutcome.SUCCEEDED
    with pytest.raises(services.OperationInProgress):
        subscriptions.subscribe(instance, actor=None)
    for _ in range(4):
        operations.settle(decided)
    assert decided.confirmed_at is not None
    assert decided.lock is None
    assert len(fake_vzaps.charges) == 1


def test_a_person_cannot_say_not_carried_out_of_what_vzaps_said_was(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User
) -> None:
    """The page was opened while the outcome was unknown; VZaps' answer came before the button was pressed."""
    fake_vzaps.billing_lag = 50
    operation = subscriptions.subscribe(instance, actor=None)
    assert operation.confirmed_at is None

    with pytest.raises(services.ChangeFailed, match="VZaps said"):
        operations.decide(operation, carried_out=False, actor=operator)

    operation.refresh_from_db()
    assert (operation.outcome, operation.lock is None) == (OperationOutcome.SUCCEEDED, False)
    # Whoever insists that it will never be seen lets go of the lock by saying that it was carried out.
    assert operations.decide(operation, carried_out=True, actor=operator).lock is None
    with pytest.raises(services.AlreadySubscribed):
        subscriptions.subscribe(instance, actor=None)
    assert len(fake_vzaps.charges) == 1


def test_a_checkout_that_nobody_will_pay_is_given_up_by_a_person(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User
) -> None:
    fake_vzaps.variants.checkout = True
    first = subscriptions.subscribe(instance, actor=None)

    operations.decide(first, carried_out=False, actor=operator)

    instance.subscription.refresh_from_db()
    assert instance.subscription.checkout_url == ""
    second = subscriptions.subscribe(instance, actor=None)
    assert second.answer["url"] != first.answer["url"]


def test_an_answer_that_says_nothing_of_billing_confirms_nothing(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    fake_vzaps.billing_lag = 50
    operation = subscriptions.subscribe(instance, actor=None)
    # As a stale replica might have shown it, long before.
    Subscription.objects.update(state="active", refreshed_at=operation.started_at - timedelta(hours=1))
    fake_vzaps.variants.billing_key = "status"
    fake_vzaps.faults.add("get", body=b'{"id": "%s", "name": "Front desk"}' % instance.vzaps_id.encode())

    subscriptions.refresh(instance)

    operation.refresh_from_db()
    assert operation.confirmed_at is None
    assert operation.lock is not None


def test_what_vzaps_answered_to_subscribe_survives_a_read_that_was_under_way(
    fake_vzaps: FakeVZaps, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    early, asked_at = answer_about(instance), timezone.now()
    real = mirror.apply_subscription

    def slowly(subscription: Subscription, *args: Any, **kwargs: Any) -> Any:
        # The answer to a subscribe is written between our reading the row and our writing it.
        Subscription.objects.update(vzaps_id="sub_new", checkout_url="https://pay.example/", mode="checkout")
        return real(subscription, *args, **kwargs)

    monkeypatch.setattr(mirror, "apply_subscription", slowly)
    mirror.store(instance.account, early, asked_at=asked_at)
    monkeypatch.setattr(mirror, "apply_subscription", real)

    kept = Subscription.objects.get()
    assert (kept.vzaps_id, kept.checkout_url, kept.mode) == ("sub_new", "https://pay.example/", "checkout")


def test_the_subscription_id_outlives_a_state_that_lags_behind_an_ended_subscription(
    fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    fake_vzaps.variants.immediate_cancel = True
    subscriptions.subscribe(instance, actor=None)
    subscriptions.cancel(instance, actor=None)
    fake_vzaps.billing_lag = 1

    operation = subscriptions.subscribe(instance, actor=None)
    operations.settle(operation)

    assert Subscription.objects.get().vzaps_id == operation.answer["subscription_id"]


def test_delete_warns_while_a_charge_may_have_been_made(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    fake_vzaps.billing_lag = 50
    before = Instance.objects.select_related("subscription").get()
    fake_vzaps.faults.add("subscribe", drop=True)
    with pytest.raises(services.OutcomeUnknown):
        subscriptions.subscribe(instance, actor=None)

    with pytest.raises(services.SubscriptionIsActive, match="not settled"):
        instances.delete(before, actor=None)
    assert fake_vzaps.instances


def test_delete_looks_at_the_subscription_as_it_is_now(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    before = Instance.objects.select_related("subscription").get()
    subscriptions.subscribe(instance, actor=None)

    with pytest.raises(services.SubscriptionIsActive):
        instances.delete(before, actor=None)


def test_the_time_that_reading_took_is_not_taken_from_the_call(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    given_up: list[int] = []

    def read_slowly(*_call: object) -> None:
        Operation.objects.update(deadline=timezone.now() - timedelta(seconds=1))

    during(fake_vzaps, "get", read_slowly)
    during(fake_vzaps, "subscribe", lambda *_call: given_up.append(operations.mark_overdue()))

    subscriptions.subscribe(instance, actor=None)

    assert given_up == [0]


@pytest.mark.parametrize(
    ("said", "answer", "outcome"),
    [
        (False, None, OperationOutcome.SUCCEEDED),
        (False, 502, OperationOutcome.FAILED),
        (False, 400, OperationOutcome.FAILED),
        (True, None, OperationOutcome.SUCCEEDED),
        (True, 502, OperationOutcome.SUCCEEDED),
        (True, 400, OperationOutcome.SUCCEEDED),
    ],
)
def test_of_a_late_answer_only_success_changes_what_a_person_said(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User, said: bool, answer: int | None, outcome: str
) -> None:
    def meanwhile(*_call: object) -> None:
        let_the_deadline_pass()
        operations.decide(Operation.objects.get(), carried_out=said, actor=operator)

    during(fake_vzaps, "restart", meanwhile)
    if answer is not None:
        fake_vzaps.faults.add("restart", status=answer)

    with suppress(services.ChangeFailed, services.OutcomeUnknown):
        instances.restart(instance, actor=None)

    assert Operation.objects.get().outcome == outcome


# Keys and locks


def test_a_key_that_stands_for_something_else_is_refused(
    fake_vzaps: FakeVZaps, instance: Instance, account: Account
) -> None:
    instances.create(account, name="Reception", actor=None, idempotency_key="order-7")

    with pytest.raises(services.ChangeFailed, match="key"):
        subscriptions.subscribe(instance, actor=None, idempotency_key="order-7")

    assert not fake_vzaps.calls_to("subscribe")


def test_a_lock_that_was_just_released_is_taken(
    fake_vzaps: FakeVZaps, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder finishes between our being refused and our looking who it is."""
    holder = Operation.objects.create(
        kind=OperationKind.CANCEL, lock=f"billing:{instance.pk}", deadline=timezone.now() + timedelta(hours=1)
    )
    real = Operation.objects.create

    def refused_once(**kwargs: Any) -> Operation:
        monkeypatch.setattr(Operation.objects, "create", real)
        try:
            return real(**kwargs)
        finally:
            _release_later.append(holder)

    _release_later: list[Operation] = []
    find = Operation.objects.filter

    def find_after_release(*args: Any, **kwargs: Any) -> Any:
        while _release_later:
            find(pk=_release_later.pop().pk).update(lock=None)
        return find(*args, **kwargs)

    monkeypatch.setattr(Operation.objects, "create", refused_once)
    monkeypatch.setattr(Operation.objects, "filter", find_after_release)

    assert subscriptions.subscribe(instance, actor=None).outcome == OperationOutcome.SUCCEEDED


# Mirror


def test_a_list_read_before_a_deletion_does_not_bring_the_instance_back(
    fake_vzaps: FakeVZaps, instance: Instance, account: Account
) -> None:
    early, asked_at = answer_about(instance), timezone.now()

    instances.delete(instance, actor=None)
    pages.store_page(account, [early], asked_at=asked_at)
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


# Webhooks


def live(fake: FakeVZaps, instance: Instance) -> str:
    return fake.instances[instance.vzaps_id].webhook.rsplit("/", 1)[1]


def is_accepted(instance: Instance, secret: str, *, now: datetime | None = None) -> bool:
    return matches(secret, *Webhook.objects.get(instance=instance).accepted_hashes(now))


def test_a_new_secret_survives_a_read_that_was_under_way(
    fake_vzaps: FakeVZaps, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    early, asked_at = answer_about(instance), timezone.now()
    real = mirror.apply_webhook

    def slowly(webhook: Webhook, *args: Any, **kwargs: Any) -> Any:
        # A new secret is written between our reading the row and our writing it.
        Webhook.objects.update(secret_hash=hash_secret("new"), desired_events=["Message"])
        return real(webhook, *args, **kwargs)

    monkeypatch.setattr(mirror, "apply_webhook", slowly)
    mirror.store(instance.account, early, asked_at=asked_at)

    assert is_accepted(instance, "new")
    assert Webhook.objects.get().desired_events == ["Message"]


def test_two_who_set_the_webhook_in_turn_shut_nobody_out(
    fake_vzaps: FakeVZaps, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhooks.set(instance, actor=None)
    real = attempts.open_operation

    def after_another(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(webhooks, "open_operation", real)
        webhooks.set(Instance.objects.get(), actor=None)
        return real(*args, **kwargs)

    monkeypatch.setattr(webhooks, "open_operation", after_another)
    fake_vzaps.faults.add(_second("webhook_set"), status=400)

    with pytest.raises(services.ChangeFailed):
        webhooks.set(instance, actor=None)

    assert is_accepted(instance, live(fake_vzaps, instance))


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_decision_without_looking_shuts_nobody_out(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User, carried_out: bool
) -> None:
    webhooks.set(instance, actor=None)
    for _ in range(2):
        fake_vzaps.faults.add("webhook_set", status=502, carried_out=carried_out)
        with pytest.raises(services.OutcomeUnknown) as caught:
            webhooks.set(instance, actor=None)
        assert is_accepted(instance, live(fake_vzaps, instance))
        assert caught.value.operation is not None
        operations.decide(caught.value.operation, carried_out=not carried_out, actor=operator)


def test_a_third_secret_waits_until_it_is_known_which_of_two_vzaps_has(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User
) -> None:
    webhooks.set(instance, actor=None)
    fake_vzaps.faults.add("webhook_set", status=502)
    with pytest.raises(services.OutcomeUnknown) as caught:
        webhooks.set(instance, actor=None)
    assert caught.value.operation is not None
    operations.decide(caught.value.operation, carried_out=False, actor=operator)
    fake_vzaps.faults.add("webhook_get", status=400)

    with pytest.raises(services.ChangeFailed, match="Nothing was sent"):
        webhooks.set(instance, actor=None)

    assert len(fake_vzaps.calls_to("webhook_set")) == 2
    webhooks.set(instance, actor=None)
    assert is_accepted(instance, live(fake_vzaps, instance))


def test_a_secret_that_vzaps_turns_out_to_have_after_all_lives_on(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    """The old URL was read twice, then VZaps got round to the new one."""
    webhooks.set(instance, actor=None)
    remote = fake_vzaps.instances[instance.vzaps_id]
    old = remote.webhook
    fake_vzaps.faults.add("webhook_set", drop=True)
    with pytest.raises(services.OutcomeUnknown):
        webhooks.set(instance, actor=None)
    new, remote.webhook = remote.webhook, old
    webhooks.check(instance)
    webhooks.check(instance)

    remote.webhook = new
    webhooks.check(instance)

    assert is_accepted(instance, live(fake_vzaps, instance), now=timezone.now() + timedelta(days=1))
    assert instance.webhook.drift == ()


def test_a_webhook_read_earlier_does_not_overwrite_one_read_later(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    remote = fake_vzaps.instances[instance.vzaps_id]
    remote.webhook = "https://one.example.org/"

    def meanwhile(*_call: object) -> None:
        remote.webhook = "https://two.example.org/"
        sync.sync_account(instance.account)

    during(fake_vzaps, "webhook_get", meanwhile)
    webhooks.check(instance)

    assert Webhook.objects.get().actual_host_and_path == "two.example.org/"


def test_a_list_read_earlier_does_not_overwrite_the_webhook_read_later(
    fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    early, asked_at = answer_about(instance), timezone.now()
    fake_vzaps.instances[instance.vzaps_id].webhook = "https://one.example.org/"
    webhooks.check(instance)

    mirror.store(instance.account, replace(early, webhook="https://old.example.org/"), asked_at=asked_at)

    assert Webhook.objects.get().actual_host_and_path == "one.example.org/"


# Sync


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


# Keys of encryption


def test_a_missing_key_is_a_plain_error_and_leaves_nothing_open(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    without = {key: value for key, value in settings.VZAPS.items() if key != "ENCRYPTION_KEYS"}
    with override_settings(VZAPS=without):
        instances.restart(instance, actor=None)
        with pytest.raises(services.VZapsError, match="ENCRYPTION_KEYS"):
            subscriptions.subscribe(instance, actor=None)

    assert set(Operation.objects.values_list("outcome", flat=True)) == {
        OperationOutcome.SUCCEEDED,
        OperationOutcome.FAILED,
    }
    assert not Operation.objects.filter(lock__isnull=False).exists()


def test_an_event_that_arrived_later_outlives_the_answer_to_a_disconnect(
    fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    def meanwhile(*_call: object) -> None:
        connection.record(instance.pk, connected=True, source="webhook", asked_at=timezone.now())

    during(fake_vzaps, "disconnect", meanwhile)
    services.sessions.disconnect(instance, actor=None)

    assert instance.connected is True


def _fail(*_args: object, **_kwargs: object) -> Any:
    raise RuntimeError("broken")


def _second(route: str) -> Callable[[Any], bool]:
    calls: list[object] = []

    def applies(request: Any) -> bool:
        if request.route == route:
            calls.append(request)
        return request.route == route and len(calls) == 2

    return applies
