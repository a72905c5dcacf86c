from __future__ import annotations

from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import override_settings

from django_vzaps import services
from django_vzaps.models import Account, Instance, Operation, OperationOutcome, Webhook
from django_vzaps.services import instances, operations, sync
from django_vzaps.services.clients import client_for, token_of
from django_vzaps.testing import FakeVZaps

pytestmark = pytest.mark.django_db


def test_create_makes_one_instance_that_sends_its_events_here(
    fake_vzaps: FakeVZaps, account: Account, operator: User
) -> None:
    operation = instances.create(account, name="Front desk", actor=operator, events=["Message"])

    (remote,) = fake_vzaps.instances.values()
    assert operation.outcome == OperationOutcome.SUCCEEDED
    assert operation.actor == operator
    instance = operation.instance
    assert instance is not None
    assert instance.vzaps_id == remote.id
    assert instance.token is not None
    assert instance.token.reveal() == remote.token
    assert remote.events == ["Message"]
    assert remote.webhook.startswith(f"https://hooks.example.test/vzaps/webhook/{instance.webhook.public_id}/")
    assert instance.webhook.drift == ()
    assert instance.subscription.state == "trialing"


def test_no_secret_is_readable_in_the_database(fake_vzaps: FakeVZaps, account: Account) -> None:
    instances.create(account, name="Front desk", actor=None)

    (remote,) = fake_vzaps.instances.values()
    webhook_secret = remote.webhook.rsplit("/", 1)[1]
    with connection.cursor() as cursor:
        for model in (Account, Instance, Webhook, Operation):
            cursor.execute(f"SELECT * FROM {model._meta.db_table}")  # noqa: S608 - our own table
            stored = repr(cursor.fetchall())
            assert remote.token not in stored
            assert webhook_secret not in stored


def test_without_a_base_url_an_instance_is_created_without_webhook(fake_vzaps: FakeVZaps, account: Account) -> None:
    with override_settings(VZAPS={"WEBHOOK_BASE_URL": "", **_without("WEBHOOK_BASE_URL")}):
        operation = instances.create(account, name="Front desk", actor=None)

    (remote,) = fake_vzaps.instances.values()
    assert remote.webhook == ""
    assert operation.instance is not None
    assert not operation.instance.webhook.is_managed


def test_nothing_is_created_when_the_token_could_not_be_kept(fake_vzaps: FakeVZaps, account: Account) -> None:
    with (
        override_settings(VZAPS=_without("ENCRYPTION_KEYS")),
        pytest.raises(services.VZapsError, match="ENCRYPTION_KEYS"),
    ):
        instances.create(account, name="Front desk", actor=None)

    assert not fake_vzaps.calls_to("create")
    assert not Operation.objects.exists()


def test_a_refused_create_is_recorded_as_failed_with_the_reason(fake_vzaps: FakeVZaps, account: Account) -> None:
    fake_vzaps.faults.add("create", status=422)

    with pytest.raises(services.ChangeFailed) as caught:
        instances.create(account, name="Front desk", actor=None)

    operation = Operation.objects.get()
    assert caught.value.operation == operation
    assert operation.outcome == OperationOutcome.FAILED
    assert "did not accept the values" in operation.error
    assert not Instance.objects.exists()


def test_a_create_whose_answer_was_lost_is_found_again_and_not_repeated(
    fake_vzaps: FakeVZaps, account: Account, operator: User
) -> None:
    fake_vzaps.faults.add("create", drop=True)

    with pytest.raises(services.OutcomeUnknown) as caught:
        instances.create(account, name="Front desk", actor=operator, owner=operator)

    operation = caught.value.operation
    assert operation is not None
    assert operation.outcome == OperationOutcome.UNKNOWN
    assert not Instance.objects.exists()

    settled = operations.settle(operation)

    assert settled.outcome == OperationOutcome.SUCCEEDED
    (remote,) = fake_vzaps.instances.values()
    assert settled.instance is not None
    assert settled.instance.vzaps_id == remote.id
    assert settled.instance.owner == operator
    assert settled.instance.webhook.public_id == UUID(remote.webhook.split("/")[-2])
    assert settled.instance.webhook.drift == ()
    assert len(fake_vzaps.calls_to("create")) == 1


def test_a_sync_recognises_the_instance_of_a_lost_answer(fake_vzaps: FakeVZaps, account: Account) -> None:
    fake_vzaps.faults.add("create", drop=True)
    with pytest.raises(services.OutcomeUnknown):
        instances.create(account, name="Front desk", actor=None)

    sync.sync_account(account)

    operation = Operation.objects.get()
    assert operation.outcome == OperationOutcome.SUCCEEDED
    assert operation.instance is not None
    assert operation.instance.webhook.is_managed


