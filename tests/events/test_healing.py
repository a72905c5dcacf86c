"""What VZaps failed to deliver is taken in from its log: whose, in which turn, and what is said about it."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError
from django.utils import timezone

from django_vzaps.events import MessageEvent, healing, on, retention, storing
from django_vzaps.models import (
    Account,
    Event,
    EventSource,
    FailedDelivery,
    HealingRun,
    Instance,
    Operation,
    Webhook,
)
from django_vzaps.services import deliveries
from django_vzaps.testing import FakeVZaps
from tests.events.delivery_log import fresh, managed_instance

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def instance(fake_vzaps: FakeVZaps) -> Instance:
    return managed_instance(fake_vzaps)


@pytest.fixture
def seen() -> list[str]:
    found: list[str] = []

    @on("Message")
    def keep(event: MessageEvent) -> None:
        found.append(event.text)

    return found


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The instances whose log was looked at, in turn."""
    found: list[int] = []
    failed = deliveries.failed

    def look(instance: Instance) -> Any:
        found.append(instance.pk)
        return failed(instance)

    monkeypatch.setattr(deliveries, "failed", look)
    return found


def test_what_was_lost_is_recovered_once(fake_vzaps: FakeVZaps, instance: Instance, seen: list[str]) -> None:
    fake_vzaps.faults.webhooks.lose(2)
    fake_vzaps.receive(instance.vzaps_id, "one")
    fake_vzaps.receive(instance.vzaps_id, "two")
    fake_vzaps.receive(instance.vzaps_id, "three")
    assert seen == ["three"]

    run = healing.heal(instance)
    assert run is not None
    assert (run.missing, run.recovered, run.present, run.unrecoverable, run.problems) == (2, 2, 0, 0, "")
    assert sorted(seen) == ["one", "three", "two"]
    assert set(Event.objects.filter(source=EventSource.DELIVERY_LOG).values_list("origin_id", flat=True)) == set(
        FailedDelivery.objects.values_list("log_id", flat=True)
    )
    assert healing.heal(instance) is None, "nothing is new"
    assert len(seen) == 3
    instance.webhook.refresh_from_db()
    assert instance.webhook.healed_at is not None


