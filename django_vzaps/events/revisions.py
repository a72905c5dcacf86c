"""Copies of one message: which row is the message, and which only revise it.

VZaps sends some messages more than once with more in them each time: first with a LID address only and then with the
phone number behind it (API.md section 6), first without and then with a ``media_url``. Each copy is a row. The first
one to be handled is the message; the others are linked to it, and only handlers that ask for revisions see them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.utils import timezone

from django_vzaps import conf
from django_vzaps.events import inbound, policies
from django_vzaps.events.inbound import MessageEvent
from django_vzaps.models import Event, EventState

#: How long a copy without the phone number waits for the one with it.
HOLD: Final = timedelta(seconds=2)

#: Who sends a message chooses its id: a stranger must not make a drain read all they ever sent.
_MOST_COPIES: Final = 20


def settle(message: MessageEvent, *, may_hold: bool = True) -> timedelta | None:
    """Decide what a copy that nobody has handled is, and write it down: the message itself, or a revision of another.

    Returns how long to hold it back where it is partial and its full copy may still come, otherwise None. Afterwards
    ``message.is_revision`` tells. A partial copy whose full one is here is closed unseen: the full one says all of it.
    """
    record = message.record
    if not record.message_id:
        return None
    copies = [copy for copy in _others(record) if same_message(message, copy)]
    if message.is_partial:
        return _settle_partial(message, copies, may_hold=may_hold)
    if handled := next((copy for copy in copies if _is_handled(copy.record)), None):
        _link(message, handled)
    else:
        for copy in copies:
            if copy.is_partial:
                _link(copy, message, close=True)
    return None


def _settle_partial(message: MessageEvent, copies: list[MessageEvent], *, may_hold: bool) -> timedelta | None:
    full = next((copy for copy in copies if not copy.is_partial), None)
    if full is not None:
        _link(message, full, close=not _is_handled(full.record))
        return None
    if copies and (_is_handled(copies[0].record) or copies[0].record.pk < message.record.pk):
        _link(message, copies[0])
        return None
    waited = timezone.now() - message.received_at
    return HOLD - waited if may_hold and waited < HOLD else None


def same_message(one: MessageEvent, other: MessageEvent) -> bool:
    """Whether two copies with the same id are of the same message.

    The id alone does not tell: its sender chose it. So the other side, or in a group the group and the sender, must
    share an address. A LID and a phone number may be the same person's; then what was written must be the same.
    """
    if not one.payload or not other.payload:  # erased: what the columns say has to do
        return one.record.chat == other.record.chat
    if (one.is_from_me, one.is_group) != (other.is_from_me, other.is_group):
        return False
    if one.is_group and one.chat != other.chat:
        return False
    mine, others = one.addresses, other.addresses
    if mine & others:
        return True
    if {jid.kind for jid in mine} & {jid.kind for jid in others}:
        return False  # two people
    return bool(one.get("message") == other.get("message"))


def _others(record: Event) -> list[MessageEvent]:
    others = Event.objects.select_related("instance__account").filter(
        instance_id=record.instance_id, message_id=record.message_id, type=record.type, revision_of__isnull=True
    )
    others = others.exclude(pk=record.pk).exclude(state=EventState.MISDIRECTED).order_by("pk")
    events = [inbound.from_record(other) for other in others[:_MOST_COPIES]]
    return [event for event in events if isinstance(event, MessageEvent)]


def _is_handled(record: Event) -> bool:
    """Whether a handler may have seen it."""
    return record.state != EventState.PENDING or record.runs.exists()


def _link(copy: MessageEvent, to: MessageEvent, *, close: bool = False) -> None:
    """Make ``copy`` a revision, together with those that were taken for revisions of it."""
    record, head = copy.record, to.record
    changes: dict[str, Any] = {"revision_of": head}
    if close:
        changes |= {"state": EventState.IGNORED, "retry_at": None}
        if policies.policy_of(record.type) == conf.METADATA:
            changes["payload"] = ""
    if not Event.objects.filter(pk=record.pk, state=EventState.PENDING).update(**changes):
        return
    record.revision_of = head
    if close:
        record.state = EventState.IGNORED
    of_it = Event.objects.filter(instance_id=record.instance_id, message_id=record.message_id, revision_of=record)
    of_it.update(revision_of=head)
