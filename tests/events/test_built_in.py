from __future__ import annotations

from collections.abc import Callable

import pytest

from django_vzaps import signals
from django_vzaps.events import InboundEvent, MessageEvent, dispatch, on
from django_vzaps.models import Event, Instance

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_signal_is_sent_once_however_many_handlers_and_attempts_there_are(
    instance: Instance, arrive: Callable[..., Event]
) -> None:
    seen: list[str] = []

    def announced(event: InboundEvent, **kwargs: object) -> None:
        seen.append("signal")

    @on("Message")
    def keep(event: MessageEvent) -> None:
        seen.append("keep")

    @on("Message")
    def fail(event: MessageEvent) -> None:
        seen.append("fail")
        raise ValueError

    signals.event_received.connect(announced)
    try:
        arrive()
        for _ in range(2):
            dispatch.drain(instance.pk, seconds=None)
            Event.objects.update(retry_at=None)
    finally:
        signals.event_received.disconnect(announced)
    assert seen == ["signal", "keep", "fail", "fail"]