def test_the_newest_failure_is_remembered_while_it_is_listed(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    fake_vzaps.faults.webhooks.lose(2)
    fake_vzaps.receive(instance.vzaps_id, "one")
    fake_vzaps.receive(instance.vzaps_id, "two")
    healing.heal(instance)
    newest = FailedDelivery.objects.latest("failed_at").failed_at
    instance.webhook.refresh_from_db()
    assert instance.webhook.last_failure_at == newest is not None
    assert instance.webhook.health == "failing"

    fake_vzaps.faults.add("logs_search", status=500, times=None)
    healing.heal(instance)
    instance.webhook.refresh_from_db()
    assert instance.webhook.last_failure_at == newest, "what was not read says nothing"

    fake_vzaps.faults.clear()
    for log in fake_vzaps.logs(instance.vzaps_id):
        log.status = "delivered"
    healing.heal(instance)
    instance.webhook.refresh_from_db()
    assert instance.webhook.last_failure_at is None
    assert instance.webhook.health == "ok"


def test_a_log_without_failures_costs_one_call(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    fake_vzaps.variants.omit_from_list = {"total", "total_pages"}
    fake_vzaps.receive(instance.vzaps_id, "one")
    assert healing.heal(instance) is None
    assert [call.route for call in fake_vzaps.calls if call.route.startswith("log")] == ["logs_search"]


def test_what_arrived_after_all_only_counts(fake_vzaps: FakeVZaps, instance: Instance, seen: list[str]) -> None:
    fake_vzaps.receive(instance.vzaps_id, "one")
    fake_vzaps.logs(instance.vzaps_id)[-1].status = "failed"  # our answer came too late
    run = healing.heal(instance)
    assert run is not None
    assert (run.missing, run.recovered, run.present) == (1, 0, 1)
    assert seen == ["one"]
    assert Event.objects.get(message_id__gt="").duplicates == 1


def test_a_lost_connected_event_only_makes_us_ask(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    Instance.objects.update(connected=None, connection_asked_at=None)
    fake_vzaps.faults.webhooks.lose(1)
    fake_vzaps.disconnect(instance.vzaps_id)
    assert healing.heal(instance)
    instance.refresh_from_db()
    assert instance.connected is None
    assert instance.confirm_connection_at is not None


@pytest.mark.parametrize(("minutes", "recovered"), [(5, 1), (15, 0)])
def test_what_failed_shortly_before_the_webhook_was_ours_may_be_ours_by_vzaps_clock(
    fake_vzaps: FakeVZaps, instance: Instance, minutes: int, recovered: int
) -> None:
    Operation.objects.update(started_at=timezone.now())
    fake_vzaps.faults.webhooks.lose(1)
    fake_vzaps.receive(instance.vzaps_id, "one")
    lost = fake_vzaps.logs(instance.vzaps_id)[-1]
    lost.created_at = (timezone.now() - timedelta(minutes=minutes)).timestamp()
    assert healing.heal_all().recovered == recovered


def test_what_is_still_listed_is_not_taken_in_again_after_it_was_pruned(
    fake_vzaps: FakeVZaps, instance: Instance, seen: list[str], settings: Any
) -> None:
    settings.VZAPS = {**settings.VZAPS, "EVENT_RETENTION_DAYS": 30}
    fake_vzaps.faults.webhooks.lose(1)
    fake_vzaps.receive(instance.vzaps_id, "one")
    healing.heal(instance)
    long_ago = timezone.now() - timedelta(days=31)
    Event.objects.update(received_at=long_ago)
    FailedDelivery.objects.update(seen_at=long_ago)

    healing.heal(instance)
    retention.prune()
    assert not Event.objects.exists()
    assert healing.heal(instance) is None
    assert seen == ["one"]


def test_a_site_without_time_zones_is_healed_too(fake_vzaps: FakeVZaps, settings: Any) -> None:
    settings.USE_TZ, settings.TIME_ZONE = False, "America/Sao_Paulo"
    instance = managed_instance(fake_vzaps)
    fake_vzaps.faults.webhooks.lose(1)
    fake_vzaps.receive(instance.vzaps_id, "one")
    assert healing.heal_all().recovered == 1
    failed_at = FailedDelivery.objects.get().failed_at
    assert failed_at is not None
    assert abs(failed_at - timezone.now()) < timedelta(minutes=5)


def test_only_instances_that_are_ours_to_heal_are_looked_at(
    fake_vzaps: FakeVZaps, instance: Instance, looked: list[int]
) -> None:
    removed, unmanaged = (managed_instance(fake_vzaps, name) for name in ("Removed", "Somebody else's"))
    Instance.objects.filter(pk=removed.pk).update(removed_at=timezone.now())
    Webhook.objects.filter(instance=unmanaged).update(desired_events=None)
    assert healing.heal_all().instances == 1
    assert looked == [instance.pk]

    Account.objects.update(is_active=False)
    assert healing.heal_all().instances == 0
    assert looked == [instance.pk]


def test_one_that_went_meanwhile_is_left_out(fake_vzaps: FakeVZaps, instance: Instance, looked: list[int]) -> None:
    other = managed_instance(fake_vzaps, "Other")
    pks = {instance.pk, other.pk}

    def progress(healed: Instance, run: HealingRun | None) -> None:
        Instance.objects.filter(pk__in=pks - {healed.pk}).delete()

    assert healing.heal_all(progress=progress).instances == 1
    assert len(looked) == 1


def test_longest_unseen_is_first(fake_vzaps: FakeVZaps, instance: Instance, looked: list[int]) -> None:
    never, yesterday = managed_instance(fake_vzaps, "Never"), managed_instance(fake_vzaps, "Yesterday")
    now = timezone.now()
    Webhook.objects.filter(instance=instance).update(healed_at=now)
    Webhook.objects.filter(instance=yesterday).update(healed_at=now - timedelta(days=1))
    healing.heal_all()
    assert looked == [never.pk, yesterday.pk, instance.pk]


def test_one_instance_does_not_stop_the_others_and_a_dead_service_does(
    fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    managed_instance(fake_vzaps, "Other")
    fake_vzaps.faults.add("logs_search", status=404)
    summary = healing.heal_all()
    assert (summary.instances, summary.failed) == (2, 1)

    fake_vzaps.faults.add("logs_search", status=500, times=None)
    fake_vzaps.calls.clear()
    summary = healing.heal_all()
    assert (summary.instances, summary.failed) == (1, 1)
    assert HealingRun.objects.latest("pk").finished_at is None


def test_a_log_that_can_never_be_read_does_not_stand_before_the_others_for_ever(
    fake_vzaps: FakeVZaps, instance: Instance, looked: list[int]
) -> None:
    other = managed_instance(fake_vzaps, "Other")
    path = f"/instances/{instance.vzaps_id}/"
    fake_vzaps.faults.add(
        lambda request: "logs/search" in request.path and path in request.path, status=500, times=None
    )
    for _ in range(2):
        healing.heal_all()
    assert looked[0] == instance.pk
    assert other.pk in looked


def test_our_own_error_with_one_instance_is_reported_and_does_not_stop_the_others(
    fake_vzaps: FakeVZaps,
    instance: Instance,
    seen: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = managed_instance(fake_vzaps, "Other")
    fake_vzaps.faults.webhooks.lose(2)
    fake_vzaps.receive(instance.vzaps_id, "one")
    fake_vzaps.receive(other.vzaps_id, "two")
    receive = storing.receive

    def refuse(body: bytes, *, instance_id: int, **rest: Any) -> Any:
        if instance_id == instance.pk:
            raise DataError("too much")
        return receive(body, instance_id=instance_id, **rest)

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR, "django_vzaps"):
        patch.setattr(storing, "receive", refuse)
        summary = healing.heal_all()
    assert (summary.instances, summary.failed, summary.recovered) == (2, 1, 1)
    assert seen == ["two"]
    assert "DataError" in HealingRun.objects.get(instance=instance).problems
    assert "too much" in caplog.text
    assert fresh(instance).webhook.healed_at is None

    healing.heal_all()
    assert seen == ["two", "one"], "nothing was given up"


def test_a_lasting_problem_is_said_once(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    def look() -> HealingRun | None:
        return healing.heal(fresh(instance))

    fake_vzaps.faults.add("logs_search", status=404, times=4)
    first = look()
    assert first is not None
    for _ in range(3):
        last = look()
    assert last == first == HealingRun.objects.get()
    assert last is not None
    assert last.started_at == first.started_at
    assert last.seen_at > first.seen_at

    fake_vzaps.faults.add("logs_search", status=403)
    assert look() != first, "another problem"

    assert look() is None
    fake_vzaps.faults.add("logs_search", status=403)
    look()
    assert HealingRun.objects.count() == 3, "it was away in between"


def test_what_was_found_has_a_report_of_its_own(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    fake_vzaps.faults.add("logs_search", status=404)
    problem = healing.heal(instance)
    fake_vzaps.faults.webhooks.lose(21)
    for number in range(21):
        fake_vzaps.receive(instance.vzaps_id, str(number))
    fake_vzaps.faults.add(
        lambda request: request.route == "logs_search" and request.json().get("page") == 2, status=404, times=2
    )
    found = healing.heal(instance)
    assert found is not None
    assert problem is not None
    assert found != problem
    assert (found.problems, found.recovered, found.finished_at) == (problem.problems, 20, None)
    nothing_new = healing.heal(instance)
    assert nothing_new is not None
    assert (nothing_new.missing, nothing_new.problems) == (0, problem.problems)
    rest = healing.heal(instance)
    assert rest is not None
    assert (rest.recovered, rest.problems) == (1, "")


def test_only_the_given_accounts_are_looked_at(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    other = Account.objects.create(name="other")
    assert healing.heal_all([other]).instances == 0
    assert healing.heal_all([instance.account, other]).instances == 1
