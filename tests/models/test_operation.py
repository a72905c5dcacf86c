from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from django_vzaps.models import BILLING_KINDS, Account, Instance, Operation, OperationKind, OperationOutcome

pytestmark = pytest.mark.django_db

Make = Callable[..., Operation]


@pytest.fixture
def make(instance: Instance) -> Make:
    def made(*, overdue: bool = False, **columns: Any) -> Operation:
        deadline = timezone.now() + timedelta(minutes=-1 if overdue else 1)
        return Operation.objects.create(
            **{"kind": OperationKind.SUBSCRIBE, "instance": instance, "deadline": deadline, **columns}
        )

    return made


def test_overdue_are_those_that_run_past_their_deadline(make: Make) -> None:
    late = make(overdue=True)
    make()
    for outcome in OperationOutcome:
        if outcome != OperationOutcome.RUNNING:
            make(overdue=True, outcome=outcome)

    assert list(Operation.objects.overdue()) == [late]


@pytest.mark.parametrize(
    ("outcome", "locked", "found"),
    [
        ("running", False, False),
        ("running", True, False),
        ("unknown", False, True),
        ("unknown", True, True),
        ("succeeded", False, False),
        ("succeeded", True, True),  # its effect on billing has not been read back yet
        ("failed", False, False),
        ("failed", True, True),
    ],
)
def test_unsettled_are_those_whose_end_is_open(make: Make, outcome: str, *, locked: bool, found: bool) -> None:
    operation = make(outcome=outcome, lock="billing:1" if locked else None)

    assert list(Operation.objects.unsettled()) == ([operation] if found else [])


def test_questions_can_be_combined_and_asked_of_one_instance(make: Make, instance: Instance, account: Account) -> None:
    other = Instance.objects.create(account=account, vzaps_id="VZ2")
    mine, _theirs = make(outcome="unknown"), make(outcome="unknown", instance=other)

    assert list(instance.operations.unsettled()) == [mine]
    assert Operation.objects.filter(kind="instance.create").unsettled().count() == 0
    assert Operation.objects.unsettled().overdue().count() == 0


def test_a_lock_is_held_once_and_free_again_when_it_is_given_back(make: Make) -> None:
    first = make(lock="billing:1")
    make(lock="billing:2")

    with pytest.raises(IntegrityError), transaction.atomic():
        make(lock="billing:1")

    Operation.objects.filter(pk=first.pk).update(lock=None)
    assert make(lock="billing:1").pk


def test_an_idempotency_key_is_used_once_for_ever(make: Make) -> None:
    make(idempotency_key="invoice-1", outcome="failed")

    with pytest.raises(IntegrityError), transaction.atomic():
        make(idempotency_key="invoice-1")


def test_the_record_outlives_what_it_is_about(make: Make, instance: Instance) -> None:
    operation = make(account=instance.account, parameters={"name": "Front desk"})
    account = instance.account
    instance.delete()
    account.delete()

    operation.refresh_from_db()
    assert (operation.instance, operation.account) == (None, None)
    assert operation.parameters == {"name": "Front desk"}


def test_it_is_shown_in_words(make: Make) -> None:
    operation = make()

    assert str(operation) == f"subscribe #{operation.pk}"
    assert operation.outcome_label == "running"
    newer = make(kind="instance.teleport", outcome="partly")
    assert (newer.kind_label, newer.outcome_label) == ("instance.teleport", "partly")


def test_the_latest_comes_first(make: Make) -> None:
    first, second = make(), make()

    assert list(Operation.objects.all()) == [second, first]


def test_billing_kinds_are_those_that_move_money() -> None:
    assert sorted(BILLING_KINDS) == ["subscription.cancel", "subscription.resume", "subscription.subscribe"]
    longest = max(len(kind.value) for kind in OperationKind)
    assert longest <= (Operation._meta.get_field("kind").max_length or 0)
