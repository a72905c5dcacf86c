"""Instances that are called connected, but are quiet for much longer than is usual for them, are asked about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_vzaps.events import connection
from django_vzaps.models import Account, Event, EventSource, EventState, Instance
from django_vzaps.services import probes, silence
from django_vzaps.testing import FakeVZaps

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NOW = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _half_past_twelve(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fixed moment, because habits are learned by the hours of the clock."""
    monkeypatch.setattr(timezone, "now", lambda: NOW)


@pytest.fixture
def account() -> Account:
    return Account.objects.create(name="default")


def talker(account: Account, last: timedelta, *, usual: timedelta | None = HOUR, **columns: Any) -> Instance:
    """One that is called connected, and whose last event came so long ago."""
    facts = {
        "vzaps_id": f"VZ{Instance.objects.count()}",
        "connected": True,
        "connected_at": NOW - 30 * DAY,
        "connection_asked_at": NOW,
        "last_event_at": NOW - last,
        "silence_learned_at": NOW,
    }
    return Instance.objects.create(account=account, usual_silence=usual, **(facts | columns))


def came(instance: Instance, *ago: timedelta, **columns: Any) -> None:
    """Events of an instance so long ago, handled since."""
    facts = {"type": "Message", "payload": "{}", "state": EventState.DONE} | columns
    Event.objects.bulk_create(Event(instance=instance, received_at=NOW - one, **facts) for one in ago)


def every(step: timedelta, *, since: timedelta, until: timedelta = timedelta(0)) -> list[timedelta]:
    return [until + step * number for number in range(1 + int((since - until) / step))]


def silent() -> set[int]:
    found = {instance.pk for instance in Instance.objects.all() if instance.is_suspiciously_silent}
    assert found == set(Instance.objects.suspiciously_silent().values_list("pk", flat=True))
    return found


@pytest.fixture
def others(account: Account) -> Instance:
    """One that has an event every twenty minutes: this site hears."""
    one = talker(account, timedelta(minutes=5))
    came(one, *every(timedelta(minutes=20), since=10 * DAY, until=timedelta(minutes=5)))
    return one


# Learning


def test_the_habit_is_the_longest_time_between_two_hours_with_events(account: Account) -> None:
    instance = talker(account, HOUR, usual=None, silence_learned_at=None)
    came(instance, *every(HOUR, since=9 * DAY, until=3 * DAY), *every(HOUR, since=2 * DAY))

    assert silence.learn() == 1

    instance.refresh_from_db()
    assert instance.usual_silence == DAY


def test_nights_are_a_habit(account: Account) -> None:
    instance = talker(account, HOUR)
    for day in range(10):  # from seven to nine in the evening, in UTC
        came(instance, *(day * DAY + hour * HOUR + timedelta(minutes=20) for hour in range(-8, 6) if day or hour > 0))

    assert silence.usual_silence(instance.pk) == 11 * HOUR


@pytest.mark.parametrize(
    ("ago", "columns"),
    [
        (every(HOUR, since=6 * DAY), {}),  # not for long enough
        (every(9 * HOUR, since=8 * DAY), {}),  # in too few hours
        (every(HOUR, since=40 * DAY, until=15 * DAY), {}),  # too long ago
        (every(HOUR, since=9 * DAY), {"source": EventSource.DELIVERY_LOG}),  # when they were found, not when they came
        ([], {}),
    ],
    ids=["short", "few", "old", "found", "none"],
)
def test_too_little_is_no_habit(account: Account, ago: list[timedelta], columns: dict[str, Any]) -> None:
    instance = talker(account, HOUR, usual=HOUR, silence_learned_at=None)
    came(instance, *ago, **columns)

    silence.learn()

    instance.refresh_from_db()
    assert instance.usual_silence is None


def test_a_habit_is_learned_once_a_day_and_the_oldest_first(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "_LEARNED_AT_ONCE", 2)
    fresh = talker(account, HOUR)
    old = talker(account, HOUR, silence_learned_at=NOW - 25 * HOUR)
    never = talker(account, HOUR, silence_learned_at=None)
    older = talker(account, HOUR, silence_learned_at=NOW - 50 * HOUR)
    talker(account, HOUR, silence_learned_at=None, removed_at=NOW)

    assert silence.learn() == 2
    learned = Instance.objects.filter(usual_silence=None).values_list("pk", flat=True)
    assert set(learned) == {never.pk, older.pk}
    assert silence.learn() == 1
    assert set(learned.all()) == {never.pk, older.pk, old.pk}
    assert silence.learn() == 0
    assert fresh.pk not in learned.all()


