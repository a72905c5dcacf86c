from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from django_vzaps import services, signals
from django_vzaps.models import Instance, Operation, OperationOutcome
from django_vzaps.services import connection, messages, operations, sessions
from django_vzaps.testing import FakeVZaps

pytestmark = pytest.mark.django_db


def test_pairing_by_qr_ends_connected_with_the_profile_known(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    code = sessions.qr(instance)
    assert code.qr_code is not None
    assert code.qr_code.reveal().startswith("data:image/png;base64,")
    assert not sessions.status(instance).connected

    fake_vzaps.scan(instance.vzaps_id, phone="5511988887777", push_name="Bia")

    assert sessions.status(instance).connected
    assert instance.connection_state == "connected"
    assert (instance.phone, instance.push_name) == ("5511988887777", "Bia")
    assert instance.connection_source == "api"
    assert sessions.qr(instance).paired


def test_a_pairing_code_is_recorded_without_the_code(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    code = sessions.pair_code(instance, phone="5511988887777", actor=None).code.reveal()

    operation = Operation.objects.get()
    assert operation.outcome == OperationOutcome.SUCCEEDED
    assert code not in str(operation.answer)


def test_what_cannot_be_sent_is_refused_and_not_left_open(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    with pytest.raises(services.ChangeFailed, match="phone is required"):
        sessions.pair_code(instance, phone="..", actor=None)

    assert Operation.objects.get().outcome == OperationOutcome.FAILED


def test_disconnect_is_noted_at_once(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    sessions.qr(instance)
    fake_vzaps.scan(instance.vzaps_id)
    sessions.status(instance)

    sessions.disconnect(instance, actor=None)

    assert instance.connection_state == "disconnected"
    assert not fake_vzaps.instances[instance.vzaps_id].connected


def test_a_lost_answer_to_a_disconnect_is_settled_by_asking(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    sessions.qr(instance)
    fake_vzaps.scan(instance.vzaps_id)
    fake_vzaps.faults.add("disconnect", drop=True)
    with pytest.raises(services.OutcomeUnknown) as caught:
        sessions.disconnect(instance, actor=None)

    assert caught.value.operation is not None
    assert operations.settle(caught.value.operation).outcome == OperationOutcome.SUCCEEDED


def test_a_failing_read_says_why_and_changes_nothing(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    fake_vzaps.faults.add("session_status", status=500, times=None)
    before = instance.connection_asked_at

    with pytest.raises(services.ReadFailed, match="problem of its own"):
        sessions.status(instance)

    instance.refresh_from_db()
    assert instance.connection_asked_at == before


def test_the_newest_knowledge_wins_whatever_order_it_arrives_in(
    instance: Instance, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    now = timezone.now()
    heard: list[str] = []

    def up(**_kwargs: Any) -> None:
        heard.append("connected")

    def down(**_kwargs: Any) -> None:
        heard.append("disconnected")

    signals.instance_connected.connect(up)
    signals.instance_disconnected.connect(down)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            for seconds, connected in [(10, True), (30, False), (20, True), (40, False), (50, True)]:
                connection.record(
                    instance.pk, connected=connected, source="webhook", asked_at=now + timedelta(seconds=seconds)
                )
    finally:
        signals.instance_connected.disconnect(up)
        signals.instance_disconnected.disconnect(down)

    instance.refresh_from_db()
    assert instance.connected is True
    assert heard == ["connected", "disconnected", "connected"]


@pytest.mark.parametrize(
    ("jid", "phone"),
    [
        ("5511988887777@s.whatsapp.net", "5511988887777"),
        ("5511988887777:12@s.whatsapp.net", "5511988887777"),
        ("99887766554433@lid", ""),
        ("120363000000000000@g.us", ""),
        ("", ""),
    ],
)
def test_a_lid_or_a_group_is_no_phone_number(jid: str, phone: str) -> None:
    assert connection.phone_of(jid) == phone


def test_a_text_is_sent_once_and_its_words_are_not_kept(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    sessions.qr(instance)
    fake_vzaps.scan(instance.vzaps_id)

    operation = messages.send_text(instance, phone="5511900001111", message="the words")

    (sent,) = fake_vzaps.sent_messages(instance.vzaps_id)
    assert sent.text == "the words"
    assert operation.answer == {"message_id": sent.id}
    assert "the words" not in str(operation.parameters)


def test_a_text_whose_answer_was_lost_is_not_sent_again(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    sessions.qr(instance)
    fake_vzaps.scan(instance.vzaps_id)
    fake_vzaps.faults.add("send_text", drop=True)

    with pytest.raises(services.OutcomeUnknown):
        messages.send_text(instance, phone="5511900001111", message="hello")

    assert len(fake_vzaps.sent_messages(instance.vzaps_id)) == 1
