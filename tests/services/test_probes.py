"""Stale connections are asked about: the most valuable first, within a budget, and not while VZaps fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_vzaps import services
from django_vzaps.crypto import DecryptionError
from django_vzaps.models import Account, Instance
from django_vzaps.services import circuit, probes, sessions
from django_vzaps.testing import FakeVZaps
from tests.known import known
from tests.services.test_threads import at_once

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
Budget = Callable[[int], None]


@pytest.fixture
def budget(settings: Any) -> Budget:
    def budget(per_minute: int) -> None:
        settings.VZAPS = {**settings.VZAPS, "PROBES_PER_MINUTE": per_minute}

    return budget


def stale(fake: FakeVZaps, account: Account, **columns: Any) -> Instance:
    """One that VZaps calls connected, and about which nobody asked for an hour."""
    usual = {"connected": True, "connected_at": timezone.now(), "connection_asked_at": timezone.now() - HOUR}
    remote = fake.add_instance(connected=True)
    return Instance.objects.create(account=account, vzaps_id=remote.id, **(usual | columns))


def asked(fake: FakeVZaps) -> list[str]:
    """The instances that were asked about, in their order; what else was asked must not have been."""
    assert {call.route for call in fake.calls} <= {"session_status", "token"}
    return [call.path.split("/")[2] for call in fake.calls if call.route == "session_status"]


def probe(account: Account, *, after: timedelta | None = None) -> probes.ProbeReport:
    """A round, as a worker that has just read the account makes it; ``after`` the one before."""
    if after is not None:
        Account.objects.filter(pk=account.pk).update(probed_at=timezone.now() - after)
    return probes.probe_account(Account.objects.get(pk=account.pk))


def pause_ends(account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(paused_until=timezone.now() - timedelta(seconds=1), probed_at=None)
    Instance.objects.update(probe_after=None)


def test_what_is_stale_is_asked_about_and_what_was_found_is_known(fake_vzaps: FakeVZaps, account: Account) -> None:
    up, down = stale(fake_vzaps, account), stale(fake_vzaps, account)
    fresh = known(fake_vzaps, account, connected=True)
    unknown = stale(fake_vzaps, account, connected=None, connection_asked_at=None)
    fake_vzaps.drop_connection(down.vzaps_id)

    report = probe(account)

    assert sorted(asked(fake_vzaps)) == sorted([up.vzaps_id, down.vzaps_id, unknown.vzaps_id])
    assert fresh.vzaps_id not in asked(fake_vzaps)
    assert (report.asked, report.connected, report.disconnected, report.failed, report.left) == (3, 2, 1, 0, 0)
    assert dict(Instance.objects.values_list("pk", "connected"))[down.pk] is False
    assert not Instance.objects.filter(connection_asked_at__lt=timezone.now() - timedelta(minutes=1)).exists()
    assert probe(account, after=HOUR).asked == 0, "nothing is stale any more"


def test_who_is_gone_or_anothers_is_not_asked_about(fake_vzaps: FakeVZaps, account: Account) -> None:
    stale(fake_vzaps, account, removed_at=timezone.now())
    stale(fake_vzaps, Account.objects.create(name="other"))

    assert probe(account).asked == 0
    assert fake_vzaps.calls == []


def test_the_most_valuable_are_asked_first(fake_vzaps: FakeVZaps, account: Account) -> None:
    now = timezone.now()
    never = stale(fake_vzaps, account, connected=False, connected_at=None)
    disconnected = stale(fake_vzaps, account, connected=False, last_event_at=now)
    quiet = stale(fake_vzaps, account, last_event_at=None)
    old = stale(fake_vzaps, account, last_event_at=now - HOUR)
    recent = stale(fake_vzaps, account, last_event_at=now)
    doubted = stale(fake_vzaps, account, connected=False, confirm_connection_at=now, connection_asked_at=now)

    probe(account)

    turn = [doubted, recent, old, quiet, disconnected, never]
    assert asked(fake_vzaps) == [instance.vzaps_id for instance in turn]
    doubted.refresh_from_db()
    assert doubted.confirm_connection_at is None, "it is known now"


def test_nobody_waits_for_ever_behind_those_that_are_worth_more(
    fake_vzaps: FakeVZaps, account: Account, budget: Budget
) -> None:
    budget(4)
    waiting = stale(fake_vzaps, account, connected=False, connection_asked_at=timezone.now() - 24 * HOUR)
    for _number in range(6):
        stale(fake_vzaps, account, last_event_at=timezone.now())

    report = probe(account)

    assert waiting.vzaps_id in asked(fake_vzaps)
    assert (report.asked, report.left) == (4, 3)


def test_a_part_of_a_round_that_is_smaller_goes_to_them_too(
    fake_vzaps: FakeVZaps, account: Account, budget: Budget
) -> None:
    budget(8)
    waiting = stale(fake_vzaps, account, connected=False, connection_asked_at=timezone.now() - 24 * HOUR)
    for _number in range(9):
        stale(fake_vzaps, account, last_event_at=timezone.now())

    assert probe(account, after=timedelta(seconds=31)).asked == 4
    assert waiting.vzaps_id in asked(fake_vzaps)


def test_a_round_has_what_the_time_since_the_last_one_allows(
    fake_vzaps: FakeVZaps, account: Account, budget: Budget
) -> None:
    budget(6)
    for _number in range(20):
        stale(fake_vzaps, account)

    assert probe(account).asked == 6, "a minute's worth, never asked before"
    assert probe(account).asked == 0
    assert probe(account, after=timedelta(seconds=25)).asked == 2
    assert probe(account, after=timedelta(seconds=5)).asked == 0
    assert probe(account, after=HOUR).asked == 6, "and not an hour's"
    assert len(asked(fake_vzaps)) == 14


def test_a_clock_that_was_put_back_keeps_nobody_waiting(fake_vzaps: FakeVZaps, account: Account) -> None:
    stale(fake_vzaps, account)

    assert probe(account, after=-timedelta(seconds=30)).asked == 0, "another worker's clock may be a little ahead"
    assert probe(account, after=-HOUR).asked == 1


def test_time_that_made_no_whole_probe_counts_for_the_next_round(
    fake_vzaps: FakeVZaps, account: Account, budget: Budget
) -> None:
    budget(6)
    for _number in range(5):
        stale(fake_vzaps, account)

    probe(account, after=timedelta(seconds=19))

    account.refresh_from_db()
    assert account.probed_at is not None
    assert timedelta(seconds=9) <= timezone.now() - account.probed_at < timedelta(seconds=10)


def test_a_budget_of_none_asks_nothing(fake_vzaps: FakeVZaps, account: Account, budget: Budget) -> None:
    budget(0)
    stale(fake_vzaps, account)

    assert probe(account).left == 1
    assert fake_vzaps.calls == []


def test_two_rounds_that_begin_at_once_have_one_budget(fake_vzaps: FakeVZaps, account: Account, budget: Budget) -> None:
    budget(3)
    for _number in range(8):
        stale(fake_vzaps, account)
    first, second = Account.objects.get(), Account.objects.get()

    assert (probes.probe_account(first).asked, probes.probe_account(second).asked) == (3, 0)


def rounds_at_once(fake: FakeVZaps, account: Account) -> None:
    found = [stale(fake, account) for _number in range(40)]

    at_once(*[lambda: probe(account)] * 6)

    calls = asked(fake)
    assert 0 < len(calls) <= 10
    assert len(calls) == len(set(calls)) <= len(found)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_rounds_at_once_do_not_exceed_the_budget(fake_vzaps: FakeVZaps, account: Account, budget: Budget) -> None:
    budget(10)
    rounds_at_once(fake_vzaps, account)


@pytest.mark.mariadb
@pytest.mark.django_db(transaction=True)
def test_rounds_at_once_do_not_exceed_the_budget_on_mariadb(
    fake_vzaps: FakeVZaps, account: Account, budget: Budget
) -> None:
    budget(10)
    rounds_at_once(fake_vzaps, account)


def test_a_probe_is_one_request_also_where_it_fails(fake_vzaps: FakeVZaps, account: Account) -> None:
    stale(fake_vzaps, account)
    fake_vzaps.faults.add("session_status", status=503, times=None)

    report = probe(account)

    assert len(asked(fake_vzaps)) == report.asked == report.failed == 1
    assert "problem of its own" in report.error


def test_a_probe_is_not_waited_for_as_long_as_other_calls(fake_vzaps: FakeVZaps, account: Account) -> None:
    instance = stale(fake_vzaps, account)
    fake_vzaps.faults.add("session_status", delay=12, times=None)

    assert sessions.status(instance).connected
    Instance.objects.update(connection_asked_at=None)
    assert "did not answer in time" in probe(account).error


def test_a_round_ends_in_time_however_slow_vzaps_is(
    fake_vzaps: FakeVZaps, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _number in range(10):
        stale(fake_vzaps, account)
    # As if each probe took nine seconds.
    monkeypatch.setattr(time, "monotonic", lambda: 9.0 * len(asked(fake_vzaps)))

    report = probe(account)

    assert (report.asked, report.left) == (4, 6)


def test_who_was_asked_about_meanwhile_is_not_asked_again(fake_vzaps: FakeVZaps, account: Account) -> None:
    for _number in range(3):
        stale(fake_vzaps, account)

    def others_ask(_asked: int, _all: int) -> None:
        Instance.objects.update(connection_asked_at=timezone.now())

    report = probes.probe_account(account, progress=others_ask)

    assert len(asked(fake_vzaps)) == report.asked == 1


def test_an_instance_that_cannot_be_asked_is_left_alone_longer_each_time(
    fake_vzaps: FakeVZaps, account: Account
) -> None:
    instance = stale(fake_vzaps, account)
    del fake_vzaps.instances[instance.vzaps_id]

    waits = []
    for _number in range(12):
        assert probe(account, after=HOUR).failed == 1
        assert probe(account, after=HOUR).asked == 0
        instance.refresh_from_db()
        assert instance.probe_after is not None
        waits.append(instance.probe_after - timezone.now())
        Instance.objects.update(probe_after=timezone.now())

    assert waits[0] < timedelta(minutes=3)
    assert waits[3] > waits[1] > waits[0]
    assert 2.9 * HOUR < waits[-1] < 5.1 * HOUR
    account.refresh_from_db()
    assert not circuit.is_open(account), "it concerns this instance alone"


def test_an_answer_ends_the_waiting(fake_vzaps: FakeVZaps, account: Account) -> None:
    instance = stale(fake_vzaps, account, probe_failures=5, probe_after=timezone.now() - HOUR)

    probe(account)

    instance.refresh_from_db()
    assert (instance.probe_failures, instance.probe_after) == (0, None)


def test_not_all_come_back_at_the_same_second(fake_vzaps: FakeVZaps, account: Account) -> None:
    for _number in range(5):
        del fake_vzaps.instances[stale(fake_vzaps, account).vzaps_id]

    probe(account)

    moments = Instance.objects.values_list("probe_after", flat=True)
    assert len({moment.replace(microsecond=0) for moment in moments if moment is not None}) > 2


@pytest.mark.parametrize(
    ("fault", "most"), [({"status": 500}, 3), ({"drop": True}, 3), ({"status": 429, "retry_after": 1}, 1)]
)
def test_while_vzaps_fails_for_the_account_it_is_left_alone(
    fake_vzaps: FakeVZaps, account: Account, fault: dict[str, Any], most: int
) -> None:
    for _number in range(8):
        stale(fake_vzaps, account)
    fake_vzaps.faults.add("session_status", times=None, **fault)

    report = probe(account)
    assert (report.asked, report.failed) == (most, most)
    assert report.paused_until is not None
    assert probe(account, after=HOUR).asked == 0
    assert len(asked(fake_vzaps)) == most


def test_after_the_pause_one_probe_finds_out_whether_vzaps_is_back(fake_vzaps: FakeVZaps, account: Account) -> None:
    for _number in range(8):
        stale(fake_vzaps, account)
    fake_vzaps.faults.add("session_status", drop=True, times=4)
    assert probe(account).asked == 3
    pause_ends(account)

    assert probe(account).asked == 1
    assert probe(account, after=HOUR).asked == 0, "it is not back, and paused again"
    account.refresh_from_db()
    assert account.failing_since is not None
    pause_ends(account)

    assert probe(account).asked == 1
    found = Account.objects.get()
    assert (found.failing_since, found.failures, found.paused_until) == (None, 0, None)
    assert probe(account, after=HOUR).asked == 7, "it is back"


def test_of_many_who_come_after_the_pause_one_asks(fake_vzaps: FakeVZaps, account: Account) -> None:
    stale(fake_vzaps, account)
    Account.objects.update(failures=3, paused_until=timezone.now() - timedelta(seconds=1))
    first, second = Account.objects.get(), Account.objects.get()

    assert circuit.may_ask(first)
    assert not circuit.may_ask(second)
    assert not circuit.may_ask(Account.objects.get())
    circuit.note_success(first)
    assert circuit.may_ask(Account.objects.get())


def test_a_round_that_has_nothing_to_ask_leaves_finding_out_to_others(account: Account) -> None:
    Account.objects.update(failures=3, paused_until=timezone.now() - timedelta(seconds=1))

    probe(account)

    assert circuit.may_ask(Account.objects.get())


def test_three_broken_instances_do_not_stand_before_the_others_for_ever(
    fake_vzaps: FakeVZaps, account: Account
) -> None:
    for number in range(5):
        stale(fake_vzaps, account, last_event_at=timezone.now() - number * HOUR)
    broken = list(Instance.objects.order_by("-last_event_at").values_list("vzaps_id", flat=True)[:3])
    fake_vzaps.faults.add(lambda request: request.parameters.get("id") in broken, status=500, times=None)

    assert probe(account).failed == 3
    Account.objects.update(paused_until=timezone.now() - timedelta(seconds=1))
    assert probe(account, after=HOUR).connected == 1
    assert probe(account, after=HOUR).connected == 1


def test_wrong_credentials_are_tried_once(fake_vzaps: FakeVZaps, account: Account, settings: Any) -> None:
    for _number in range(3):
        stale(fake_vzaps, account)
    settings.VZAPS = {**settings.VZAPS, "CLIENT_SECRET": "wrong"}

    report = probe(account)

    assert (report.asked, report.failed) == (1, 1)
    assert "credentials" in report.error
    assert not Instance.objects.filter(probe_failures__gt=0).exists(), "no instance is to blame"


def test_an_instance_whose_token_is_refused_stands_before_no_other(fake_vzaps: FakeVZaps, account: Account) -> None:
    """The account signs in and reads the others: nothing is said against its credentials."""
    refused = stale(fake_vzaps, account, last_event_at=timezone.now())
    fine = stale(fake_vzaps, account)
    fake_vzaps.faults.add(
        lambda request: request.parameters.get("id") == refused.vzaps_id, status=401, carried_out=False, times=None
    )

    report = probe(account)

    assert (report.asked, report.failed, report.connected) == (2, 1, 1)
    fine.refresh_from_db()
    assert fine.connection_state == "connected"
    refused.refresh_from_db()
    assert refused.probe_after is not None
    account.refresh_from_db()
    assert (account.failures, account.failing_since, account.paused_until) == (0, None, None)
    assert probe(account, after=HOUR).asked == 0, "it is left alone for a while"


def test_an_error_of_our_own_with_one_instance_keeps_no_other_waiting(
    fake_vzaps: FakeVZaps, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = stale(fake_vzaps, account, last_event_at=timezone.now())
    stale(fake_vzaps, account)
    status = sessions.status

    def fails(instance: Instance, **how: Any) -> object:
        if instance == odd:
            raise KeyError("odd")
        return status(instance, **how)

    monkeypatch.setattr(sessions, "status", fails)

    report = probe(account)

    assert (report.asked, report.failed, report.connected) == (2, 1, 1)
    assert "KeyError" in report.error
    assert probe(account, after=HOUR).asked == 0


def test_credentials_that_cannot_be_read_are_told_and_not_tried_again_and_again(
    fake_vzaps: FakeVZaps, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _number in range(3):
        stale(fake_vzaps, account)

    def unreadable(*_args: object, **_how: object) -> object:
        raise DecryptionError("The key is missing.")

    monkeypatch.setattr(sessions, "client_for", unreadable)

    report = probe(account)

    assert (report.failed, report.error) == (1, "The key is missing.")


def test_a_copy_of_production_that_changes_nothing_asks_too(
    fake_vzaps: FakeVZaps, account: Account, settings: Any
) -> None:
    settings.VZAPS = {**settings.VZAPS, "READ_ONLY": True}
    stale(fake_vzaps, account)

    assert probe(account).connected == 1


def test_one_instance_is_asked_about_whatever_is_known(fake_vzaps: FakeVZaps, account: Account) -> None:
    instance = known(fake_vzaps, account, connected=True)
    Account.objects.update(probed_at=timezone.now(), paused_until=timezone.now() + HOUR)

    assert probes.probe_instance(Instance.objects.get()).asked == 0, "VZaps is to be left alone"
    report = probes.probe_instance(Instance.objects.get(), even_if_paused=True)
    assert (report.asked, report.connected) == (1, 1)
    assert asked(fake_vzaps) == [instance.vzaps_id]
    assert services.circuit.may_ask(Account.objects.get()), "it is back"
