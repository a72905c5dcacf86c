from __future__ import annotations

import hashlib
import json
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DatabaseError, close_old_connections, connection, transaction
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from django_vzaps.models import Event, EventSource, EventState, Instance
from django_vzaps.models.event import Stored
from django_vzaps.models.fields import storable

pytestmark = pytest.mark.django_db

KEY = hashlib.sha256(b"a message").hexdigest()


def store(instance: Instance, **columns: Any) -> Stored:
    return Event.objects.store(**{"instance_id": instance.pk, "type": "Message", "payload": "{}", **columns})


def test_an_event_is_stored_with_what_is_known_of_it(instance: Instance) -> None:
    occurred = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    before = timezone.now()

    done = store(
        instance,
        payload='{"a": "ü👍"}',
        key=KEY,
        occurred_at=occurred,
        message_id="3EB0",
        chat="5511@s.whatsapp.net",
        source=EventSource.DELIVERY_LOG,
        state=EventState.IGNORED,
    )

    event = Event.objects.get()
    assert done == Stored(pk=event.pk, is_new=True, is_ringing=False)
    assert (event.instance, event.type, event.payload, event.key) == (instance, "Message", '{"a": "ü👍"}', KEY)
    assert (event.message_id, event.chat) == ("3EB0", "5511@s.whatsapp.net")
    assert (event.source, event.state, event.duplicates) == ("delivery_log", "ignored", 0)
    assert event.occurred_at == occurred
    assert before <= event.received_at <= timezone.now()
    assert (event.origin_id, event.retry_at) == (None, None)
    assert event.body == {"a": "ü👍"}


def test_what_is_not_given_has_its_default(instance: Instance) -> None:
    received = datetime(2026, 1, 2, tzinfo=UTC)
    store(instance, received_at=received)

    event = Event.objects.get()
    assert (event.state, event.source, event.key) == ("pending", "webhook", None)
    assert (event.message_id, event.chat, event.occurred_at) == ("", "", None)
    assert event.received_at == received


def test_the_same_thing_again_is_counted_and_changes_nothing_else(instance: Instance) -> None:
    first = store(instance, key=KEY, payload="first")
    Event.objects.update(state=EventState.DONE)

    for _ in range(3):
        again = store(instance, key=KEY, payload="again", type="Other", source="realtime", chat="x", message_id="y")
        assert again == Stored(pk=first.pk, is_new=False, is_ringing=False)

    event = Event.objects.get()
    assert (event.duplicates, event.payload, event.type, event.state) == (3, "first", "Message", "done")
    assert (event.source, event.chat, event.message_id) == ("webhook", "", "")


def test_a_key_is_known_per_instance(instance: Instance) -> None:
    other = Instance.objects.create(account=instance.account, vzaps_id="VZ2")

    assert store(instance, key=KEY).is_new
    assert store(other, key=KEY).is_new
    assert store(instance, key=hashlib.sha256(b"another").hexdigest()).is_new


def test_without_a_key_every_delivery_is_kept(instance: Instance) -> None:
    assert [store(instance, type="Presence").is_new for _ in range(3)] == [True] * 3
    assert Event.objects.count() == 3


def test_storing_is_one_statement(instance: Instance) -> None:
    with CaptureQueriesContext(connection) as queries:
        store(instance, key=KEY)
        store(instance, key=KEY)

    assert len(queries) == 2


def test_an_event_can_be_stored_by_its_instance(instance: Instance) -> None:
    instance.events.store(instance_id=instance.pk, type="Message", payload="{}")

    assert instance.events.count() == 1


_TEXT = st.text(st.characters(codec=None), max_size=200)


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(type_=_TEXT, payload=_TEXT, chat=_TEXT, message_id=_TEXT)
def test_no_text_keeps_an_event_out(instance: Instance, type_: str, payload: str, chat: str, message_id: str) -> None:
    done = store(instance, type=type_, payload=payload, chat=chat, message_id=message_id)

    event = Event.objects.get(pk=done.pk)
    assert event.payload == storable(payload)
    assert (event.type, event.chat) == (storable(type_, 64), storable(chat, 128))
    assert event.message_id == storable(message_id, 128)


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "a\x00b",
        "\ud800",
        "\\u0000 %s %(payload)s '; DROP TABLE x; -- ` \"",
        '{"n": 1e400}',
        "[" * 5000 + "]" * 5000,
        "💥" * 100_000,
        "\r\n\t\x01\x7f\ufffe\uffff",
    ],
    ids=["empty", "NUL", "surrogate", "quotes", "huge number", "depth", "emoji", "control"],
)
def test_hostile_payloads_are_stored_as_text(instance: Instance, payload: str) -> None:
    store(instance, payload=payload, key=KEY)
    store(instance, payload=payload, key=KEY)

    event = Event.objects.get()
    assert event.payload == storable(payload)
    assert event.duplicates == 1


@pytest.mark.parametrize("payload", ["", "{", "nonsense", "[" * 100_000, "1" * 5000])
def test_a_payload_that_is_no_json_has_no_body(payload: str) -> None:
    assert Event(payload=payload).body is None


def test_a_body_is_decoded_when_it_is_read() -> None:
    assert Event(payload=json.dumps({"type": "Message", "n": [1, None]})).body == {"type": "Message", "n": [1, None]}


def test_an_event_of_no_instance_is_an_error_and_no_duplicate() -> None:
    def store_and_commit() -> None:
        Event.objects.store(instance_id=10**9, type="Message", payload="{}", key=KEY)
        connection.check_constraints()

    with pytest.raises(DatabaseError), transaction.atomic():
        store_and_commit()


def test_an_event_is_shown_by_its_type_or_state() -> None:
    assert str(Event(pk=7, type="Message")) == "Message #7"
    assert str(Event(pk=7, type="", state="unparsed")) == "unparsed #7"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_storm_of_duplicates_on_postgresql(instance: Instance) -> None:
    assert_storm_is_counted(instance)


@pytest.mark.mariadb
@pytest.mark.django_db(transaction=True)
def test_a_storm_of_duplicates_on_mariadb(instance: Instance) -> None:
    assert_storm_is_counted(instance)


def assert_storm_is_counted(instance: Instance, *, threads: int = 8, rounds: int = 30) -> None:
    """Every thread delivers the same events in another order, and one of its own each time."""
    start = threading.Barrier(threads)
    done: list[Stored] = []
    errors: list[BaseException] = []

    def deliver(number: int) -> None:
        close_old_connections()
        try:
            start.wait()
            for turn in range(rounds):
                shared = (turn * (number + 1)) % 7
                done.append(store(instance, key=hashlib.sha256(f"{shared}".encode()).hexdigest()))
                done.append(store(instance, key=hashlib.sha256(f"{number} {turn}".encode()).hexdigest()))
                done.append(store(instance, key=None))
        except BaseException as error:  # noqa: BLE001 - a thread's error must reach the test
            errors.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=deliver, args=[number]) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert not errors
    stored = Event.objects.count()
    assert stored == 7 + threads * rounds * 2
    assert sum(one.is_new for one in done) == stored, "each event is new to exactly one delivery"
    assert stored + (Event.objects.aggregate(found=Sum("duplicates"))["found"] or 0) == threads * rounds * 3