def test_a_habit_costs_two_queries(account: Account) -> None:
    for _number in range(3):
        came(talker(account, HOUR, silence_learned_at=None), *every(HOUR, since=9 * DAY))

    with CaptureQueriesContext(database) as queries:
        silence.learn()

    assert len(queries) == 1 + 2 * 3


# Finding


@pytest.mark.parametrize(
    ("usual", "last", "is_silent"),
    [
        (HOUR, timedelta(minutes=119), False),
        (HOUR, timedelta(minutes=121), True),
        (timedelta(minutes=1), timedelta(minutes=119), False),
        (11 * HOUR, 21.9 * HOUR, False),
        (11 * HOUR, 22.1 * HOUR, True),
        (timedelta(hours=60, seconds=1, microseconds=1), 5 * DAY, False),
        (timedelta(hours=60), 5 * DAY + timedelta(microseconds=1), True),
        (None, 9 * DAY, False),
    ],
)
def test_silent_is_twice_as_long_as_usual_and_two_hours_at_least(
    account: Account, others: Instance, usual: timedelta | None, last: timedelta, is_silent: bool
) -> None:
    instance = talker(account, last, usual=usual)

    assert silence.detect() == int(is_silent)

    assert silent() == ({instance.pk} if is_silent else set())


@pytest.mark.parametrize(
    "columns",
    [
        {"connected": False},
        {"connected": None},
        {"removed_at": NOW},
        {"last_event_at": None},
        {"connection_changed_at": NOW - HOUR},  # connected again since
    ],
    ids=lambda columns: next(iter(columns)),
)
def test_of_whom_nothing_is_expected_is_not_silent(account: Account, others: Instance, columns: dict[str, Any]) -> None:
    instance = talker(account, DAY)
    Instance.objects.filter(pk=instance.pk).update(**columns)

    assert silence.detect() == 0


def test_whose_events_wait_to_be_handled_is_not_silent(account: Account, others: Instance) -> None:
    instance = talker(account, DAY)
    came(instance, HOUR, state=EventState.PENDING)

    assert silence.detect() == 0


def test_one_that_is_tried_again_since_before_hides_no_silence(account: Account, others: Instance) -> None:
    instance = talker(account, DAY)
    came(instance, DAY, state=EventState.PENDING)

    assert silence.detect() == 1


def test_it_is_found_once_and_an_event_ends_it(account: Account, others: Instance) -> None:
    instance = talker(account, DAY)

    assert silence.detect() == 1
    assert silence.detect() == 0
    assert silent() == {instance.pk}

    Instance.objects.filter(pk=instance.pk).update(last_event_at=NOW - 3 * HOUR)
    assert silent() == set()
    assert silence.detect() == 1, "and then it was silent again"


def test_no_more_at_once_than_can_be_asked_about(
    account: Account, others: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "_FOUND_AT_ONCE", 2)
    for _number in range(3):
        talker(account, DAY)

    assert [silence.detect() for _number in range(3)] == [2, 1, 0]


def test_an_event_meanwhile_is_not_overlooked(account: Account, others: Instance) -> None:
    instance = talker(account, DAY)
    arriving = [NOW]

    def meanwhile(execute: Callable[..., Any], sql: str, *query: Any) -> Any:
        if sql.startswith("UPDATE") and arriving:
            Instance.objects.filter(pk=instance.pk).update(last_event_at=arriving.pop())
        return execute(sql, *query)

    with database.execute_wrapper(meanwhile):
        assert silence.detect() == 0

    assert silent() == set()


def test_nobody_costs_one_query_and_however_many_only_their_own(account: Account, others: Instance) -> None:
    with CaptureQueriesContext(database) as queries:
        silence.detect()
    assert len(queries) == 1

    for _number in range(5):
        talker(account, DAY)
    with CaptureQueriesContext(database) as queries:
        silence.detect()
    assert len(queries) < 25 + 5


def test_who_is_silent_is_asked_about_first(fake_vzaps: FakeVZaps, others: Instance) -> None:
    account = Account.objects.from_settings()
    assert account is not None
    talker(account, timedelta(0), connection_asked_at=None, vzaps_id=fake_vzaps.add_instance(connected=True).id)
    remote = fake_vzaps.add_instance(connected=True)
    fake_vzaps.drop_connection(remote.id)
    instance = talker(account, DAY, vzaps_id=remote.id)

    silence.detect()
    probes.probe_account(account)

    first, _second = (call.path for call in fake_vzaps.calls_to("session_status"))
    assert remote.id in first
    instance.refresh_from_db()
    assert instance.connected is False
    assert silent() == set(), "it is known to be down, and no riddle any more"


