from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_vzaps import services
from django_vzaps.models import Account, Event, Instance
from django_vzaps.testing import FakeVZaps
from tests.management.conftest import Run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def instance(fake_vzaps: FakeVZaps, account: Account) -> Instance:
    """One that was made here, and so has a webhook that this site manages; an event for it was lost."""
    instance = services.instances.create(account, name="Front desk", actor=None).instance
    assert instance is not None
    services.sessions.qr(instance)
    fake_vzaps.scan(instance.vzaps_id)
    fake_vzaps.faults.webhooks.lose(1)
    fake_vzaps.receive(instance.vzaps_id, "one")
    return instance


def test_what_was_recovered_is_reported_for_each_instance(instance: Instance, run: Run) -> None:
    said = run("vzaps_heal")

    assert "Front desk: 1 missing, 1 recovered, 0 unrecoverable" in said.out
    assert "1 delivery logs read: 1 deliveries missing, 1 recovered" in said.out
    assert not said.failure
    assert "0 deliveries missing" in run("vzaps_heal", "--instance", instance.vzaps_id).out


def test_a_log_that_cannot_be_read_is_a_failure(fake_vzaps: FakeVZaps, instance: Instance, run: Run) -> None:
    fake_vzaps.faults.add("logs_search", status=500, times=None)

    for arguments in ([], ["--instance", instance.vzaps_id]):
        said = run("vzaps_heal", *arguments)
        assert "VZaps has a problem of its own" in said.out
        assert "0 delivery logs read" in said.out
        assert said.failure == "Delivery logs that could not be read: 1."


def test_while_vzaps_fails_for_an_account_it_is_left_alone_and_that_is_told(
    fake_vzaps: FakeVZaps, instance: Instance, run: Run
) -> None:
    fake_vzaps.faults.add("logs_search", status=500, times=None)
    for _number in range(3):
        run("vzaps_heal")
    fake_vzaps.faults.clear()
    fake_vzaps.calls.clear()

    said = run("vzaps_heal")

    assert "Accounts that were left alone for a while, because VZaps fails for them: 1." in said.err
    assert said.failure == "Not every delivery log was read."
    assert not fake_vzaps.calls

    Account.objects.update(paused_until=timezone.now() - timedelta(seconds=1))
    assert not run("vzaps_heal").failure
    assert Account.objects.get().failing_since is None


def test_one_instance_is_looked_at_alone(fake_vzaps: FakeVZaps, instance: Instance, run: Run) -> None:
    services.instances.create(instance.account, name="Other", actor=None)

    assert "1 delivery logs read: 1 deliveries missing" in run("vzaps_heal", "--instance", instance.vzaps_id).out
    assert len(fake_vzaps.calls_to("logs_search")) == 1


@pytest.mark.parametrize("why", ["unknown", "not managed", "gone", "another account"])
def test_an_instance_that_is_not_to_be_healed_is_an_error(
    fake_vzaps: FakeVZaps, instance: Instance, run: Run, why: str
) -> None:
    arguments = ["--instance", instance.vzaps_id]
    match why:
        case "unknown":
            arguments = ["--instance", "VZ-nobody"]
        case "not managed":
            instance.webhook.desired_events = None
            instance.webhook.save()
        case "gone":
            Instance.objects.update(removed_at=timezone.now() - timedelta(days=1))
        case "another account":
            Account.objects.create(name="other")
            arguments += ["--account", "other"]

    said = run("vzaps_heal", *arguments)

    assert said.failure == f"There is no instance “{arguments[1]}” whose webhook this site manages."
    assert not fake_vzaps.calls_to("logs_search")
    assert not Event.objects.filter(source="delivery_log").exists()
