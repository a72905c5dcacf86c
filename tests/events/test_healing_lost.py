"""What a delivery log does not hold, or not yet, or not for us."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from django_vzaps.client import VZapsAnswerError, VZapsServerError
from django_vzaps.events import MessageEvent, on
from django_vzaps.models import Event, EventState, FailedDelivery, HealingOutcome, HealingRun, Instance, Operation
from django_vzaps.testing import FakeVZaps, events
from tests.events.delivery_log import Log, look, managed_instance, row

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def instance(fake_vzaps: FakeVZaps) -> Instance:
    return managed_instance(fake_vzaps)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    return Log().put_in_place(monkeypatch)


@pytest.fixture
def seen() -> list[str]:
    found: list[str] = []

    @on("Message")
    def keep(event: MessageEvent) -> None:
        found.append(event.text)

    return found


def outcomes() -> list[str]:
    return list(FailedDelivery.objects.order_by("pk").values_list("outcome", flat=True))


def an_hour_passes(hours: float = 1) -> None:
    """All that was noted is as much older."""
    passed = timedelta(hours=hours, seconds=1)
    for delivery in FailedDelivery.objects.exclude(retry_at=None):
        assert delivery.retry_at is not None
        FailedDelivery.objects.filter(pk=delivery.pk).update(retry_at=delivery.retry_at - passed)
    for run in HealingRun.objects.all():
        HealingRun.objects.filter(pk=run.pk).update(started_at=run.started_at - passed)


def test_what_the_log_does_not_hold_is_said(instance: Instance, log: Log, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "WEBHOOK_MAX_BYTES": 1000}
    now = timezone.now().isoformat()
    log.lists(
        {"id": "large", "payload": events.message("x" * 1000), "created_at": now},
        {"id": "undated", "payload": {"type": "Connected"}},
        {"id": "odd", "payload": '{"not json', "created_at": now},
        {"id": "empty", "payload": {}, "created_at": now},
        {"status": "failed", "payload": {}},
    )
    run = look(instance)
    assert run is not None
    assert (run.unrecoverable, run.recovered) == (3, 1)
    assert "1 delivery has no id" in run.problems
    assert Event.objects.get().state == EventState.UNPARSED
    details = dict(FailedDelivery.objects.filter(outcome="unrecoverable").values_list("log_id", "detail"))
    assert "WEBHOOK_MAX_BYTES" in details["large"]
    assert "when it was" in details["undated"]
    assert "not under a known name" in details["empty"]


def test_what_was_meant_for_another_site_is_left_and_asked_for_once(instance: Instance, log: Log) -> None:
    long_ago = timezone.now() - timedelta(days=1)
    Operation.objects.update(started_at=timezone.now() - timedelta(hours=1))
    old = events.message("old", timestamp=long_ago.isoformat())
    undated = [f"undated {number}" for number in range(3)]
    log.lists({"id": "dated", "payload": old, "created_at": long_ago.isoformat()}, *({"id": name} for name in undated))
    log.kept = {name: {"payload": old} for name in undated}
    for _ in range(3):
        assert look(instance) is None
    assert not Event.objects.exists()
    assert not HealingRun.objects.exists()
    assert log.fetched == undated
    assert outcomes() == [HealingOutcome.LEFT] * 3


def test_what_was_unrecoverable_is_taken_in_as_soon_as_the_list_shows_it(
    instance: Instance, log: Log, seen: list[str]
) -> None:
    log.lists({"id": "whl_1"})
    first = look(instance)
    assert first is not None
    assert (first.missing, first.unrecoverable) == (1, 1)

    log.lists(row("whl_1", created_at=timezone.now().isoformat()))
    log.forget_calls()
    second = look(instance)
    assert second is not None
    assert (second.missing, second.recovered, second.unrecoverable) == (1, 1, 0)
    assert seen == ["whl_1"]
    assert not log.fetched
    first.refresh_from_db()
    assert (first.missing, first.unrecoverable) == (0, 0), "it is said once"
    delivery = FailedDelivery.objects.get()
    assert (delivery.run, delivery.outcome, delivery.event) == (second, HealingOutcome.RECOVERED, Event.objects.get())
    assert look(instance) is None
    assert Event.objects.get().duplicates == 0


def test_what_stays_unrecoverable_is_asked_for_ever_more_rarely(instance: Instance, log: Log, seen: list[str]) -> None:
    log.lists({"id": "whl_1", "created_at": timezone.now().isoformat()})
    assert look(instance)
    for _ in range(5):
        assert look(instance) is None
    assert log.fetched == ["whl_1"]

    # A little beyond the full hour, so that it does not matter how long the looks themselves take.
    HealingRun.objects.update(started_at=F("started_at") - timedelta(minutes=10))
    asked_after = []
    for hours in range(1, 20):
        an_hour_passes()
        log.forget_calls()
        assert look(instance) is None
        if log.fetched:
            asked_after.append(hours)
    assert asked_after == [1, 3, 7, 15]

    log.kept["whl_1"] = {"payload": events.message("late")}
    an_hour_passes(hours=15)
    run = look(instance)
    assert run is not None
    assert run.recovered == 1
    assert seen == ["late"]


def test_what_was_too_large_is_taken_in_once_it_is_not(instance: Instance, log: Log, settings: Any) -> None:
    default = settings.VZAPS
    settings.VZAPS = {**default, "WEBHOOK_MAX_BYTES": 100}
    log.lists(row("whl_1", created_at=timezone.now().isoformat()))
    look(instance)
    assert look(instance) is None
    settings.VZAPS = default
    run = look(instance)
    assert run is not None
    assert run.recovered == 1


def test_what_may_be_older_than_our_webhook_stays_so(instance: Instance, log: Log) -> None:
    log.lists({"id": "whl_1"})
    look(instance)
    log.lists({"id": "whl_1", "payload": {"type": "Connected"}}, {"id": "whl_2", "payload": {"type": "Connected"}})
    run = look(instance)
    assert run is not None
    assert outcomes() == [HealingOutcome.UNRECOVERABLE, HealingOutcome.RECOVERED]
    assert "when it was" in FailedDelivery.objects.get(log_id="whl_1").detail


def test_what_turns_out_to_be_another_sites_is_no_longer_missing(instance: Instance, log: Log) -> None:
    log.lists({"id": "whl_1"})
    first = look(instance)
    assert first is not None
    log.lists({"id": "whl_1", "payload": events.message("old", timestamp="2026-01-01T00:00:00Z")})
    assert look(instance) is None
    first.refresh_from_db()
    assert (first.missing, first.unrecoverable) == (0, 0)
    assert outcomes() == [HealingOutcome.LEFT]


@pytest.mark.parametrize("error", [None, VZapsAnswerError("That makes no sense.")])
def test_one_that_only_the_list_knows_does_not_stop_the_others(
    instance: Instance, log: Log, seen: list[str], error: Exception | None
) -> None:
    log.lists({"id": "whl_1"}, row("whl_2"))
    if error is not None:
        log.kept["whl_1"] = error
    run = look(instance)
    assert run is not None
    assert run.finished_at is not None
    assert seen == ["whl_2"]


def test_what_is_tried_again_comes_after_what_is_new(instance: Instance, log: Log, seen: list[str]) -> None:
    log.lists({"id": "whl_1"})
    look(instance)
    an_hour_passes()
    log.lists({"id": "whl_1"}, row("whl_2"))
    log.kept["whl_1"] = VZapsServerError("Out of order.", status_code=500)
    run = look(instance)
    assert run is not None
    assert run.finished_at is None
    assert seen == ["whl_2"]
    log.forget_calls()
    assert look(instance) is None
    assert not log.fetched


def test_one_that_vzaps_fails_at_does_not_stand_before_the_others_for_ever(
    instance: Instance, log: Log, seen: list[str]
) -> None:
    log.lists({"id": "whl_1"}, row("whl_2"))
    log.kept["whl_1"] = VZapsServerError("Out of order.", status_code=500)
    run = look(instance)
    assert run is not None
    assert run.finished_at is None
    assert seen == []

    look(instance)
    assert seen == ["whl_2"]
    assert log.fetched == ["whl_1"]
    log.kept["whl_1"] = {"payload": events.message("one")}
    an_hour_passes()
    look(instance)
    assert seen == ["whl_2", "one"]
