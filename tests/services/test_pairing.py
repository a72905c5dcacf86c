from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.utils import timezone

from django_vzaps.events.sweep import sweep
from django_vzaps.models import Instance, Pairing
from django_vzaps.services import pairing
from django_vzaps.services.pairing import codes
from django_vzaps.testing import FakeVZaps, qr
from django_vzaps.testing.routes.sessions import current_qr
from tests.services.test_threads import at_once

HERE, ELSEWHERE = "this-page-of-theirs", "that-page-of-others"


class Time:
    """The time here and at VZaps, which stands still until both are put forward together."""

    def __init__(self, fake: FakeVZaps, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fake, self.ahead, began = fake, timedelta(), timezone.now()
        monkeypatch.setattr(timezone, "now", lambda: began + self.ahead)
        monkeypatch.setattr(fake.clock, "_base", began.timestamp)

    def passes(self, seconds: float) -> None:
        self.fake.clock.advance(seconds)
        self.ahead += timedelta(seconds=seconds)


@pytest.fixture
def time(fake_vzaps: FakeVZaps, monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(fake_vzaps, monkeypatch)


@pytest.fixture
def other(db: None) -> User:
    return User.objects.create_user("other")


def answer_qr(fake: FakeVZaps, data: dict[str, str], *, times: int | None = 1) -> None:
    fake.faults.add("qr", body=json.dumps({"code": 200, "success": True, "data": data}).encode(), times=times)


def shown_by(fake: FakeVZaps, instance: Instance) -> str | None:
    return current_qr(fake, fake.instances[instance.vzaps_id])


def begin_and_look(instance: Instance, actor: User, watcher: str = HERE, **options: Any) -> pairing.Progress:
    assert pairing.begin(instance, actor=actor, watcher=watcher, **options)
    return pairing.look(instance, actor=actor, watcher=watcher)


def test_a_code_is_shown_to_the_one_who_began(fake_vzaps: FakeVZaps, instance: Instance, operator: User) -> None:
    assert pairing.begin(instance, actor=operator, watcher=HERE)
    assert fake_vzaps.calls == []
    assert pairing.state(instance, actor=operator, watcher=HERE).phase == "starting"

    found = pairing.look(instance, actor=operator, watcher=HERE)

    assert (found.phase, found.is_live, found.number, found.lasts) == ("scan", True, 1, 60)
    assert found.code is not None
    assert found.code.reveal() == shown_by(fake_vzaps, instance)
    assert found.changes_at is not None
    assert 58 < (found.changes_at - timezone.now()).total_seconds() <= 60


def test_whoever_did_not_begin_asks_nothing(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User, other: User
) -> None:
    for actor, watcher in ((operator, HERE), (operator, ""), (other, HERE)):
        assert pairing.look(instance, actor=actor, watcher=watcher).phase in ("idle", "expired")
    pairing.begin(instance, actor=operator, watcher=HERE)
    # The name of the page alone opens nothing: it is another's.
    assert pairing.look(instance, actor=other, watcher=HERE).phase == "watched"
    assert pairing.look(instance, actor=operator, watcher=ELSEWHERE).phase == "watched"
    assert fake_vzaps.calls == []


def test_a_code_is_asked_for_every_fifteen_seconds_and_when_the_next_one_comes(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User, time: Time
) -> None:
    began, asked = timezone.now(), []
    pairing.begin(instance, actor=operator, watcher=HERE)
    numbers: dict[int, int] = {}
    for _second in range(180):
        before = len(fake_vzaps.calls_to("qr"))
        found = pairing.look(instance, actor=operator, watcher=HERE)
        at = round((timezone.now() - began).total_seconds())
        if len(fake_vzaps.calls_to("qr")) > before:
            asked.append(at)
        if found.code is not None:
            # At most a second behind: that is how often is looked here.
            assert found.code.reveal() == shown_by(fake_vzaps, instance) or at % 20 <= 1
            numbers.setdefault(found.number, at)
        if not found.is_live:
            break
        time.passes(1)

    assert min(later - earlier for earlier, later in pairwise(asked)) >= 15
    assert list(numbers) == [1, 2, 3, 4, 5, 6]
    assert all(
        abs(at - expected) <= 2 for at, expected in zip(numbers.values(), (0, 60, 80, 100, 120, 140), strict=True)
    )
    assert (found.phase, found.words) == ("expired", "timeout")


def test_codes_that_came_and_went_unseen_are_counted(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User, time: Time
) -> None:
    begin_and_look(instance, operator)
    time.passes(105)
    found = pairing.look(instance, actor=operator, watcher=HERE)
    assert found.number == 4
    assert found.changes_at is not None
    assert 14 < (found.changes_at - timezone.now()).total_seconds() <= 15


@pytest.mark.parametrize(
    ("number", "after", "expected", "since"),
    [
        (1, 59, 2, 59),  # earlier than expected: the answer is believed
        (1, 60, 2, 60),
        (1, 79, 2, 60),
        (2, 25, 3, 20),
        (2, 45, 4, 40),
        (6, 21, 1, 21),  # VZaps began again
        (5, 61, 1, 61),
    ],
)
def test_which_code_follows(number: int, after: int, expected: int, since: int) -> None:
    start = timezone.now()
    now = start + timedelta(seconds=after)
    assert codes.follow(number, start, changed=True, now=now) == (expected, start + timedelta(seconds=since))
    assert codes.follow(number, start, changed=False, now=now) == (number, start)
    assert codes.follow(0, None, changed=False, now=now) == (1, now)


def test_the_time_runs_out_and_the_code_is_forgotten(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User, time: Time
) -> None:
    begin_and_look(instance, operator)
    assert Pairing.objects.get().code
    time.passes(181)
    fake_vzaps.calls.clear()

    found = pairing.look(instance, actor=operator, watcher=HERE)

    assert (found.phase, found.is_live, found.code) == ("expired", False, None)
    assert Pairing.objects.get().code is None
    assert fake_vzaps.calls == []


def test_what_ran_out_before_does_not_end_a_new_attempt(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User, time: Time
) -> None:
    begin_and_look(instance, operator)
    time.passes(181)
    # VZaps says "timeout" once: its own attempt ended while nobody looked.
    assert begin_and_look(instance, operator, ELSEWHERE).phase == "starting"
    time.passes(15)
    found = pairing.look(instance, actor=operator, watcher=ELSEWHERE)
    assert (found.phase, found.number) == ("scan", 1)


def test_the_code_of_a_page_that_was_closed_is_forgotten_by_the_sweep(
    instance: Instance, operator: User, time: Time
) -> None:
    begin_and_look(instance, operator)
    sweep()
    assert Pairing.objects.get().code
    time.passes(181)
    sweep()
    assert Pairing.objects.get().code is None


def test_a_code_is_not_readable_in_the_database(instance: Instance, operator: User) -> None:
    found = begin_and_look(instance, operator)
    assert found.code is not None
    assert found.code.reveal() not in repr(found)
    with database.cursor() as cursor:
        cursor.execute("SELECT code FROM django_vzaps_pairing")
        (kept,) = cursor.fetchone()
    assert kept
    assert found.code.reveal() not in kept


def test_a_scan_ends_it(fake_vzaps: FakeVZaps, instance: Instance, operator: User) -> None:
    begin_and_look(instance, operator)
    fake_vzaps.scan(instance.vzaps_id, phone="5511999990000")

    assert pairing.look(instance, actor=operator, watcher=HERE).phase == "connected"

    row = Pairing.objects.get()
    assert (row.code, row.codes, row.is_live(timezone.now())) == (None, 0, False)
    fake_vzaps.calls.clear()
    assert pairing.look(instance, actor=operator, watcher=HERE).phase == "connected"
    assert fake_vzaps.calls == []


def test_after_a_disconnection_pairing_begins_anew(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User, time: Time
) -> None:
    begin_and_look(instance, operator)
    fake_vzaps.scan(instance.vzaps_id)
    pairing.look(instance, actor=operator, watcher=HERE)
    fake_vzaps.disconnect(instance.vzaps_id)
    time.passes(15)
    found = begin_and_look(instance, operator, "another-page-of-theirs")
    assert (found.phase, found.number) == ("scan", 1)


def test_nobody_else_may_begin_meanwhile_but_take_over(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User, other: User
) -> None:
    code = begin_and_look(instance, operator).code
    assert not pairing.begin(instance, actor=other, watcher=ELSEWHERE)
    found = pairing.state(instance, actor=other)
    assert (found.phase, found.user, found.is_live, found.is_silent) == ("watched", operator, False, False)

    taken = begin_and_look(instance, other, ELSEWHERE, take_over=True)

    # The code that is here already goes on: another one could not be asked for yet.
    assert code is not None
    assert taken.code is not None
    assert (taken.phase, taken.code.reveal()) == ("scan", code.reveal())
    assert len(fake_vzaps.calls_to("qr")) == 1
    fake_vzaps.calls.clear()
    lost = pairing.look(instance, actor=operator, watcher=HERE)
    assert (lost.phase, lost.user, lost.is_live, lost.code) == ("watched", other, False, None)
    assert not pairing.stop(instance, actor=operator, watcher=HERE)
    assert fake_vzaps.calls == []


def test_a_second_tab_of_the_same_person_is_another_watcher(instance: Instance, operator: User) -> None:
    begin_and_look(instance, operator)
    assert not pairing.begin(instance, actor=operator, watcher=ELSEWHERE)
    assert pairing.state(instance, actor=operator, watcher=ELSEWHERE).phase == "watched"
    assert pairing.state(instance, actor=operator, watcher=HERE).phase == "scan"


@pytest.mark.parametrize("looked", [True, False])
def test_a_closed_tab_of_ones_own_is_in_nobodys_way(
    instance: Instance, operator: User, other: User, time: Time, looked: bool
) -> None:
    pairing.begin(instance, actor=operator, watcher=HERE)
    if looked:
        pairing.look(instance, actor=operator, watcher=HERE)
        time.passes(30)
    assert not pairing.begin(instance, actor=other, watcher="a-page-of-others-x")
    assert pairing.state(instance, actor=other).is_silent is looked
    assert pairing.begin(instance, actor=operator, watcher=ELSEWHERE)
    assert pairing.look(instance, actor=operator, watcher=HERE).phase == "watched"


def test_two_presses_of_one_button_are_one_attempt(instance: Instance, operator: User, time: Time) -> None:
    begin_and_look(instance, operator)
    opened_at = Pairing.objects.get().opened_at
    time.passes(100)
    assert pairing.begin(instance, actor=operator, watcher=HERE)
    row = Pairing.objects.get()
    assert row.opened_at == opened_at
    assert row.until is not None
    assert (row.until - timezone.now()).total_seconds() > 175


def test_stopping_forgets_the_code_and_keeps_the_pace(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User, other: User, time: Time
) -> None:
    begin_and_look(instance, operator)
    assert pairing.stop(instance, actor=operator, watcher=HERE)
    assert Pairing.objects.get().code is None
    assert pairing.state(instance, actor=operator).phase == "idle"

    waits = begin_and_look(instance, other, ELSEWHERE)

    assert waits.phase == "starting"
    assert waits.asks_at is not None
    assert 14 < (waits.asks_at - timezone.now()).total_seconds() <= 15
    time.passes(15)
    found = pairing.look(instance, actor=other, watcher=ELSEWHERE)
    # VZaps' own attempt went on: it is still its first code.
    assert (found.phase, found.number) == ("scan", 1)
    assert found.changes_at is not None
    assert 44 < (found.changes_at - timezone.now()).total_seconds() <= 45


@pytest.mark.parametrize(
    ("answer", "phase", "is_live"),
    [
        ({}, "starting", True),
        ({"pairing_status": "waiting"}, "starting", True),
        ({"pairing_status": "Scanned"}, "linking", True),
        ({"status": "connected", "phone": "5511999990000"}, "linking", True),
        ({"error": "timeout"}, "expired", False),
        ({"pairing_status": "qr_timeout"}, "expired", False),
        ({"error": "<b>banned</b>"}, "attention", False),
        ({"pairing_status": "challenge"}, "attention", True),
    ],
)
def test_what_vzaps_says(
    fake_vzaps: FakeVZaps,
    instance: Instance,
    operator: User,
    time: Time,
    answer: dict[str, str],
    phase: str,
    is_live: bool,
) -> None:
    answer_qr(fake_vzaps, {})
    begin_and_look(instance, operator)
    time.passes(15)
    answer_qr(fake_vzaps, answer)
    found = pairing.look(instance, actor=operator, watcher=HERE)
    assert (found.phase, found.is_live) == (phase, is_live)
    if phase == "attention":
        assert found.words in answer.values()
    # It is known on a reload, too.
    again = pairing.state(instance, actor=operator, watcher=HERE)
    assert (again.phase, again.words) == (found.phase, found.words)


def test_a_code_that_vanishes_was_taken_by_a_phone(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User, time: Time
) -> None:
    begin_and_look(instance, operator)
    time.passes(170)
    answer_qr(fake_vzaps, {}, times=None)
    found = pairing.look(instance, actor=operator, watcher=HERE)
    assert (found.phase, found.code) == ("linking", None)
    time.passes(30)
    # Scanned at the last moment: it is given a minute more, once.
    assert pairing.look(instance, actor=operator, watcher=HERE).phase == "linking"
    time.passes(31)
    assert pairing.look(instance, actor=operator, watcher=HERE).phase == "expired"


def test_a_passing_error_is_said_and_gets_better(fake_vzaps: FakeVZaps, instance: Instance, operator: User) -> None:
    fake_vzaps.faults.add("session_status", status=500, times=None)
    found = begin_and_look(instance, operator)
    assert (found.phase, found.is_live) == ("error", True)
    assert "problem of its own" in found.words
    fake_vzaps.faults = type(fake_vzaps.faults)(fake_vzaps.faults._routes)
    assert pairing.look(instance, actor=operator, watcher=HERE).phase == "scan"


@pytest.mark.parametrize("status", [404, 500])
def test_a_code_that_could_not_be_read_is_asked_for_again_in_time(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User, time: Time, status: int
) -> None:
    fake_vzaps.faults.add("qr", status=status, times=None)
    assert begin_and_look(instance, operator).phase == "error"
    asked = len(fake_vzaps.calls_to("qr"))
    fake_vzaps.faults = type(fake_vzaps.faults)(fake_vzaps.faults._routes)
    found = pairing.look(instance, actor=operator, watcher=HERE)
    assert (found.phase, found.is_live) == ("error", True)
    assert len(fake_vzaps.calls_to("qr")) == asked
    time.passes(15)
    assert pairing.look(instance, actor=operator, watcher=HERE).phase == "scan"


@pytest.mark.parametrize("route", ["session_status", "qr"])
def test_what_cannot_get_better_ends_it(fake_vzaps: FakeVZaps, instance: Instance, operator: User, route: str) -> None:
    fake_vzaps.faults.add(route, status=403, times=None)
    found = begin_and_look(instance, operator)
    assert (found.phase, found.is_live, found.may_begin) == ("error", False, True)
    assert "VZaps refused" in found.words
    fake_vzaps.calls.clear()
    assert pairing.look(instance, actor=operator, watcher=HERE).words == found.words
    assert fake_vzaps.calls == []


def test_an_old_code_is_not_shown_for_long(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User, time: Time
) -> None:
    begin_and_look(instance, operator)
    time.passes(64)
    assert pairing.state(instance, actor=operator, watcher=HERE).phase == "scan"
    time.passes(2)
    gone = pairing.state(instance, actor=operator, watcher=HERE)
    assert (gone.phase, gone.code, gone.number) == ("starting", None, 0)


def test_who_types_a_code_is_shown_none_to_scan(fake_vzaps: FakeVZaps, instance: Instance, operator: User) -> None:
    pairing.begin(instance, actor=operator, watcher=HERE)
    pairing.by_code(instance, actor=operator, watcher=HERE)
    assert pairing.look(instance, actor=operator, watcher=HERE, ask=False).phase == "typing"
    assert not fake_vzaps.calls_to("qr")
    assert pairing.begin(instance, actor=operator, watcher=HERE)
    assert pairing.look(instance, actor=operator, watcher=HERE).phase == "scan"


def test_a_code_whose_key_is_gone_is_replaced(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User, time: Time
) -> None:
    begin_and_look(instance, operator)
    with database.cursor() as cursor:
        cursor.execute("UPDATE django_vzaps_pairing SET code = 'nonsense'")
    time.passes(15)
    found = pairing.look(instance, actor=operator, watcher=HERE)
    assert found.code is not None
    assert found.code.reveal() == shown_by(fake_vzaps, instance)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_many_who_look_at_the_same_moment_ask_once(fake_vzaps: FakeVZaps, instance: Instance, operator: User) -> None:
    pairing.begin(instance, actor=operator, watcher=HERE)
    looks = [lambda: pairing.look(instance_again(instance), actor=operator, watcher=HERE)] * 8
    for _round in range(5):
        fake_vzaps.calls.clear()
        Pairing.objects.update(code_asked_at=None)
        at_once(*looks)
        assert len(fake_vzaps.calls_to("qr")) == 1
        assert len(fake_vzaps.calls_to("session_status")) == 8


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_many_who_begin_at_the_same_moment_one_does(instance: Instance) -> None:
    people = [User.objects.create_user(f"person{number}") for number in range(6)]
    for take_over in (False, True):
        Pairing.objects.update(until=None)
        began: list[User] = []

        def begin(person: User, take_over: bool = take_over, began: list[User] = began) -> None:
            page = f"page-of-person-{person.pk:08}"
            if pairing.begin(instance_again(instance), actor=person, watcher=page, take_over=take_over):
                began.append(person)

        at_once(*(lambda person=person: begin(person) for person in people))
        assert began
        assert take_over or len(began) == 1
        last = Pairing.objects.get().user
        assert last in began


@pytest.mark.django_db
def test_an_answer_goes_to_who_took_over_meanwhile(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User, other: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairing.begin(instance, actor=operator, watcher=HERE)
    handle = fake_vzaps.handle

    def taken_over_meanwhile(method: str, target: str, *rest: Any) -> Any:
        if target.endswith("/qr"):
            pairing.begin(instance, actor=other, watcher=ELSEWHERE, take_over=True)
        return handle(method, target, *rest)

    monkeypatch.setattr(fake_vzaps, "handle", taken_over_meanwhile)
    assert pairing.look(instance, actor=operator, watcher=HERE).phase == "watched"
    assert pairing.state(instance, actor=other, watcher=ELSEWHERE).phase == "scan"


def instance_again(instance: Instance) -> Instance:
    return Instance.objects.select_related("account").get(pk=instance.pk)


def test_times_are_those_of_the_fake() -> None:
    start = datetime(2026, 1, 1)  # noqa: DTZ001 - no zone is looked at
    assert codes.attempt_ends(1, start) - start == timedelta(seconds=qr.ATTEMPT_SECONDS)
    assert codes.CODES == qr.CODES_PER_ATTEMPT
