"""The WhatsApp session of an instance: its state, pairing, disconnecting."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.utils import timezone

from django_vzaps.client import PairCode, QRCode, SessionStatus, VZapsClient, VZapsError
from django_vzaps.models import ConnectionSource, Instance, Operation, OperationKind
from django_vzaps.services import connection
from django_vzaps.services.attempts import Actor, carry_out, open_operation, refuse_if_read_only
from django_vzaps.services.clients import client_for, token_of
from django_vzaps.services.errors import ReadFailed, in_words

Answer = TypeVar("Answer")


def status(instance: Instance, *, patient: bool = True) -> SessionStatus:
    """Ask VZaps whether the instance is connected, and note the answer. Raises :class:`ReadFailed`.

    Who is not ``patient`` asks once and waits only briefly, because of coming again anyway.
    """
    asked_at = timezone.now()
    answer = _read(
        instance,
        lambda api: api.sessions.status(instance.vzaps_id, instance_token=token_of(instance)),
        patient=patient,
    )
    connection.record(
        instance.pk,
        connected=answer.connected,
        source=ConnectionSource.API,
        asked_at=asked_at,
        profile={
            "phone": answer.phone,
            "whatsapp_jid": answer.whatsapp_jid,
            "push_name": answer.push_name,
            "business_name": answer.business_name,
            "verified_name": answer.verified_name,
            "about": answer.about,
            "website": answer.website,
            "profile_picture_url": answer.profile_picture_url,
            "profile_url": answer.profile_url,
        },
    )
    instance.refresh_from_db()
    return answer


def qr(instance: Instance) -> QRCode:
    """The QR code to pair with, or word that the instance is paired (API.md section 4.2).

    Asking STARTS the pairing on VZaps: ask only while a person looks. Raises :class:`ReadFailed` or
    :class:`ReadOnly`.
    """
    refuse_if_read_only()
    return _read(instance, lambda api: api.sessions.qr(instance.vzaps_id, instance_token=token_of(instance)))


def pair_code(instance: Instance, *, phone: str, actor: Actor) -> PairCode:
    """A code to type into the phone instead of scanning (API.md section 4.3). ``phone``: digits, international."""
    api = client_for(instance)
    operation = open_operation(
        OperationKind.PAIR_CODE,
        actor=actor,
        account=instance.account,
        instance=instance,
        parameters={"phone": phone},
    ).operation
    return carry_out(
        operation,
        lambda: api.sessions.pair_code(instance.vzaps_id, phone, instance_token=token_of(instance)),
        consequence=lambda _answer: None,
    )


def disconnect(instance: Instance, *, actor: Actor, idempotency_key: str | None = None) -> Operation:
    """End the WhatsApp session. Whether the phone must be paired again is not documented (API.md section 4.4).

    A second call with the same ``idempotency_key`` sends nothing and returns the first one's operation.
    """
    api = client_for(instance)
    opened = open_operation(
        OperationKind.DISCONNECT,
        actor=actor,
        account=instance.account,
        instance=instance,
        idempotency_key=idempotency_key,
    )
    operation = opened.operation
    if not opened.is_new:
        return operation
    asked_at = timezone.now()

    def consequence(_answer: object) -> None:
        connection.record(instance.pk, connected=False, source=ConnectionSource.API, asked_at=asked_at)

    carry_out(
        operation,
        lambda: api.sessions.disconnect(instance.vzaps_id, instance_token=token_of(instance)),
        consequence=consequence,
        answer=lambda answer: {"status": answer.status, "details": answer.details},
    )
    instance.refresh_from_db()
    return operation


def _read(instance: Instance, call: Callable[[VZapsClient], Answer], *, patient: bool = True) -> Answer:
    try:
        return call(client_for(instance, patient=patient))
    except VZapsError as error:
        raise ReadFailed(in_words(error), error=error) from error
