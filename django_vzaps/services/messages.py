"""Send messages. Each is recorded before it is sent, and never sent again by itself."""

from __future__ import annotations

from typing import Any

from django.utils.crypto import salted_hmac

from django_vzaps.models import Instance, Operation, OperationKind
from django_vzaps.services.attempts import Actor, carry_out, open_operation
from django_vzaps.services.clients import client_for, token_of


def send_text(
    instance: Instance,
    *,
    phone: str,
    message: str,
    actor: Actor = None,
    reply_to: str | None = None,
    idempotency_key: str | None = None,
) -> Operation:
    """Send a text to ``phone`` (digits, or a group id); ``operation.answer["message_id"]`` is its id.

    Accepted is not delivered: delivery arrives as ``ReadReceipt`` (API.md section 9). The text itself is not recorded;
    with an ``idempotency_key``, which stands for this text alone, a keyed fingerprint of it is. A second call with the
    same key sends nothing and returns the first one's operation, however that ended. Raises :class:`ChangeFailed` or
    :class:`OutcomeUnknown`.
    """
    api = client_for(instance)
    opened = open_operation(
        OperationKind.SEND_TEXT,
        actor=actor,
        account=instance.account,
        instance=instance,
        parameters={
            "phone": phone,
            "characters": len(message),
            "reply_to": reply_to,
            **({} if idempotency_key is None else {"fingerprint": _fingerprint(message)}),
        },
        idempotency_key=idempotency_key,
    )
    operation = opened.operation
    if not opened.is_new:
        return operation
    extra: dict[str, Any] = {} if reply_to is None else {"reply_to_message_id": reply_to}
    carry_out(
        operation,
        lambda: api.messages.send_text(
            instance_id=instance.vzaps_id,
            instance_token=token_of(instance),
            phone=phone,
            message=message,
            **extra,
        ),
        consequence=lambda _answer: None,
        answer=lambda answer: {"message_id": answer.message_id},
    )
    return operation


def _fingerprint(message: str) -> str:
    """By which another text is told from this one; without ``SECRET_KEY`` no text can be tried against it."""
    return salted_hmac(__name__, message, algorithm="sha256").hexdigest()
