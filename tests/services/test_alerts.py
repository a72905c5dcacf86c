"""What raises an alert, once, and what resolves it, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_vzaps import signals
from django_vzaps.models import (
    Account,
    Alert,
    Event,
    EventState,
    Instance,
    InstanceChange,
    Operation,
    OperationOutcome,
    Subscription,
    Webhook,
)
from django_vzaps.services import alerts
from django_vzaps.services.alerts import condition, conditions, raising
from tests.admin.test_list_queries import read
from tests.services.alerting import (
    ago,
    an_account,
    an_event,
    an_instance,
    disconnected,
    ending,
    failing,
    heard,
    move_end,
    open_kinds,
    stale,
    with_webhook,
)
from tests.services.test_threads import at_once

pytestmark = pytest.mark.django_db


def only() -> Alert:
    return Alert.objects.get()


def past_due() -> Subscription:
    return Subscription.objects.create(instance=an_instance(), state="past_due")


def drifted() -> Webhook:
    return with_webhook(an_instance(), actual_host_and_path="elsewhere.example/")


def undelivered() -> Webhook:
    return with_webhook(an_instance(), last_failure_at=ago(hours=3))


REASONS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "disconnected": (disconnected, lambda: Instance.objects.update(connected=True)),
    "stale": (stale, lambda: Instance.objects.update(connection_asked_at=timezone.now())),
    "webhook_drift": (drifted, lambda: Webhook.objects.update(actual_host_and_path="here.example/hook")),
    "events_failing": (undelivered, lambda: Webhook.objects.update(last_failure_at=ago(hours=25))),
    "subscription_ending": (lambda: ending(days=6), lambda: Subscription.objects.update(cancel_at=None)),
    "subscription_past_due": (past_due, lambda: Subscription.objects.update(state="active")),
    "credentials_rejected": (
        lambda: failing("credentials", seconds=1),
        lambda: Account.objects.update(failing_since=None, failure_kind=""),
    ),
    "account_unreadable": (
        lambda: failing("timeout", minutes=6),
        lambda: Account.objects.update(failing_since=None, failure_kind=""),
    ),
    "events_waiting": (
        lambda: an_event(an_instance(), received_at=ago(minutes=11)),
        lambda: Instance.objects.get().events.all().delete(),
    ),
}


@pytest.mark.parametrize("kind", REASONS)
def test_each_reason_raises_one_alert_that_is_resolved_when_it_is_gone(kind: str) -> None:
    begin, end = REASONS[kind]
    begin()
    assert alerts.check().raised == 1
    assert alerts.check().raised == 0
    assert open_kinds() == [kind]
    end()
    assert alerts.check().resolved == 1
    assert alerts.check().resolved == 0
    alert = only()
    assert (alert.kind, alert.is_open, alert.open_key) == (kind, False, None)


def test_what_comes_back_is_another_alert() -> None:
    disconnected()
    for connected in (False, True, False):
        Instance.objects.update(connected=connected)
        alerts.check()
    assert [alert.is_open for alert in Alert.objects.all()] == [True, False]


def test_every_kind_has_a_condition_and_a_test() -> None:
    assert {each.kind for each in conditions.CONDITIONS} == REASONS.keys()


def test_a_site_that_is_well_raises_nothing() -> None:
    instance = an_instance()
    with_webhook(instance)
    an_event(instance, EventState.DONE, received_at=ago(hours=1))
    an_event(instance, received_at=ago(minutes=9))
    Subscription.objects.create(instance=instance, state="active", cancel_at=timezone.now() + timedelta(days=8))
    disconnected("a moment", connection_changed_at=ago(seconds=119))
    disconnected("never paired", connected_at=None)
    stale("was just called stale", connection_asked_at=ago(minutes=29))
    failing("timeout", minutes=4)
    Subscription.objects.create(instance=an_instance(), state="canceled", cancel_at=timezone.now() + timedelta(days=1))
    report = alerts.check()
    assert (report.raised, report.failed) == (0, ())


def test_since_when_it_is_so_is_kept() -> None:
    instance = disconnected()
    alerts.check()
    assert only().since == instance.connection_changed_at
    assert only().instance == instance


def test_how_long_an_instance_may_be_away_is_a_setting(settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "ALERT_DISCONNECTED_AFTER": 7200}
    disconnected()
    alerts.check()
    assert open_kinds() == []


def test_one_that_comes_and_goes_raises_nothing() -> None:
    instance = disconnected(connection_changed_at=ago(seconds=30))
    for seconds in (30, 90, 10):
        Instance.objects.filter(pk=instance.pk).update(connection_changed_at=ago(seconds=seconds))
        alerts.check()
    assert not Alert.objects.exists()


def test_an_outage_of_vzaps_is_one_alert_and_so_it_stays_while_it_ends() -> None:
    account = failing("unreachable", minutes=40)
    for _ in range(3):
        stale(account=account)
    assert alerts.check().raised == 1
    assert open_kinds() == ["account_unreadable"]
    Account.objects.update(failing_since=None, failure_kind="")
    assert alerts.check().raised == 0
    assert open_kinds() == []
    # What is still not confirmed by now is so for a reason of its own.
    Alert.objects.update(resolved_at=ago(minutes=16))
    assert alerts.check().raised == 3


def test_an_outage_that_is_not_an_alert_yet_keeps_instances_quiet_too(settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "STALE_AFTER": 60}
    stale(account=failing("unreachable", minutes=3))
    alerts.check()
    assert open_kinds() == []


def test_an_outage_resolves_nothing_that_was_raised_before() -> None:
    account = an_account()
    stale(account=account)
    alerts.check()
    Account.objects.filter(pk=account.pk).update(failing_since=ago(minutes=6), failure_kind="timeout")
    alerts.check()
    assert open_kinds() == ["account_unreadable", "stale"]


def test_refused_credentials_take_the_place_of_the_outage_they_end() -> None:
    failing("timeout", minutes=6)
    alerts.check()
    Account.objects.update(failure_kind="credentials")
    alerts.check()
    assert open_kinds() == ["credentials_rejected"]
    Account.objects.update(failure_kind="timeout")
    alerts.check()
    assert open_kinds() == ["credentials_rejected"]


def test_credentials_that_are_missing_are_told_at_once() -> None:
    failing("not_configured", seconds=1)
    alerts.check()
    assert open_kinds() == ["credentials_rejected"]


def test_who_is_not_looked_after_has_no_alerts() -> None:
    for begin, _end in REASONS.values():
        begin()
    Account.objects.update(is_active=False)
    alerts.check()
    assert open_kinds() == ["events_waiting"]  # of the whole site
    Account.objects.update(is_active=True)
    alerts.check()
    assert open_kinds() == sorted(REASONS)
    Account.objects.update(is_active=False)
    alerts.check()
    assert open_kinds() == ["events_waiting"]


def test_what_is_gone_from_vzaps_has_no_alerts() -> None:
    instance = disconnected()
    alerts.check()
    Instance.objects.filter(pk=instance.pk).update(removed_at=timezone.now())
    alerts.check()
    assert not only().is_open


def test_a_webhook_that_is_being_set_is_not_called_wrong_and_not_right_either() -> None:
    webhook = drifted()
    running = Operation.objects.create(kind="webhook.set", instance=webhook.instance, deadline=timezone.now())
    alerts.check()
    assert open_kinds() == []
    Operation.objects.update(outcome=OperationOutcome.FAILED)
    alerts.check()
    assert open_kinds() == ["webhook_drift"]
    Operation.objects.filter(pk=running.pk).update(outcome=OperationOutcome.RUNNING)
    alerts.check()
    assert open_kinds() == ["webhook_drift"]


def test_what_differs_of_a_webhook_is_said_and_since_when() -> None:
    webhook = drifted()
    Webhook.objects.update(actual_events=["Presence"])
    at = ago(hours=2)
    InstanceChange.objects.create(instance=webhook.instance, field="webhook_host_and_path", source="api", at=at)
    alerts.check()
    assert (only().details, only().since) == ({"differs": ["url", "events"]}, at)


def test_a_webhook_that_is_not_ours_does_not_differ() -> None:
    with_webhook(an_instance(), desired_events=None, actual_host_and_path="elsewhere.example/")
    alerts.check()
    assert open_kinds() == []


def test_failed_events_are_counted_and_forgotten_after_a_day() -> None:
    instance = an_instance()
    first = an_event(instance, EventState.FAILED, received_at=ago(hours=23))
    an_event(instance, EventState.FAILED)
    an_event(instance, EventState.FAILED, received_at=ago(hours=25))
    alerts.check()
    assert only().details == {"failed_events": 2, "undelivered": False}
    assert only().since == first.received_at
    instance.events.update(received_at=ago(hours=25))
    alerts.check()
    assert not only().is_open


def test_events_that_failed_and_events_that_did_not_come_are_one_alert() -> None:
    webhook = undelivered()
    an_event(webhook.instance, EventState.FAILED)
    alerts.check()
    assert only().details == {"failed_events": 1, "undelivered": True}
    Webhook.objects.update(last_failure_at=None)
    alerts.check()
    assert only().is_open


def test_what_was_set_aside_waits_since_it_was_to_be_tried_again() -> None:
    instance = an_instance()
    an_event(instance, received_at=ago(hours=1), retry_at=timezone.now() + timedelta(minutes=1))
    an_event(instance, received_at=ago(hours=1), retry_at=ago(minutes=9))
    alerts.check()
    assert open_kinds() == []
    an_event(instance, received_at=ago(hours=1), retry_at=ago(minutes=11))
    alerts.check()
    assert open_kinds() == ["events_waiting"]


def test_the_days_that_are_left_are_one_alert_with_a_date_that_is_true() -> None:
    subscription = ending(days=6.9)
    for days, stage in ((6.9, 7), (2.9, 3), (0.9, 1), (5, 7)):
        move_end(subscription, days=days)
        alerts.check()
        subscription.refresh_from_db()
        assert subscription.ends_at is not None
        assert (only().stage, only().details["ends_at"]) == (stage, subscription.ends_at.isoformat())
    move_end(subscription, days=-0.1)
    alerts.check()
    assert not only().is_open


def test_a_kind_that_cannot_be_looked_at_stops_no_other_and_resolves_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stale()
    alerts.check()

    def fail(*args: object) -> Any:
        raise RuntimeError

    monkeypatch.setattr(conditions.Stale, "lasting", fail)
    disconnected()
    assert alerts.check().failed == ("stale",)
    assert open_kinds() == ["disconnected", "stale"]
    assert "stale" in caplog.text


def test_signals_are_sent_once_each(commits: None) -> None:
    disconnected()
    with heard(signals.alert_raised) as raised, heard(signals.alert_resolved) as resolved:
        for _ in range(2):
            alerts.check()
        assert resolved == []
        Instance.objects.update(connected=True)
        for _ in range(2):
            alerts.check()
    assert [told["alert"] for told in raised] == [only()]
    assert [told["alert"] for told in resolved] == [only()]
    assert resolved[0]["alert"].resolved_at is not None


def test_a_check_takes_as_many_queries_for_many_as_for_few() -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            alerts.check()
        return len(captured)

    def begin(count: int) -> None:
        for _ in range(count):
            for reason, (begin, _end) in REASONS.items():
                if reason != "events_waiting":
                    begin()
            an_event(an_instance(), EventState.FAILED)

    begin(1)
    queries()
    begin(2)
    few = queries()
    calm = queries()
    begin(8)
    assert queries() == few
    assert queries() == calm
    Instance.objects.update(removed_at=timezone.now())
    assert Alert.objects.open().count() > 80
    assert queries() < few * 2
    assert set(open_kinds()) == {"account_unreadable", "credentials_rejected"}


@pytest.mark.postgres
def test_a_check_reads_no_table_from_end_to_end() -> None:
    account = an_account()
    well = [
        Instance(account=account, vzaps_id=f"W{number}", connected=True, connection_asked_at=timezone.now())
        for number in range(2000)
    ]
    Instance.objects.bulk_create(well)
    Webhook.objects.bulk_create([Webhook(instance=instance) for instance in well])
    Subscription.objects.bulk_create([Subscription(instance=instance, state="active") for instance in well])
    Event.objects.bulk_create(
        [Event(instance=instance, state=EventState.DONE, type="Message", payload="{}") for instance in well]
    )
    for begin, _end in REASONS.values():
        begin()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        # These tables are small enough for it to pay all the same; on a large site it does not.
        cursor.execute("SET LOCAL enable_seqscan = off")
        for _ in range(2):
            with CaptureQueriesContext(connection) as captured:
                assert alerts.check().failed == ()
            for query in captured:
                if query["sql"].startswith("SELECT"):
                    cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query['sql']}")
                    plan = cursor.fetchone()[0][0]["Plan"]
                    assert read(plan) < 100, (query, plan)


def test_more_than_a_batch_is_raised_and_resolved_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condition, "BATCH", 2)
    monkeypatch.setattr(raising, "BATCH", 2)
    for _ in range(5):
        disconnected()
    assert alerts.check().raised == 5
    Instance.objects.update(connected=True)
    assert alerts.check().resolved == 5


def test_what_another_process_raised_a_moment_ago_is_not_raised_again(
    commits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = disconnected(), disconnected()
    found = raising._insert

    def overtaken(batch: list[Alert]) -> None:
        monkeypatch.setattr(raising, "_insert", found)
        Alert.objects.create(kind="disconnected", instance=other, open_key=f"disconnected:{other.pk}")
        found(batch)

    monkeypatch.setattr(raising, "_insert", overtaken)
    with heard(signals.alert_raised) as raised:
        report = alerts.check()
    assert report.failed == ()
    assert sorted(alert.instance_id or 0 for alert in Alert.objects.open()) == sorted([mine.pk, other.pk])
    assert len({told["alert"].instance_id for told in raised}) == len(raised) == 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_many_checks_at_once_raise_and_resolve_each_once(settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "ALERT_RECIPIENTS": ["ops@example.com"]}

    def check() -> None:
        assert alerts.check().failed == ()

    account = an_account()
    for _ in range(20):
        disconnected(account=account)
    with heard(signals.alert_raised) as raised, heard(signals.alert_resolved) as resolved:
        at_once(*[check] * 6)
        assert len(raised) == Alert.objects.count() == 20
        Instance.objects.update(connected=True)
        at_once(*[check] * 6)
        assert len(resolved) == 20
    check()
    assert not Alert.objects.open().exists()
    assert sum(message.body.count("Not so any more") for message in mail.outbox) == 20
    assert sum(message.body.count("It neither sends") for message in mail.outbox) == 20
