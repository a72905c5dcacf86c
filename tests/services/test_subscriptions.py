from __future__ import annotations

import threading

import pytest
from django.contrib.auth.models import User
from django.db import close_old_connections, connection

from django_vzaps import services
from django_vzaps.models import Account, Instance, Operation, OperationOutcome
from django_vzaps.services import operations, subscriptions, sync
from django_vzaps.testing import FakeVZaps

pytestmark = pytest.mark.django_db


def charges(fake: FakeVZaps) -> int:
    return sum(charge.reason == "subscribe" for charge in fake.charges)


def test_subscribe_charges_once_and_shows_the_new_state(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User
) -> None:
    operation = subscriptions.subscribe(instance, actor=operator)

    assert operation.outcome == OperationOutcome.SUCCEEDED
    assert operation.confirmed_at is not None
    assert operation.answer["mode"] == "direct"
    instance.subscription.refresh_from_db()
    assert instance.subscription.state == "active"
    assert charges(fake_vzaps) == 1


def test_subscribe_looks_first_and_refuses_a_second_subscription(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    # Paid elsewhere: our mirror does not know yet.
    fake_vzaps.instances[instance.vzaps_id].billing.status = "ACTIVE"

    with pytest.raises(services.AlreadySubscribed, match="Nothing was charged"):
        subscriptions.subscribe(instance, actor=None)

    assert not fake_vzaps.calls_to("subscribe")
    assert Operation.objects.get().outcome == OperationOutcome.FAILED


@pytest.mark.parametrize("lag", [1, 3])
def test_a_second_click_while_the_shown_state_lags_sends_nothing(
    fake_vzaps: FakeVZaps, instance: Instance, lag: int
) -> None:
    fake_vzaps.billing_lag = lag
    first = subscriptions.subscribe(instance, actor=None)
    assert first.outcome == OperationOutcome.SUCCEEDED
    assert first.confirmed_at is None

    with pytest.raises(services.OperationInProgress) as caught:
        subscriptions.subscribe(instance, actor=None)
    assert caught.value.operation == first
    assert charges(fake_vzaps) == 1

    for _ in range(lag):
        operations.settle(first)
    first.refresh_from_db()
    assert first.confirmed_at is not None
    with pytest.raises(services.AlreadySubscribed):
        subscriptions.subscribe(instance, actor=None)
    assert charges(fake_vzaps) == 1


def test_a_lost_answer_keeps_the_lock_until_reading_settles_it(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    fake_vzaps.faults.add("subscribe", drop=True)

    with pytest.raises(services.OutcomeUnknown, match="not known whether"):
        subscriptions.subscribe(instance, actor=None)
    with pytest.raises(services.OperationInProgress):
        subscriptions.subscribe(instance, actor=None)
    with pytest.raises(services.OperationInProgress):
        subscriptions.cancel(instance, actor=None)

    assert len(fake_vzaps.calls_to("subscribe")) == 1
    report = operations.settle_all()
    assert (report.settled, report.open) == (1, 0)
    assert Operation.objects.get().outcome == OperationOutcome.SUCCEEDED
    subscriptions.cancel(instance, actor=None)


def test_a_sync_settles_a_lost_answer_too(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    fake_vzaps.faults.add("subscribe", drop=True)
    with pytest.raises(services.OutcomeUnknown):
        subscriptions.subscribe(instance, actor=None)

    sync.sync_account(instance.account)

    operation = Operation.objects.get()
    assert operation.outcome == OperationOutcome.SUCCEEDED
    assert operation.lock is None


def test_that_nothing_was_charged_is_decided_by_a_person(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User
) -> None:
    fake_vzaps.faults.add("subscribe", status=502)
    with pytest.raises(services.OutcomeUnknown):
        subscriptions.subscribe(instance, actor=None)
    operation = Operation.objects.get()

    operations.settle_all()
    operation.refresh_from_db()
    assert operation.outcome == OperationOutcome.UNKNOWN

    operations.decide(operation, carried_out=False, actor=operator)
    assert subscriptions.subscribe(instance, actor=operator).outcome == OperationOutcome.SUCCEEDED
    assert charges(fake_vzaps) == 1


def test_a_definite_refusal_frees_the_next_attempt(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    fake_vzaps.faults.add("subscribe", status=402)

    with pytest.raises(services.ChangeFailed):
        subscriptions.subscribe(instance, actor=None)
    subscriptions.subscribe(instance, actor=None)

    assert charges(fake_vzaps) == 1


def test_nothing_is_sent_when_the_state_cannot_be_read_first(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    fake_vzaps.faults.add("get", status=401, times=None)

    with pytest.raises(services.ChangeFailed, match="Nothing was sent"):
        subscriptions.subscribe(instance, actor=None)

    assert not fake_vzaps.calls_to("subscribe")
    assert Operation.objects.get().lock is None


def test_an_open_checkout_is_reused_until_it_is_paid(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    fake_vzaps.account.card_on_file = False

    first = subscriptions.subscribe(instance, actor=None)
    second = subscriptions.subscribe(instance, actor=None)

    assert first == second
    assert first.answer["url"].startswith("http")
    instance.subscription.refresh_from_db()
    assert instance.subscription.checkout_url == first.answer["url"]
    assert not instance.subscription.exists_on_vzaps
    assert len(fake_vzaps.calls_to("subscribe")) == 1

    fake_vzaps.complete_checkout(instance.vzaps_id)
    sync.sync_account(instance.account)
    instance.subscription.refresh_from_db()
    assert instance.subscription.state == "active"
    assert instance.subscription.checkout_url == ""
    with pytest.raises(services.AlreadySubscribed):
        subscriptions.subscribe(instance, actor=None)


def test_cancel_and_resume_are_verified_by_reading(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    subscriptions.subscribe(instance, actor=None)

    cancelled = subscriptions.cancel(instance, actor=None)
    instance.subscription.refresh_from_db()
    assert cancelled.confirmed_at is not None
    assert instance.subscription.cancel_at is not None
    with pytest.raises(services.ChangeFailed, match="cancelled already"):
        subscriptions.cancel(instance, actor=None)
    with pytest.raises(services.AlreadySubscribed, match="Resume it instead"):
        subscriptions.subscribe(instance, actor=None)

    resumed = subscriptions.resume(instance, actor=None)
    instance.subscription.refresh_from_db()
    assert resumed.confirmed_at is not None
    assert instance.subscription.cancel_at is None
    with pytest.raises(services.ChangeFailed, match="nothing to resume"):
        subscriptions.resume(instance, actor=None)


def test_an_immediate_cancel_is_understood(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    fake_vzaps.variants.immediate_cancel = True
    subscriptions.subscribe(instance, actor=None)

    assert subscriptions.cancel(instance, actor=None).confirmed_at is not None

    instance.subscription.refresh_from_db()
    assert instance.subscription.state == "canceled"
    with pytest.raises(services.ChangeFailed, match="Subscribe again"):
        subscriptions.resume(instance, actor=None)


def test_billing_is_read_where_only_the_status_field_carries_it(fake_vzaps: FakeVZaps, account: Account) -> None:
    fake_vzaps.variants.billing_key = "status"
    fake_vzaps.add_instance(name="Front desk", billing_status="ACTIVE")

    sync.sync_account(account)

    assert Instance.objects.get().subscription.state == "active"


def test_the_same_key_subscribes_once(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    first = subscriptions.subscribe(instance, actor=None, idempotency_key="invoice-1")
    second = subscriptions.subscribe(instance, actor=None, idempotency_key="invoice-1")

    assert first == second
    assert len(fake_vzaps.calls_to("subscribe")) == 1


def test_the_same_key_cancels_and_resumes_once(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    subscriptions.subscribe(instance, actor=None)

    for change in (subscriptions.cancel, subscriptions.resume):
        first, second = [change(instance, actor=None, idempotency_key=change.__name__) for _ in range(2)]
        assert first == second

    assert len(fake_vzaps.calls_to("cancel")) == len(fake_vzaps.calls_to("resume")) == 1


def test_before_and_after_are_kept_with_the_operation(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    fake_vzaps.billing_lag = 1
    operation = subscriptions.subscribe(instance, actor=None)
    assert operation.baseline["billing_status"] == "TRIALING"
    assert operation.effect is None
    assert subscriptions.pending(instance) == operation

    operations.settle(operation)
    fake_vzaps.instances[instance.vzaps_id].billing.status = "PAST_DUE"
    subscriptions.refresh(instance)

    operation = Operation.objects.get()
    assert operation.effect["billing_status"] == "ACTIVE"
    assert subscriptions.pending(instance) is None


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_many_clicks_at_once_charge_once(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    fake_vzaps.billing_lag = 50
    assert charged_by_threads(instance, count=12) == 1
    assert charges(fake_vzaps) == 1


@pytest.mark.mariadb
@pytest.mark.django_db(transaction=True)
def test_many_clicks_at_once_charge_once_on_mariadb(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    fake_vzaps.billing_lag = 50
    assert charged_by_threads(instance, count=12) == 1
    assert charges(fake_vzaps) == 1


def charged_by_threads(instance: Instance, *, count: int) -> int:
    """How many of ``count`` threads that subscribe at the same moment succeed; the others are refused in words."""
    start = threading.Barrier(count)
    succeeded: list[Operation] = []
    other: list[BaseException] = []

    def click() -> None:
        close_old_connections()
        try:
            mine = Instance.objects.select_related("account").get(pk=instance.pk)
            start.wait()
            succeeded.append(subscriptions.subscribe(mine, actor=None))
        except (services.OperationInProgress, services.AlreadySubscribed):
            pass
        except BaseException as error:  # noqa: BLE001 - a thread's error must reach the test
            other.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=click) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not other
    return len(succeeded)
