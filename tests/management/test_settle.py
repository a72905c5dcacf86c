from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_vzaps.models import Account, Instance, Operation, OperationKind, OperationOutcome
from django_vzaps.services import OutcomeUnknown, instances, subscriptions, sync
from django_vzaps.testing import FakeVZaps
from tests.management.conftest import Run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def instance(fake_vzaps: FakeVZaps, account: Account) -> Instance:
    remote = fake_vzaps.add_instance(name="Front desk")
    sync.sync_account(account)
    return Instance.objects.get(vzaps_id=remote.id)


def test_an_answer_that_never_came_is_settled_by_reading(fake_vzaps: FakeVZaps, instance: Instance, run: Run) -> None:
    fake_vzaps.faults.add("update", drop=True)
    with pytest.raises(OutcomeUnknown):
        instances.update(instance, name="Reception", actor=None)

    said = run("vzaps_settle")

    assert said.out == "1 settled by reading, 0 still open.\n"
    assert not said.failure
    assert Operation.objects.get().outcome == OperationOutcome.SUCCEEDED


def test_what_reading_cannot_settle_is_listed_for_a_person(fake_vzaps: FakeVZaps, instance: Instance, run: Run) -> None:
    fake_vzaps.faults.add("subscribe", drop=True, carried_out=False)
    with pytest.raises(OutcomeUnknown):
        subscriptions.subscribe(instance, actor=None)

    said = run("vzaps_settle")

    operation = Operation.objects.get()
    assert "0 settled by reading, 1 still open." in said.out
    assert f"subscribe #{operation.pk}, Front desk, by the system" in said.out
    assert "say so on its page in the admin" in said.out
    assert said.failure == "A person has to decide about 1 operation."
    assert not fake_vzaps.charges


def test_an_open_checkout_is_shown_and_is_no_failure(fake_vzaps: FakeVZaps, instance: Instance, run: Run) -> None:
    fake_vzaps.account.card_on_file = False
    operation = subscriptions.subscribe(instance, actor=None)
    assert operation.answer is not None

    said = run("vzaps_settle")

    assert f"Its checkout waits to be paid: {operation.answer['url']}" in said.out
    assert not said.failure


def test_what_ran_past_its_deadline_is_marked_first(account: Account, run: Run) -> None:
    Operation.objects.create(
        kind=OperationKind.RESTART, account=account, deadline=timezone.now() - timedelta(minutes=1)
    )

    said = run("vzaps_settle")

    assert "1 operation ran past its deadline: its outcome is unknown." in said.out
    assert Operation.objects.get().outcome == OperationOutcome.UNKNOWN


def test_with_nothing_open_it_says_so(run: Run) -> None:
    said = run("vzaps_settle", terminal=True)

    assert said.out == "0 settled by reading, 0 still open.\n"
    assert not said.failure
