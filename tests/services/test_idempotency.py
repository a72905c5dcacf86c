"""A key stands for one change: whatever else is asked under it is refused, and nothing is sent."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from django_vzaps.models import Batch, BatchKind, Instance, Operation
from django_vzaps.services import IdempotencyKeyReused, batches, instances, messages, sessions, subscriptions, webhooks
from django_vzaps.testing import FakeVZaps

Change = Callable[..., Operation]


def create(instance: Instance, *, name: str = "Branch", **more: Any) -> Operation:
    return instances.create(instance.account, name=name, actor=None, **more)


def send(instance: Instance, *, phone: str = "5511999990000", **more: Any) -> Operation:
    return messages.send_text(instance, phone=phone, message="Good morning", **more)


OTHERS: list[tuple[Change, Change, dict[str, Any]]] = [
    (create, create, {"name": "Another"}),
    (create, create, {"labels": {"floor": 1}}),
    (create, create, {"reject_calls": True}),
    (create, send, {}),
    (send, send, {"phone": "5511999990001"}),
    (send, send, {"reply_to": "3EB0"}),
    (webhooks.set, webhooks.set, {"events": ["Message"]}),
    (webhooks.set, webhooks.rotate, {}),
    (subscriptions.subscribe, subscriptions.cancel, {}),
    (instances.restart, sessions.disconnect, {}),
    (instances.restart, instances.delete, {"despite_subscription": True}),
]


@pytest.mark.parametrize(("first", "second", "given"), OTHERS)
def test_a_key_that_stands_for_another_change_is_refused(
    first: Change, second: Change, given: dict[str, Any], instance: Instance, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.instances[instance.vzaps_id].connected = True
    actor = {} if first is create else {"actor": None}
    known = first(instance, idempotency_key="key", **actor)
    fake_vzaps.calls.clear()
    with pytest.raises(IdempotencyKeyReused, match=f"stands for another change .operation {known.pk}.") as refused:
        second(instance, idempotency_key="key", **({} if second is create else {"actor": None}), **given)
    assert refused.value.operation == known
    assert fake_vzaps.calls == []
    assert Operation.objects.get() == known


def test_a_key_that_stands_for_a_change_of_another_instance_is_refused(
    instance: Instance, fake_vzaps: FakeVZaps
) -> None:
    other = Instance.objects.create(account=instance.account, vzaps_id="VZother", name="Other")
    instances.restart(instance, actor=None, idempotency_key="key")
    with pytest.raises(IdempotencyKeyReused):
        instances.restart(other, actor=None, idempotency_key="key")
    assert len(fake_vzaps.calls_to("restart")) == 1


LABELS: list[dict[Any, Any]] = [
    {3: (1, 2), "text": "\x00\ud800", "number": 1e308},
    {"token": "secret"},
    {},
]


@pytest.mark.parametrize("labels", LABELS)
def test_what_was_asked_is_recognised_however_it_is_stored(labels: dict[str, Any], instance: Instance) -> None:
    first, again = (create(instance, labels=labels, idempotency_key="key") for _number in range(2))
    assert first == again


def test_the_events_of_settings_are_the_same_once_they_are_wanted(instance: Instance, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "WEBHOOK_EVENTS": ["ReadReceipt", "Message"]}
    first, again = (webhooks.set(instance, actor=None, idempotency_key="key") for _number in range(2))
    assert first == again


def test_the_id_of_a_batch_stands_for_its_parameters_and_those_it_is_about(
    instance: Instance, operator: User, fake_vzaps: FakeVZaps
) -> None:
    other = Instance.objects.create(account=instance.account, vzaps_id="VZother", name="Other")
    public_id = uuid.uuid4()

    def start(*pks: int, **parameters: Any) -> Batch:
        return batches.start(BatchKind.SET_WEBHOOK, pks, actor=operator, parameters=parameters, public_id=public_id)

    known = start(instance.pk)
    assert start(instance.pk, instance.pk) == known
    for pks, parameters in (((other.pk,), {}), ((instance.pk, other.pk), {}), ((instance.pk,), {"overwrite": True})):
        with pytest.raises(IdempotencyKeyReused, match="Nothing was started"):
            start(*pks, **parameters)
    # What a form's search finds may have changed since; the form is the same.
    found = Instance.objects.all()
    assert batches.start(BatchKind.SET_WEBHOOK, found, actor=operator, public_id=public_id) == known
    assert Batch.objects.count() == 1
