"""Identifiers of other systems differ by case and by trailing spaces, on every database (MariaDB is who forgets)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from django_vzaps.models import Account, Event, HandlerRun, Instance, Operation
from django_vzaps.models.fields import storable

pytestmark = pytest.mark.django_db

ALIKE = ["Abc", "abc", "ABC", "Abc ", "Abc  ", " Abc", "Abç", "Äbc", "Abc\u200b"]


@pytest.fixture
def event(instance: Instance) -> Event:
    return Event.objects.create(instance=instance, payload="{}")


def make(what: str, text: str, instance: Instance, event: Event) -> Any:
    deadline = datetime(2026, 1, 1, tzinfo=UTC)
    match what:
        case "account name":
            return Account.objects.create(name=text)
        case "instance id":
            return Instance.objects.create(account=instance.account, vzaps_id=text)
        case "idempotency key":
            return Operation.objects.create(kind="x", deadline=deadline, idempotency_key=text)
        case "lock":
            return Operation.objects.create(kind="x", deadline=deadline, lock=text)
        case "handler":
            return HandlerRun.objects.create(event=event, handler=text)
        case _:
            return Event.objects.create(instance=instance, payload="{}", source="realtime", origin_id=text)


UNIQUE = {
    "account name": "name",
    "instance id": "vzaps_id",
    "idempotency key": "idempotency_key",
    "lock": "lock",
    "handler": "handler",
    "origin": "origin_id",
}


@pytest.mark.parametrize("what", UNIQUE)
def test_texts_that_differ_a_little_are_two_and_each_is_found(what: str, instance: Instance, event: Event) -> None:
    made = {text: make(what, text, instance, event) for text in ALIKE}

    for text, row in made.items():
        found = type(row)._default_manager.filter(**{UNIQUE[what]: text})
        assert [(each.pk, getattr(each, UNIQUE[what])) for each in found] == [(row.pk, text)]


@pytest.mark.parametrize("what", UNIQUE)
def test_the_same_text_twice_is_refused(what: str, instance: Instance, event: Event) -> None:
    make(what, "Abc", instance, event)

    with pytest.raises(IntegrityError), transaction.atomic():
        make(what, "Abc", instance, event)


@pytest.mark.parametrize("what", ["idempotency key", "lock", "origin"])
def test_no_text_is_no_rule(what: str, instance: Instance, event: Event) -> None:
    for _ in range(3):
        assert make(what, None, instance, event).pk  # type: ignore[arg-type]


def test_origins_are_unique_per_instance_and_source(instance: Instance) -> None:
    other = Instance.objects.create(account=instance.account, vzaps_id="VZ2")
    for place in ({"instance": instance}, {"instance": other}, {"instance": instance, "source": "delivery_log"}):
        Event.objects.create(payload="{}", origin_id="1", **place)

    assert Event.objects.count() == 3


def test_message_ids_are_searched_to_the_letter(instance: Instance) -> None:
    for text in ALIKE:
        Event.objects.create(instance=instance, payload="{}", message_id=text)

    for text in ALIKE:
        assert [event.message_id for event in Event.objects.filter(message_id=text)] == [text]


def test_names_of_full_length_are_stored(account: Account) -> None:
    name = storable("👍\u00e9" * 500, 255)
    Instance.objects.create(account=account, vzaps_id="V" * 64, name=name)

    assert Instance.objects.get(vzaps_id="V" * 64).name == name
    assert len(name) == 255
