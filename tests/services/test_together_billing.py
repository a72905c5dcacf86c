"""Two at once, told in one thread: who pays, who deletes, and who lets go of the lock."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from django_vzaps import services
from django_vzaps.models import Account, Instance, Operation, OperationKind, OperationOutcome, Subscription
from django_vzaps.services import (
    instances,
    mirror,
    operations,
    subscriptions,
)
from django_vzaps.testing import FakeVZaps
from tests.services.conftest import answer_about, during, let_the_deadline_pass

pytestmark = pytest.mark.django_db


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


def _fail(*_args: object, **_kwargs: object) -> Any:
    raise RuntimeError("broken")
