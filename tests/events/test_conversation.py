"""From the phone to the handler and back: the fake on one side, the mounted URL on the other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from django_vzaps import services
from django_vzaps.events import MessageEvent, ReadReceiptEvent, dispatch, on
from django_vzaps.models import Account, Event, EventState, HandlerRun, HandlerRunState, Instance, Operation
from django_vzaps.services.clients import forget_clients
from django_vzaps.testing import FakeVZaps

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paired(fake_vzaps: FakeVZaps) -> Iterator[Instance]:
    """An instance that was created and subscribed to its events here, and paired by a phone."""
    cache.clear()
    forget_clients()
    account = Account.objects.from_settings()
    assert account is not None
    instance = services.instances.create(account, name="Front desk", actor=None).instance
    assert instance is not None
    services.sessions.qr(instance)
    fake_vzaps.scan(instance.vzaps_id)
    yield instance
    forget_clients()


def test_pairing_is_noticed_without_asking(paired: Instance) -> None:
    paired.refresh_from_db()
    assert (paired.connected, paired.connection_source) == (True, "webhook")
    assert paired.last_event_at is not None


@pytest.mark.parametrize("lid", [False, True])
def test_ping_is_answered_with_pong(paired: Instance, fake_vzaps: FakeVZaps, lid: bool) -> None:
    @on("Message", atomic=False)
    def answer(event: MessageEvent) -> None:
        if event.text == "ping" and not event.is_from_me:
            event.reply("pong", quote=True)

    read: list[tuple[str, ...]] = []

    @on("ReadReceipt")
    def keep(event: ReadReceiptEvent) -> None:
        read.append(event.message_ids)

    fake_vzaps.receive(paired.vzaps_id, "ping", sender="5511977776666", lid=lid)
    (sent,) = fake_vzaps.sent_messages(paired.vzaps_id)
    assert sent.text == "pong"
    assert Operation.objects.latest("pk").answer == {"message_id": sent.id}
    assert (sent.id,) in read, "delivered"
    assert set(HandlerRun.objects.values_list("state", flat=True)) == {HandlerRunState.DONE}
    assert not Event.objects.filter(state__in=[EventState.PENDING, EventState.FAILED]).exists()


def test_a_transactional_handler_is_told_that_it_must_not_reply(paired: Instance, fake_vzaps: FakeVZaps) -> None:
    @on("Message")
    def answer(event: MessageEvent) -> None:
        event.reply("pong")

    fake_vzaps.receive(paired.vzaps_id, "ping")
    assert fake_vzaps.sent_messages(paired.vzaps_id) == []
    assert "atomic=False" in HandlerRun.objects.latest("pk").error


def handle_again(paired: Instance, event: Event) -> None:
    """The time of the next attempt has come."""
    Event.objects.filter(pk=event.pk, retry_at__isnull=False).update(retry_at=timezone.now() - timedelta(seconds=1))
    dispatch.drain(paired.pk, seconds=None)


def test_a_handler_that_fails_after_its_reply_does_not_send_it_again(paired: Instance, fake_vzaps: FakeVZaps) -> None:
    attempts: list[str] = []

    @on("Message", atomic=False)
    def answer(event: MessageEvent) -> None:
        if event.is_from_me:
            return
        attempts.append(event.text)
        event.reply("one")
        event.reply("two")
        if len(attempts) < 3:
            raise RuntimeError("after the replies")

    fake_vzaps.receive(paired.vzaps_id, "ping")
    received = Event.objects.get(type="Message", payload__contains="ping")
    handle_again(paired, received)
    handle_again(paired, received)

    assert len(attempts) == 3
    assert [sent.text for sent in fake_vzaps.sent_messages(paired.vzaps_id)] == ["one", "two"]
    assert Event.objects.get(pk=received.pk).state == EventState.DONE


def test_a_reply_that_has_other_words_on_the_next_attempt_is_not_sent_again(
    paired: Instance, fake_vzaps: FakeVZaps
) -> None:
    attempts: list[str] = []

    @on("Message", atomic=False)
    def answer(event: MessageEvent) -> None:
        if event.is_from_me:
            return
        attempts.append(event.text)
        event.reply(f"attempt {len(attempts)}" * len(attempts))
        if len(attempts) < 2:
            raise RuntimeError("after the reply")

    fake_vzaps.receive(paired.vzaps_id, "ping")
    received = Event.objects.get(type="Message", payload__contains="ping")
    handle_again(paired, received)

    assert [sent.text for sent in fake_vzaps.sent_messages(paired.vzaps_id)] == ["attempt 1"]
    assert (len(attempts), Event.objects.get(pk=received.pk).state) == (2, EventState.DONE)


def test_a_reply_that_was_refused_is_sent_by_the_next_attempt(paired: Instance, fake_vzaps: FakeVZaps) -> None:
    @on("Message", atomic=False)
    def answer(event: MessageEvent) -> None:
        if not event.is_from_me:
            event.reply("pong")

    fake_vzaps.faults.add("send_text", status=429, times=2)
    fake_vzaps.receive(paired.vzaps_id, "ping")
    received = Event.objects.get(type="Message", payload__contains="ping")
    handle_again(paired, received)
    assert fake_vzaps.sent_messages(paired.vzaps_id) == []
    handle_again(paired, received)

    assert [sent.text for sent in fake_vzaps.sent_messages(paired.vzaps_id)] == ["pong"]
