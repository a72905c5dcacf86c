"""Copies of one message: which one a handler sees."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from django_vzaps.events import MessageEvent, dispatch, doorbell, inbound, on, revisions
from django_vzaps.events.storing import receive
from django_vzaps.models import Event, EventState, HandlerRun, Instance
from django_vzaps.testing import events

pytestmark = pytest.mark.django_db

Body = dict[str, Any]
Seen = list[tuple[str, str, bool]]


@pytest.fixture(autouse=True)
def _celery(settings: Any, rung: list[int]) -> None:
    settings.VZAPS = {**settings.VZAPS, "TASKS": "celery"}


@pytest.fixture
def store(instance: Instance) -> Callable[[Body], Event]:
    def store(body: Body) -> Event:
        received = receive(json.dumps(body).encode(), instance_id=instance.pk, vzaps_id=instance.vzaps_id)
        assert received.pk is not None
        return Event.objects.get(pk=received.pk)

    return store


@pytest.fixture
def seen() -> Seen:
    """What a handler that wants each message once was called with."""
    found: Seen = []

    @on("Message")
    def keep(event: MessageEvent) -> None:
        found.append((event.text, event.phone, event.is_revision))

    return found


@pytest.fixture
def drain(instance: Instance) -> Callable[[], int]:
    return lambda: dispatch.drain(instance.pk, seconds=None)


def two_seconds_pass(event: Event) -> None:
    then = timezone.now() - revisions.HOLD
    Event.objects.filter(pk=event.pk).update(received_at=then, retry_at=then)


def state_of(event: Event) -> str:
    return Event.objects.get(pk=event.pk).state


def lid_pair(text: str = "hello", **changes: Any) -> tuple[Body, Body]:
    """A partial copy and the full one after it."""
    common: Any = {"message_id": "3EB0AA", "timestamp": "2026-09-20T11:00:00Z", **changes}
    return events.message(text, lid="partial", **common), events.message(text, lid=True, **common)


def test_a_partial_copy_waits_for_the_full_one(store: Any, seen: Seen, drain: Any, rung: list[int]) -> None:
    partial, full = lid_pair()
    first = store(partial)
    drain()
    assert seen == []
    assert state_of(first) == EventState.PENDING
    assert len(rung) == 1, "a task that comes back after the hold"

    second = store(full)
    drain()
    assert seen == [("hello", events.SENDER, False)]
    assert state_of(second) == EventState.DONE
    first.refresh_from_db()
    assert (first.state, first.revision_of_id) == (EventState.IGNORED, second.pk)
    two_seconds_pass(first)
    drain()
    assert len(seen) == 1


def test_many_held_copies_are_one_task(store: Any, drain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    later: list[float] = []
    monkeypatch.setattr(doorbell, "ring_later", lambda *_, seconds: later.append(seconds))
    for number in range(5):
        store(events.message(f"hello {number}", lid="partial"))
    drain()
    (seconds,) = later
    assert 0 < seconds < 2.5


def test_a_partial_copy_whose_full_one_is_here_already_does_not_wait(store: Any, seen: Seen, drain: Any) -> None:
    for body in lid_pair():
        store(body)
    drain()
    assert seen == [("hello", events.SENDER, False)]
    assert not Event.objects.filter(state=EventState.PENDING).exists()


def test_a_partial_copy_that_stays_alone_is_the_message(store: Any, seen: Seen, drain: Any) -> None:
    partial, full = lid_pair()
    first = store(partial)
    drain()
    two_seconds_pass(first)
    drain()
    assert seen == [("hello", "", False)]

    late = store(full)
    drain()
    assert len(seen) == 1
    late.refresh_from_db()
    assert (late.state, late.revision_of_id) == (EventState.IGNORED, first.pk)


def test_a_partial_copy_that_comes_after_the_full_one_is_a_revision(store: Any, seen: Seen, drain: Any) -> None:
    partial, full = lid_pair()
    store(full)
    drain()
    store(partial)
    drain()
    assert seen == [("hello", events.SENDER, False)]
    assert not Event.objects.filter(state=EventState.PENDING).exists()


def test_a_full_copy_under_the_phones_address_is_the_same_message(store: Any, seen: Seen, drain: Any) -> None:
    partial, _ = lid_pair()
    first = store(partial)
    store(events.message("hello", message_id="3EB0AA", timestamp="2026-09-20T11:00:00Z"))
    drain()
    assert seen == [("hello", events.SENDER, False)]
    assert state_of(first) == EventState.IGNORED


def test_inline_nothing_waits(store: Any, seen: Seen, drain: Any, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "TASKS": "inline"}
    store(lid_pair()[0])
    drain()
    assert seen == [("hello", "", False)]


def test_a_media_url_that_comes_later_is_seen_by_who_asks_for_revisions(store: Any, seen: Seen, drain: Any) -> None:
    every: list[tuple[str, bool]] = []

    @on("Message", revisions=True)
    def follow(event: MessageEvent) -> None:
        every.append((event.media_url, event.is_revision))

    common: Any = {"media": "image", "message_id": "3EB0BB", "timestamp": "2026-09-20T11:00:00Z"}
    first = store(events.message("look", **common))
    drain()
    upgraded = store(events.message("look", media_url="https://files.example.org/m/1", **common))
    drain()
    assert len(seen) == 1
    assert every == [("", False), ("https://files.example.org/m/1", True)]
    upgraded.refresh_from_db()
    assert (upgraded.state, upgraded.revision_of_id) == (EventState.DONE, first.pk)
    assert HandlerRun.objects.count() == 3


def test_copies_that_wait_together_are_one_message(store: Any, seen: Seen, drain: Any) -> None:
    common: Any = {"media": "image", "message_id": "3EB0BB", "timestamp": "2026-09-20T11:00:00Z"}
    for number in range(3):
        store(events.message("look", media_url=f"https://files.example.org/m/{number}", **common))
    drain()
    assert len(seen) == 1
    assert Event.objects.filter(revision_of__isnull=False).count() == 2


def test_a_stranger_cannot_pass_a_message_off_as_a_revision(store: Any, seen: Seen, drain: Any) -> None:
    common: Any = {"message_id": "3EB0CC", "timestamp": "2026-09-20T11:00:00Z"}
    store(events.message("the real one", sender="5511900000001", group=True, **common))
    store(events.message("not hers", sender="5511900000002", group=True, **common))
    store(events.message("elsewhere", sender="5511900000002", **common))
    drain()
    assert [text for text, _, _ in seen] == ["the real one", "not hers", "elsewhere"]


@pytest.mark.parametrize("group", [True, False])
def test_the_same_words_and_id_from_two_people_are_two_messages(
    store: Any, seen: Seen, drain: Any, group: bool
) -> None:
    for sender in ("5511900000001", "5511900000002"):
        store(events.message("yes", sender=sender, group=group, message_id="3EB0CC", timestamp="2026-09-20T11:00:00Z"))
    drain()
    assert [phone for _, phone, _ in seen] == ["5511900000001", "5511900000002"]


@pytest.mark.parametrize("from_me", [True, False])
def test_copies_of_a_message_to_one_group_are_one(store: Any, seen: Seen, drain: Any, from_me: bool) -> None:
    common: Any = {"media": "image", "message_id": "3EB0BB", "from_me": from_me, "timestamp": "2026-09-20T11:00:00Z"}
    store(events.message("look", group=True, **common))
    store(events.message("look", group=True, media_url="https://files.example.org/m/1", **common))
    elsewhere = store(events.message("look", group="120363049999999999@g.us", **common))
    drain()
    assert len(seen) == 2
    assert Event.objects.get(pk=elsewhere.pk).revision_of_id is None


def test_a_copy_for_another_instance_is_no_copy(store: Any, seen: Seen, drain: Any, instance: Instance) -> None:
    common: Any = {"media": "image", "message_id": "3EB0BB", "timestamp": "2026-09-20T11:00:00Z"}
    body = json.dumps(events.message("look", **common)).encode()
    receive(body, instance_id=instance.pk, vzaps_id=instance.vzaps_id, named="VZ9999")
    store(events.message("look", media_url="https://files.example.org/m/1", **common))
    drain()
    assert len(seen) == 1


def test_partial_copies_that_differ_are_all_linked_to_the_full_one(store: Any, seen: Seen, drain: Any) -> None:
    common: Any = {"media": "image", "message_id": "3EB0BB", "timestamp": "2026-09-20T11:00:00Z"}
    for number in range(2):
        store(events.message("look", lid="partial", media_url=f"https://files.example.org/m/{number}", **common))
    drain()
    full = store(events.message("look", lid=True, **common))
    drain()
    assert len(seen) == 1
    assert set(Event.objects.exclude(pk=full.pk).values_list("revision_of", flat=True)) == {full.pk}


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("together", [False, True])
def test_a_partial_copy_that_is_closed_unseen_is_stored_as_the_settings_say(
    store: Any, seen: Seen, drain: Any, settings: Any, kept: bool, together: bool
) -> None:
    policy = "full" if kept else "metadata"
    settings.VZAPS = {**settings.VZAPS, "EVENT_STORAGE": {"Message": policy}}
    partial, full = lid_pair()
    first = store(partial)
    if not together:
        drain()
    store(full)
    drain()
    assert state_of(first) == EventState.IGNORED
    assert {bool(event.payload) for event in Event.objects.all()} == {kept}


def test_in_a_group_an_unknown_lid_is_another_sender_unless_the_words_are_the_same(
    store: Any, seen: Seen, drain: Any
) -> None:
    common: Any = {"group": True, "message_id": "3EB0DD", "timestamp": "2026-09-20T11:00:00Z"}
    store(events.message("mine", **common))
    partial = store(events.message("forged", lid="partial", **common))
    two_seconds_pass(partial)
    drain()
    same = store(events.message("mine", lid="partial", **common))
    drain()
    assert [text for text, _, _ in seen] == ["mine", "forged"]
    same.refresh_from_db()
    assert same.revision_of_id is not None


def test_messages_to_and_from_the_same_chat_are_two(store: Any, seen: Seen, drain: Any) -> None:
    store(events.message("to me", message_id="3EB0EE"))
    store(events.message("from me", message_id="3EB0EE", from_me=True))
    drain()
    assert [text for text, _, _ in seen] == ["to me", "from me"]


@pytest.mark.django_db(transaction=True)
def test_signals_announce_a_message_once(store: Any, drain: Any) -> None:
    from django_vzaps import signals

    announced: list[int] = []

    def note(event: inbound.InboundEvent, **kwargs: Any) -> None:
        announced.append(event.record.pk)

    signals.event_received.connect(note)
    try:
        common: Any = {"media": "image", "message_id": "3EB0BB", "timestamp": "2026-09-20T11:00:00Z"}
        first = store(events.message("look", **common))
        store(events.message("look", media_url="https://files.example.org/m/1", **common))
        drain()
    finally:
        signals.event_received.disconnect(note)
    assert announced == [first.pk]


def test_other_events_of_the_chat_overtake_a_held_copy(store: Any, seen: Seen, drain: Any) -> None:
    store(lid_pair()[0])
    store(events.message("later"))
    drain()
    assert [text for text, _, _ in seen] == ["later"]


def test_a_copy_whose_payload_was_erased_is_known_by_its_chat(store: Any, seen: Seen, drain: Any) -> None:
    common: Any = {"media": "image", "message_id": "3EB0BB", "timestamp": "2026-09-20T11:00:00Z"}
    first = store(events.message("look", **common))
    drain()
    Event.objects.filter(pk=first.pk).update(payload="")
    second = store(events.message("look", media_url="https://files.example.org/m/1", **common))
    drain()
    second.refresh_from_db()
    assert second.revision_of_id == first.pk
