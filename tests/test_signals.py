from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal

from django_vzaps import signals
from django_vzaps.models import Instance

pytestmark = pytest.mark.django_db(transaction=True)


Heard = list[dict[str, Any]]


@contextmanager
def listening() -> Iterator[Heard]:
    told: Heard = []

    def receiver(signal: Signal, sender: type, **kwargs: Any) -> None:
        told.append({"sender": sender, **kwargs})

    signals.instance_updated.connect(receiver)
    yield told
    signals.instance_updated.disconnect(receiver)


@pytest.fixture
def heard() -> Iterator[Heard]:
    with listening() as told:
        yield told


def send(number: int = 1) -> None:
    signals.send_on_commit(signals.instance_updated, sender=Instance, instance=None, changes={"name": (0, number)})


def test_outside_a_transaction_it_is_sent_at_once(heard: Heard) -> None:
    send()

    assert heard == [{"sender": Instance, "instance": None, "changes": {"name": (0, 1)}}]


def test_inside_a_transaction_it_waits_for_the_commit_and_keeps_its_order(heard: Heard) -> None:
    with transaction.atomic():
        with transaction.atomic():
            send(1)
        send(2)
        assert heard == []

    assert [call["changes"]["name"][1] for call in heard] == [1, 2]


def test_after_a_rollback_nothing_is_sent(heard: Heard) -> None:
    with transaction.atomic():
        send(1)
        with transaction.atomic():
            send(2)
            transaction.set_rollback(True)
    with transaction.atomic():
        send(3)
        transaction.set_rollback(True)

    assert [call["changes"]["name"][1] for call in heard] == [1]


@pytest.mark.parametrize("in_transaction", [False, True])
def test_a_receiver_that_raises_is_logged_and_disturbs_nobody(
    caplog: pytest.LogCaptureFixture, *, in_transaction: bool
) -> None:
    def broken(**kwargs: Any) -> None:
        raise RuntimeError("the project's own mistake")

    signals.instance_updated.connect(broken)
    try:
        with listening() as heard, transaction.atomic() if in_transaction else nullcontext():
            send(1)
            send(2)
    finally:
        signals.instance_updated.disconnect(broken)

    assert [call["changes"]["name"][1] for call in heard] == [1, 2]
    assert caplog.text.count("RuntimeError: the project's own mistake") == 2
