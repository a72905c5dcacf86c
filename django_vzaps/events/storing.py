"""Taking in what VZaps posts: decoded, stripped of secrets, stored once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django_vzaps import conf
from django_vzaps.events import keys, masking, parsing, policies
from django_vzaps.events.parsing import Envelope, Jid
from django_vzaps.models import Event, EventSource, EventState, Lane
from django_vzaps.models.fields import storable

_TYPE_LENGTH: Final = 64
_ID_LENGTH: Final = 128


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """What became of a body: ``pk`` is None where the storage policy of its type drops it."""

    pk: int | None
    is_new: bool = False
    lane: Lane = Lane.MAIN
    is_waiting: bool = False
    """Whether it is new and to be handled, and nobody is on the way to do so: wake somebody."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    """What is stored of a body, beside where and when it came from."""

    type: str
    payload: str
    key: str | None
    state: EventState
    lane: Lane = Lane.MAIN
    occurred_at: datetime | None = None
    message_id: str = ""
    chat: str = ""


def receive(
    body: bytes,
    *,
    instance_id: int,
    vzaps_id: str,
    named: str = "",
    source: str = EventSource.WEBHOOK,
    origin_id: str | None = None,
) -> Received:
    """Store an authentic body for the instance, whatever is in it; a redelivery only counts.

    What is not a JSON object is kept as ``unparsed``, for a person to see. What names another instance, in the body
    or in ``named`` (the header ``X-Instance-ID``, API.md section 6), is kept as ``misdirected`` and never acted on:
    this instance's URL was entered there by mistake. Secrets are masked; otherwise the text is kept as it came.
    Keys are made of what came: two QR codes are two events, though they look the same once they are masked.
    ``origin_id`` is the id that a realtime frame or a delivery log has: unique for the instance and the ``source``.
    Raises what the database raises.
    """
    text = _text(body)
    try:
        row = _parsed(text, vzaps_id=vzaps_id, named=named)
    except (ValueError, RecursionError):
        # Not JSON, not an object, nested too deeply, or with a number of thousands of digits.
        row = _Row(
            type="",
            payload=storable(masking.text_without_secrets(text)),
            key=keys.text_key(text),
            state=EventState.UNPARSED,
        )
    if policies.policy_of(row.type) == conf.DROP:
        return Received(pk=None)
    stored = Event.objects.store(
        instance_id=instance_id,
        source=source,
        origin_id=origin_id,
        type=row.type,
        lane=row.lane,
        payload=row.payload,
        key=row.key,
        state=row.state,
        occurred_at=row.occurred_at,
        message_id=row.message_id,
        chat=row.chat,
    )
    return Received(
        pk=stored.pk,
        is_new=stored.is_new,
        lane=row.lane,
        is_waiting=stored.is_new and row.state == EventState.PENDING and not stored.is_ringing,
    )


def known_by(body: bytes, *, vzaps_id: str) -> tuple[str, str | None]:
    """The type of an event, and the key under which a copy of it is stored; None where copies cannot be told apart."""
    try:
        row = _parsed(_text(body), vzaps_id=vzaps_id, named="")
    except (ValueError, RecursionError):
        return "", None
    # What is another's goes by its words, and a log need not have kept those.
    return row.type, row.key if row.state == EventState.PENDING else None


def occurred_at(body: bytes) -> datetime | None:
    """When what a body tells happened, as it says; None where it does not."""
    try:
        return _parsed(_text(body), vzaps_id="", named="").occurred_at
    except (ValueError, RecursionError):
        return None


def _text(body: bytes) -> str:
    # A broken character in a name is no reason to lose a message.
    return body.decode(json.detect_encoding(body), "replace")


def _parsed(text: str, *, vzaps_id: str, named: str) -> _Row:
    body = json.loads(text)
    if not isinstance(body, dict):
        raise ValueError("an event is an object")  # noqa: TRY004 - as a JSON error is
    body = parsing.decoded(body)
    payload = parsing.unwrapped(body)
    envelope = Envelope(payload)
    is_anothers = _is_anothers(envelope, vzaps_id, named)
    clean = masking.without_secrets(body)
    shown = envelope if clean is body else Envelope(parsing.unwrapped(clean))
    ids = parsing.texts(shown.first("id", "messageids", "messageid"))
    event_type = storable(parsing.canonical_type(shown.top.get("type")), _TYPE_LENGTH)
    return _Row(
        type=event_type,
        lane=policies.lane_of(event_type),
        payload=storable(text if clean is body else json.dumps(clean)),
        # By its words: what was meant for another instance may mean the same as what comes for this one.
        key=keys.text_key(text) if is_anothers else keys.semantic_key(payload, envelope),
        state=EventState.MISDIRECTED if is_anothers else EventState.PENDING,
        occurred_at=parsing.moment(envelope.first("timestamp")),
        message_id=storable(ids[0], _ID_LENGTH) if len(ids) == 1 else "",
        chat=storable(Jid.parse(shown.first("chat")), _ID_LENGTH),
    )


def _is_anothers(envelope: Envelope, vzaps_id: str, named: str) -> bool:
    claims = (named, envelope.top.get("instanceid"))
    # Only what looks like a VZaps id says so: nothing is documented about these places.
    return any(isinstance(claim, str) and claim.startswith("VZ") and claim != vzaps_id for claim in claims)