def test_where_the_webhook_is_not_echoed_a_person_decides(
    fake_vzaps: FakeVZaps, account: Account, operator: User
) -> None:
    fake_vzaps.variants.echo_webhook = False
    fake_vzaps.faults.add("create", drop=True)
    with pytest.raises(services.OutcomeUnknown):
        instances.create(account, name="Front desk", actor=None)
    operation = Operation.objects.get()

    assert operations.settle(operation).outcome == OperationOutcome.UNKNOWN

    operations.decide(operation, carried_out=False, actor=operator)
    assert operation.outcome == OperationOutcome.FAILED
    assert operation.settled_by == operator


def test_the_same_idempotency_key_creates_once(fake_vzaps: FakeVZaps, account: Account) -> None:
    first = instances.create(account, name="Front desk", actor=None, idempotency_key="order-7")
    second = instances.create(account, name="Front desk", actor=None, idempotency_key="order-7")

    assert first == second
    assert len(fake_vzaps.calls_to("create")) == 1


def test_update_changes_both_sides(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    instances.update(instance, actor=None, name="Reception", reject_calls=True)

    remote = fake_vzaps.instances[instance.vzaps_id]
    assert (remote.name, remote.reject_calls) == ("Reception", True)
    assert (instance.name, instance.reject_calls) == ("Reception", True)


def test_restart_is_sent_once_also_when_no_answer_comes(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    fake_vzaps.faults.add("restart", status=503)

    with pytest.raises(services.OutcomeUnknown):
        instances.restart(instance, actor=None)

    assert len(fake_vzaps.calls_to("restart")) == 1


def test_delete_keeps_the_row_and_marks_it_removed(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    instances.delete(instance, actor=None)

    assert not fake_vzaps.instances
    instance.refresh_from_db()
    assert instance.removed_at is not None


def test_delete_warns_of_an_active_subscription_first(fake_vzaps: FakeVZaps, account: Account) -> None:
    remote = fake_vzaps.add_instance(name="Paid for", billing_status="ACTIVE")
    sync.sync_account(account)
    instance = Instance.objects.get()

    with pytest.raises(services.SubscriptionIsActive, match="cancel the subscription first"):
        instances.delete(instance, actor=None)
    assert remote.id in fake_vzaps.instances

    instances.delete(instance, actor=None, despite_subscription=True)
    assert not fake_vzaps.instances


def test_delete_looks_first_whether_somebody_has_paid_meanwhile(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    # On VZaps' own pages: nothing here knows of it.
    client_for(instance).instances.subscribe(instance.vzaps_id, {}, instance_token=token_of(instance))

    with pytest.raises(services.SubscriptionIsActive, match="has a subscription"):
        instances.delete(instance, actor=None)

    assert fake_vzaps.calls_to("delete") == []
    assert Operation.objects.get().outcome == OperationOutcome.FAILED
    instances.delete(instance, actor=None, despite_subscription=True)
    assert len(fake_vzaps.calls_to("delete")) == 1


def test_nothing_is_deleted_unread(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    fake_vzaps.faults.add("get", status=403)
    with pytest.raises(services.ChangeFailed, match="Nothing was sent, because the present state could not be read"):
        instances.delete(instance, actor=None)
    assert fake_vzaps.calls_to("delete") == []


def test_a_lost_answer_to_a_delete_is_settled_by_the_instance_being_gone(
    fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    fake_vzaps.faults.add("delete", drop=True)
    with pytest.raises(services.OutcomeUnknown) as caught:
        instances.delete(instance, actor=None)

    assert caught.value.operation is not None
    assert operations.settle(caught.value.operation).outcome == OperationOutcome.SUCCEEDED
    instance.refresh_from_db()
    assert instance.removed_at is not None


def test_read_only_refuses_before_anything_is_recorded_or_sent(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    with override_settings(VZAPS={**_without(), "READ_ONLY": True}):
        with pytest.raises(services.ReadOnly):
            instances.restart(instance, actor=None)
        with pytest.raises(services.ReadOnly):
            services.sessions.qr(instance)
        sync.sync_instance(instance)

    assert not Operation.objects.exists()
    assert [call.route for call in fake_vzaps.calls] == ["get"]


def test_a_change_inside_a_transaction_fails_loudly(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        instances.restart(instance, actor=None)

    assert not fake_vzaps.calls


def test_what_ran_past_its_deadline_is_unknown_and_a_late_success_overwrites_that(
    fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    def late(*_args: object) -> bool:
        Operation.objects.update(deadline="2020-01-01T00:00:00Z")
        assert operations.mark_overdue() == 1
        assert Operation.objects.get().outcome == OperationOutcome.UNKNOWN
        return False

    fake_vzaps.faults.add(late)

    assert instances.restart(instance, actor=None).outcome == OperationOutcome.SUCCEEDED


def _without(*keys: str) -> dict[str, object]:
    from django.conf import settings

    return {key: value for key, value in settings.VZAPS.items() if key not in keys}
