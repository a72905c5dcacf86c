"""The record of what was attempted: what it keeps, and what closes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from django_vzaps import services
from django_vzaps.models import Account, Instance, Operation, OperationKind, OperationOutcome
from django_vzaps.services import instances, messages, mirror, operations, pages, sessions, sync, webhooks
from django_vzaps.services.attempts import close_operation, open_operation
from django_vzaps.services.clients import client_for
from django_vzaps.testing import FakeVZaps
from tests.services.conftest import during

pytestmark = pytest.mark.django_db


def test_what_still_runs_is_neither_given_up_nor_decided(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User
) -> None:
    refused: list[str] = []

    def meanwhile(*_call: object) -> None:
        assert operations.mark_overdue() == 0
        with pytest.raises(services.ChangeFailed, match="still running") as caught:
            operations.decide(Operation.objects.get(), carried_out=False, actor=operator)
        refused.append(str(caught.value))

    during(fake_vzaps, "restart", meanwhile)

    assert instances.restart(instance, actor=None).settled_by is None
    assert refused


def test_the_same_key_sends_one_text(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    fake_vzaps.faults.add("send_text", status=502, carried_out=True)
    with pytest.raises(services.OutcomeUnknown):
        messages.send_text(instance, phone="5511900001111", message="hello", idempotency_key="reminder-1")

    again = messages.send_text(instance, phone="5511900001111", message="hello", idempotency_key="reminder-1")

    assert again.outcome == OperationOutcome.UNKNOWN
    assert len(fake_vzaps.calls_to("send_text")) == 1


def test_each_lost_creation_is_recognised_as_its_own_instance(fake_vzaps: FakeVZaps, account: Account) -> None:
    instances.create(account, name="There before", actor=None)
    names = ["First", "Second"]
    for name in names:
        fake_vzaps.faults.add("create", drop=True)
        with pytest.raises(services.OutcomeUnknown):
            instances.create(account, name=name, actor=None)

    sync.sync_account(account)

    settled = Operation.objects.exclude(confirmed_at=None).select_related("instance").order_by("pk")
    assert [operation.instance and operation.instance.name for operation in settled] == names


@pytest.mark.parametrize("page", [True, False])
def test_what_the_receiver_writes_meanwhile_is_not_overwritten(
    fake_vzaps: FakeVZaps, instance: Instance, monkeypatch: pytest.MonkeyPatch, page: bool
) -> None:
    fake_vzaps.instances[instance.vzaps_id].name = "Renamed"
    answer, asked_at = client_for(instance).instances.get(instance.vzaps_id), timezone.now()
    apply = mirror.apply_instance
    columns = {"last_event_at": asked_at, "confirm_connection_at": asked_at}

    def apply_slowly(*args: Any, **kwargs: Any) -> Any:
        Instance.objects.update(**columns)
        return apply(*args, **kwargs)

    monkeypatch.setattr(mirror, "apply_instance", apply_slowly)
    if page:
        pages.store_page(instance.account, [answer], asked_at=asked_at, unsettled=set())
    else:
        mirror.store(instance.account, answer, asked_at=asked_at)

    assert Instance.objects.values(*columns).get() == columns
    assert Instance.objects.get().name == "Renamed"


def test_secrets_are_masked_in_what_is_recorded(instance: Instance) -> None:
    operation = open_operation(
        OperationKind.UPDATE,
        actor=None,
        account=instance.account,
        instance=instance,
        parameters={"labels": {"access_token": "s3cret", "team": "one"}},
    ).operation
    close_operation(operation, OperationOutcome.SUCCEEDED, answer={"instanceToken": "s3cret", "id": "1"})

    (stored,) = Operation.objects.values_list("parameters", "answer")
    assert "s3cret" not in repr(stored)
    assert "one" in repr(stored)


def test_an_error_of_our_own_during_a_call_leaves_its_outcome_unknown(
    fake_vzaps: FakeVZaps, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(client_for(instance).instances, "restart", broken)

    with pytest.raises(RuntimeError, match="broken"):
        instances.restart(instance, actor=None)

    assert Operation.objects.get().outcome == OperationOutcome.UNKNOWN


def test_an_operation_is_given_up_at_its_deadline(instance: Instance) -> None:
    operation = open_operation(OperationKind.RESTART, actor=None, account=instance.account, instance=instance).operation
    assert operation.deadline - operation.started_at > timedelta(minutes=4)

    Operation.objects.update(deadline=timezone.now() - timedelta(seconds=1))

    assert operations.mark_overdue() == 1
    assert Operation.objects.unsettled().get() == operation


@pytest.mark.parametrize("route", ["update", "delete", "disconnect", "webhook_set"])
def test_what_was_not_carried_out_is_not_settled_by_reading(
    fake_vzaps: FakeVZaps, instance: Instance, route: str
) -> None:
    sessions.qr(instance)
    fake_vzaps.scan(instance.vzaps_id)
    webhooks.set(instance, actor=None)
    attempts: dict[str, Callable[[], object]] = {
        "update": lambda: instances.update(instance, actor=None, name="Reception"),
        "delete": lambda: instances.delete(instance, actor=None),
        "disconnect": lambda: sessions.disconnect(instance, actor=None),
        "webhook_set": lambda: webhooks.set(instance, actor=None),
    }
    fake_vzaps.faults.add(route, status=502)
    with pytest.raises(services.OutcomeUnknown) as caught:
        attempts[route]()
    assert caught.value.operation is not None

    assert operations.settle(caught.value.operation).outcome == OperationOutcome.UNKNOWN

    assert Instance.objects.get().removed_at is None


def test_that_reading_is_refused_does_not_mean_that_an_instance_is_gone(
    fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    fake_vzaps.faults.add("delete", drop=True)
    with pytest.raises(services.OutcomeUnknown) as caught:
        instances.delete(instance, actor=None)
    assert caught.value.operation is not None
    fake_vzaps.faults.add("get", status=403)

    with pytest.raises(services.ReadFailed):
        operations.settle(caught.value.operation)

    assert Instance.objects.get().removed_at is None


def test_finding_out_gives_up_first_what_ran_past_its_deadline(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    operation = open_operation(
        OperationKind.SUBSCRIBE,
        actor=None,
        account=instance.account,
        instance=instance,
        lock=f"billing:{instance.pk}",
    ).operation
    assert operations.settle(operation).outcome == OperationOutcome.RUNNING
    assert fake_vzaps.calls == []

    Operation.objects.update(deadline=timezone.now() - timedelta(seconds=1))
    operation.refresh_from_db()
    assert operation.is_overdue
    assert operations.settle(operation).outcome == OperationOutcome.UNKNOWN

    fake_vzaps.instances[instance.vzaps_id].billing.status = "ACTIVE"
    assert operations.settle(operation).outcome == OperationOutcome.SUCCEEDED
