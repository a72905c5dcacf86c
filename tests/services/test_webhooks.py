from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_vzaps import services
from django_vzaps.crypto import matches
from django_vzaps.models import Account, Instance, Operation, OperationOutcome
from django_vzaps.services import mirror, operations, sync, webhooks
from django_vzaps.testing import FakeVZaps

pytestmark = pytest.mark.django_db


def live_secret(fake: FakeVZaps, instance: Instance) -> str:
    return fake.instances[instance.vzaps_id].webhook.rsplit("/", 1)[1]


def accepted(instance: Instance, secret: str) -> bool:
    instance.webhook.refresh_from_db()
    return matches(secret, *instance.webhook.accepted_hashes())


def test_set_points_vzaps_here_and_reads_it_back(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    operation = webhooks.set(instance, actor=None, events=["Message", "Connected"])

    assert operation.outcome == OperationOutcome.SUCCEEDED
    assert sorted(fake_vzaps.instances[instance.vzaps_id].events) == ["Connected", "Message"]
    assert instance.webhook.drift == ()
    assert instance.webhook.actual_events == ["Connected", "Message"]
    assert accepted(instance, live_secret(fake_vzaps, instance))


def test_setting_again_changes_the_secret_and_the_old_one_dies_after_a_while(
    fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    webhooks.set(instance, actor=None)
    old = live_secret(fake_vzaps, instance)

    webhooks.set(instance, actor=None)

    assert live_secret(fake_vzaps, instance) != old
    assert accepted(instance, live_secret(fake_vzaps, instance))
    assert accepted(instance, old)
    later = timezone.now() + mirror.GRACE + timedelta(seconds=1)
    assert not matches(old, *instance.webhook.accepted_hashes(later))


def test_a_refused_change_leaves_the_webhook_as_it_was(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    webhooks.set(instance, actor=None, events=["Message"])
    old = live_secret(fake_vzaps, instance)
    fake_vzaps.faults.add("webhook_set", status=400)

    with pytest.raises(services.ChangeFailed):
        webhooks.set(instance, actor=None, events=["Connected"])

    assert instance.webhook.desired_events == ["Message"]
    assert instance.webhook.drift == ()
    assert accepted(instance, old)


@pytest.mark.parametrize("carried_out", [True, False])
def test_while_the_outcome_is_unknown_events_are_accepted_either_way(
    fake_vzaps: FakeVZaps, instance: Instance, carried_out: bool
) -> None:
    webhooks.set(instance, actor=None)
    fake_vzaps.faults.add("webhook_set", status=502, carried_out=carried_out)

    with pytest.raises(services.OutcomeUnknown) as caught:
        webhooks.set(instance, actor=None)

    assert accepted(instance, live_secret(fake_vzaps, instance))
    with pytest.raises(services.OperationInProgress):
        webhooks.set(instance, actor=None)
    operation = caught.value.operation
    assert operation is not None
    settled = operations.settle(operation)
    assert settled.outcome == (OperationOutcome.SUCCEEDED if carried_out else OperationOutcome.UNKNOWN)
    assert accepted(instance, live_secret(fake_vzaps, instance))


def test_after_a_person_decided_the_webhook_can_be_set_again(
    fake_vzaps: FakeVZaps, instance: Instance, operator: object
) -> None:
    webhooks.set(instance, actor=None)
    fake_vzaps.faults.add("webhook_set", status=502, carried_out=False)
    with pytest.raises(services.OutcomeUnknown):
        webhooks.set(instance, actor=None)
    operation = operations.settle(Operation.objects.get(outcome=OperationOutcome.UNKNOWN))

    operations.decide(operation, carried_out=False, actor=operator)  # type: ignore[arg-type]
    live_before = live_secret(fake_vzaps, instance)
    fake_vzaps.faults.add("webhook_set", status=502, carried_out=False)
    with pytest.raises(services.OutcomeUnknown):
        webhooks.set(instance, actor=None)

    assert accepted(instance, live_before)


def test_drift_is_found_by_checking(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    webhooks.set(instance, actor=None, events=["Message"])
    remote = fake_vzaps.instances[instance.vzaps_id]

    remote.events = ["Message", "Presence"]
    assert webhooks.check(instance).drift == ("events",)
    remote.webhook = remote.webhook.rsplit("/", 1)[0] + "/another-secret-that-is-not-ours-at-all"
    assert webhooks.check(instance).drift == ("url", "events")
    remote.webhook = "https://elsewhere.example.org/"
    sync.sync_account(instance.account)
    instance.webhook.refresh_from_db()
    assert instance.webhook.actual_host_and_path == "elsewhere.example.org/"


def test_unknown_events_are_refused_before_anything_is_sent(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    with pytest.raises(services.ChangeFailed, match="Receipt"):
        webhooks.set(instance, actor=None, events=["Receipt"])

    assert not fake_vzaps.calls
    assert not Operation.objects.exists()


def test_an_existing_webhook_is_only_touched_when_asked_to(fake_vzaps: FakeVZaps, account: Account) -> None:
    remote = fake_vzaps.add_instance(webhook="https://crm.example.org/in", events=["Message"])
    sync.sync_account(account)
    instance = Instance.objects.get()

    webhooks.check(instance)
    assert remote.webhook == "https://crm.example.org/in"
    assert not instance.webhook.is_managed

    webhooks.set(instance, actor=None)
    assert remote.webhook.startswith("https://hooks.example.test/")


def test_asked_again_under_the_same_key_nothing_is_sent_whatever_the_events_have_become(
    fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    first = webhooks.set(instance, actor=None, idempotency_key="one")
    webhooks.set(instance, actor=None, events=["Message"], idempotency_key="two")

    assert webhooks.set(instance, actor=None, idempotency_key="one") == first
    assert len(fake_vzaps.calls_to("webhook_set")) == 2
    with pytest.raises(services.IdempotencyKeyReused):
        webhooks.set(instance, actor=None, events=["Presence"], idempotency_key="two")