def test_who_is_silent_and_connected_stays_doubtful(fake_vzaps: FakeVZaps, others: Instance) -> None:
    account = Account.objects.from_settings()
    assert account is not None
    instance = talker(account, DAY, vzaps_id=fake_vzaps.add_instance(connected=True).id)

    silence.detect()
    probes.probe_account(account)

    (_call,) = (call for call in fake_vzaps.calls_to("session_status") if instance.vzaps_id in call.path)
    assert silent() == {instance.pk}
    assert silence.detect() == 0
    instance.refresh_from_db()
    assert instance.confirm_connection_at is None, "and is not asked about again for that"


def test_about_many_who_are_silent_no_more_are_asked_than_the_budget_of_probes_allows(
    fake_vzaps: FakeVZaps, others: Instance, settings: Any
) -> None:
    settings.VZAPS = {**settings.VZAPS, "PROBES_PER_MINUTE": 2}
    account = Account.objects.from_settings()
    assert account is not None
    for _number in range(4):
        talker(account, DAY, vzaps_id=fake_vzaps.add_instance(connected=True).id)

    assert silence.detect() == 4
    connection.settle_doubts()
    probes.probe_account(account)

    assert len(fake_vzaps.calls_to("session_status")) == 2


def test_where_nothing_is_to_be_asked_it_is_found_all_the_same(
    fake_vzaps: FakeVZaps, account: Account, others: Instance, settings: Any
) -> None:
    settings.VZAPS = {**settings.VZAPS, "PROBES_PER_MINUTE": 0}
    instance = talker(account, DAY)

    silence.detect()

    assert silent() == {instance.pk}
    assert connection.settle_doubts() == 0


# Deaf ourselves


def heard(account: Account, *ago: timedelta) -> None:
    """Ten that talk all the time were heard then."""
    for _number in range(10):
        instance = talker(account, min(ago))
    came(instance, *ago)


FIVE, HALF = timedelta(minutes=5), timedelta(minutes=30)


def test_a_site_that_hears_nothing_calls_nobody_silent(account: Account) -> None:
    heard(account, *every(HALF, since=2 * DAY, until=5 * HOUR))
    talker(account, 5.5 * HOUR)
    talker(account, DAY, usual=11 * HOUR)

    assert silence.detect() == 0


def test_a_site_that_hears_again_gives_everybody_time_to_speak(account: Account) -> None:
    before = every(HALF, since=2 * DAY, until=9 * HOUR)
    heard(account, *before, *every(FIVE, since=HOUR))
    talker(account, 9.5 * HOUR)

    assert silence.detect() == 0, "eight hours in which nobody was heard do not count"

    came(Instance.objects.last() or talker(account, HOUR), *every(FIVE, since=2.1 * HOUR, until=HOUR))
    assert silence.detect() == 1, "two hours in which others were do"


def test_one_that_was_silent_before_the_site_was_deaf_is_found_when_time_enough_has_passed_again(
    account: Account,
) -> None:
    heard(account, *every(HALF, since=5 * DAY, until=3 * DAY), *every(HALF, since=DAY))
    slow = talker(account, 3.5 * DAY, usual=11 * HOUR)
    slower = talker(account, 3.5 * DAY, usual=20 * HOUR)

    silence.detect()

    assert silent() == {slow.pk}
    assert slower.pk not in silent()


def test_the_nights_of_a_small_site_are_no_deafness(account: Account) -> None:
    """Two numbers that are quiet from nine to seven; one of them since yesterday morning."""
    one = talker(account, FIVE, usual=11 * HOUR)
    for day in range(9):
        came(one, *(day * DAY + part for part in every(timedelta(minutes=20), since=5 * HOUR)))  # since seven thirty
        came(one, *(day * DAY + DAY - part for part in every(timedelta(minutes=20), since=8 * HOUR, until=FIVE)))
    Event.objects.filter(received_at__gt=NOW).delete()
    other = talker(account, 28 * HOUR, usual=11 * HOUR)

    silence.detect()

    assert silent() == {other.pk}


def test_the_only_number_cannot_be_told_from_a_deaf_site(account: Account) -> None:
    one = talker(account, 5 * HOUR)
    came(one, *every(FIVE, since=DAY, until=5 * HOUR))

    assert silence.detect() == 0
