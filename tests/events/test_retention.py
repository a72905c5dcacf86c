from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_vzaps.events import MessageEvent, dispatch, on, retention, storing
from django_vzaps.events.retention import PruneReport, prune
from django_vzaps.models import (
    Alert,
    Event,
    EventState,
    FailedDelivery,
    HandlerRun,
    HealingRun,
    Instance,
    InstanceChange,
    Lane,
)
from django_vzaps.testing import events
from tests.events.conftest import Post, new_instance

pytestmark = pytest.mark.django_db

Arrive = Callable[..., Event]


@pytest.fixture(autouse=True)
def _days(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.VZAPS = {**settings.VZAPS, "EVENT_PAYLOAD_DAYS": 30, "EVENT_RETENTION_DAYS": 90}
    monkeypatch.setattr(retention, "BATCH", 2)


def in_state(event: Event, state: EventState, *, days_old: float) -> Event:
    received_at = timezone.now() - timedelta(days=days_old)
    Event.objects.filter(pk=event.pk).update(state=state, received_at=received_at)
    return event


def test_payloads_go_before_rows_and_pending_ones_never(instance: Instance, arrive: Arrive) -> None:
    gone = [in_state(arrive(), state, days_old=91) for state in EventState]
    HandlerRun.objects.create(event=gone[1], handler="gone with it")
    bare = [in_state(arrive(), state, days_old=31) for state in EventState]
    whole = in_state(arrive(), EventState.DONE, days_old=29)
    finished = len(EventState) - 1

    assert prune() == PruneReport(payloads=finished, events=finished, reports=0)
    pending = {event.pk for event in (*gone, *bare) if event.state == EventState.PENDING} - {
        event.pk for event in (*gone[1:], *bare[1:])
    }
    left = Event.objects.all()
    assert {event.pk for event in left} == {whole.pk, *pending, *(event.pk for event in bare)}
    assert {event.pk for event in left if event.payload} == {whole.pk, *pending}
    assert not HandlerRun.objects.exists()
    assert prune() == PruneReport(payloads=0, events=0, reports=0)


@pytest.mark.parametrize("days_old", [31, 91])
def test_an_event_that_is_replayed_meanwhile_is_left(
    instance: Instance, arrive: Arrive, monkeypatch: pytest.MonkeyPatch, days_old: int
) -> None:
    event = in_state(arrive(), EventState.DONE, days_old=days_old)
    found = retention._oldest

    def found_and_replayed(rows: Any) -> Any:
        for pks in found(rows):
            Event.objects.filter(pk=event.pk).update(state=EventState.PENDING)
            yield pks

    monkeypatch.setattr(retention, "_oldest", found_and_replayed)
    assert prune() == PruneReport(payloads=0, events=0, reports=0)
    assert Event.objects.get().payload


def test_a_redelivery_is_known_after_its_payload_was_erased(instance: Instance, post: Post) -> None:
    message = events.message()
    post(message)
    Event.objects.update(received_at=timezone.now() - timedelta(days=31))
    assert prune().payloads == 1
    assert post(message).status_code == 200
    assert Event.objects.get().duplicates == 1


def test_events_and_payloads_can_be_kept_for_ever(instance: Instance, arrive: Arrive, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "EVENT_RETENTION_DAYS": 0, "EVENT_PAYLOAD_DAYS": 0}
    in_state(arrive(), EventState.DONE, days_old=10_000)
    assert prune() == PruneReport(payloads=0, events=0, reports=0)


def test_a_dry_run_counts_and_changes_nothing(instance: Instance, arrive: Arrive) -> None:
    in_state(arrive(), EventState.DONE, days_old=91)
    in_state(arrive(), EventState.DONE, days_old=31)
    out = StringIO()
    call_command("vzaps_prune", dry_run=True, stdout=out)
    assert out.getvalue() == "Would erase 2 payloads, delete 1 events, 0 reports, 0 changes and 0 alerts.\n"
    assert Event.objects.exclude(payload="").count() == 2


def test_the_command_says_what_it_did(instance: Instance, arrive: Arrive) -> None:
    in_state(arrive(), EventState.DONE, days_old=91)
    in_state(arrive(), EventState.DONE, days_old=31)
    out = StringIO()
    call_command("vzaps_prune", stdout=out)
    assert out.getvalue() == "1 payloads erased; deleted: 1 events, 0 reports, 0 changes, 0 alerts.\n"


def test_every_transaction_is_small_and_reads_no_payload(instance: Instance, arrive: Arrive) -> None:
    for _ in range(5):
        in_state(arrive(), EventState.DONE, days_old=91)
    progress: list[int] = []
    with CaptureQueriesContext(connection) as queries:
        prune(progress=progress.append)
    assert progress == [2, 4, 5]
    read = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
    assert not any("payload" in sql.split("WHERE")[0] for sql in read)


def test_a_delivery_is_remembered_as_long_as_the_log_lists_it(instance: Instance) -> None:
    long_ago = timezone.now() - timedelta(days=91)
    run = HealingRun.objects.create(instance=instance, started_at=long_ago, seen_at=long_ago)
    listed = FailedDelivery.objects.create(instance=instance, run=run, log_id="listed")
    forgotten = FailedDelivery.objects.create(instance=instance, run=run, log_id="forgotten", seen_at=long_ago)
    assert prune().reports == 1
    assert list(FailedDelivery.objects.all()) == [listed]
    FailedDelivery.objects.update(seen_at=forgotten.seen_at)
    assert prune().reports == 2
    assert not HealingRun.objects.exists()


def a_change(instance: Instance, field: str, new: object, *, days_old: float) -> InstanceChange:
    at = timezone.now() - timedelta(days=days_old)
    return InstanceChange.objects.create(instance=instance, field=field, new=new, source="api", at=at)


def test_of_old_changes_the_newest_of_each_field_stays(instance: Instance) -> None:
    other = new_instance("VZ0002")
    for days_old in (900, 800, 700):
        for of in (instance, other):
            a_change(of, "name", f"{days_old} days ago", days_old=days_old)
            a_change(of, "status", f"{days_old} days ago", days_old=days_old)
    recent = a_change(instance, "name", "lately", days_old=364)
    assert prune(dry_run=True).changes == 9
    assert prune().changes == 9
    assert prune().changes == 0
    left = InstanceChange.objects.order_by("pk").values_list("instance", "field", "new")
    assert list(left) == [
        (instance.pk, "status", "700 days ago"),
        (other.pk, "name", "700 days ago"),
        (other.pk, "status", "700 days ago"),
        (instance.pk, "name", recent.new),
    ]


def test_alerts_go_when_they_are_over_for_long(instance: Instance, settings: Any) -> None:
    long_ago = timezone.now() - timedelta(days=366)
    alerts = [
        Alert.objects.create(kind="stale", instance=instance, raised_at=long_ago, resolved_at=resolved_at)
        for resolved_at in (None, timezone.now(), long_ago)
    ]
    settings.VZAPS = {**settings.VZAPS, "CHANGE_RETENTION_DAYS": 0}
    assert prune().alerts == 0
    settings.VZAPS = {**settings.VZAPS, "CHANGE_RETENTION_DAYS": 365}
    assert prune().alerts == 1
    assert set(Alert.objects.all()) == set(alerts[:2])


def test_a_history_keeps_its_row_and_loses_its_payload_once_it_is_handled(
    instance: Instance, silent: list[int], post: Post
) -> None:
    seen: list[str] = []

    @on("HistorySync")
    def keep(event: Any) -> None:
        seen.append(str(event.get("data.sync_type")))

    post(events.history_sync())
    event = Event.objects.get()
    assert (event.lane, bool(event.payload)) == (Lane.BULK, True)
    dispatch.drain(instance.pk, Lane.BULK)
    event.refresh_from_db()
    assert seen == ["RECENT"]
    assert (event.state, event.payload) == (EventState.DONE, "")


def test_a_history_that_was_not_handled_keeps_its_payload(
    instance: Instance, silent: list[int], post: Post, settings: Any
) -> None:
    settings.VZAPS = {**settings.VZAPS, "HANDLER_ATTEMPTS": 1}

    @on("HistorySync")
    def fail(event: Any) -> None:
        raise ValueError

    post(events.history_sync())
    dispatch.drain(instance.pk, Lane.BULK)
    event = Event.objects.get()
    assert (event.state, bool(event.payload)) == (EventState.FAILED, True)


def test_presence_is_dropped_unless_the_settings_say_otherwise(
    instance: Instance, post: Post, settings: Any, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        assert post(events.presence()).status_code == 200
    assert not Event.objects.exists()
    settings.VZAPS = {**settings.VZAPS, "EVENT_STORAGE": {"Presence": "full"}}
    post(events.presence())
    assert Event.objects.get().type == "Presence"


def test_a_storm_in_the_bulk_lane_keeps_no_message_waiting(instance: Instance, silent: list[int], post: Post) -> None:
    seen: list[str] = []

    @on("Message")
    def keep(event: MessageEvent) -> None:
        seen.append(event.text)

    for number in range(5):
        post(events.history_sync(number))
    post(events.message("urgent"))
    assert dispatch.drain(instance.pk, Lane.MAIN) == 1
    assert seen == ["urgent"]
    assert Event.objects.filter(state=EventState.PENDING).count() == 5


def test_a_drop_is_said_to_the_caller(instance: Instance) -> None:
    received = storing.receive(b'{"type": "Presence"}', instance_id=instance.pk, vzaps_id=instance.vzaps_id)
    assert (received.pk, received.is_new, received.is_waiting) == (None, False, False)
