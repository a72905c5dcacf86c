"""What an event says, in a few lines, for the types whose fields are known."""

from __future__ import annotations

from typing import Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_vzaps.events import inbound
from django_vzaps.events.inbound import InboundEvent, MessageEvent, ReadReceiptEvent
from django_vzaps.models import Event
from django_vzaps.models.fields import storable

_LONGEST: Final = 600
_LONGEST_NAME: Final = 200
_MOST_IDS: Final = 20


def summary(record: Event) -> SafeString | None:
    """A list of terms and what is said of each; None where the type says nothing that is known."""
    if not record.payload:
        return None
    event = inbound.from_record(record)
    match event:
        case MessageEvent():
            lines = _message(event)
        case ReadReceiptEvent():
            lines = _receipt(event)
        case _:
            lines = _other(event)
    filled = [(term, value) for term, value in lines if value]
    if not filled:
        return None
    return format_html(
        '<dl class="vzaps-facts vzaps-summary">{}</dl>', format_html_join("", "<dt>{}</dt><dd>{}</dd>", filled)
    )


def _message(event: MessageEvent) -> list[tuple[str, SafeString | str]]:
    other = event.phone or str(event.sender)
    who = _named(other, event.push_name)
    media = event.media
    return [
        (_("From"), _("this number itself") if event.is_from_me else who),
        (_("To"), who if event.is_from_me and not event.is_group else ""),
        (_("Group"), _bdi(str(event.chat)) if event.is_group else ""),
        (_("Attached"), _bdi(str(media.get("mimetype") or _("a file"))) if media else ""),
        (_("Text"), _text(event.text)),
    ]


def _receipt(event: ReadReceiptEvent) -> list[tuple[str, SafeString | str]]:
    ids = event.message_ids
    shown = format_html_join(", ", '<bdi class="vzaps-long">{}</bdi>', ((_cut(each),) for each in ids[:_MOST_IDS]))
    left = len(ids) - _MOST_IDS
    more = ngettext("and %(count)d more", "and %(count)d more", left) % {"count": left} if left > 0 else ""
    states = {"delivered": _("delivered"), "read": _("read"), "readself": _("read on another device of this number")}
    return [
        (_("Receipt"), states.get(event.state.lower(), "") or _bdi(event.state)),
        (_("By"), _bdi(event.phone or str(event.sender))),
        (_("Messages"), format_html("{} {}", shown, more) if ids else ""),
    ]


def _other(event: InboundEvent) -> list[tuple[str, SafeString | str]]:
    said: dict[type[InboundEvent], str] = {
        inbound.ConnectedEvent: _("The session was paired or came up."),
        inbound.DisconnectedEvent: _("The session went down."),
    }
    reason = event.first("reason")
    return [
        (_("What"), said.get(type(event), "")),
        (_("Reason"), _bdi(str(reason)) if isinstance(reason, str | int) and type(event) in said else ""),
    ]


def _text(text: str) -> SafeString | str:
    if not text:
        return ""
    cut = len(text) - _LONGEST
    shown = format_html('<bdi class="vzaps-words">{}</bdi>', storable(text[:_LONGEST]))
    if cut <= 0:
        return shown
    more = ngettext("%(count)d character more", "%(count)d characters more", cut) % {"count": cut}
    return format_html('{}… <a href="#vzaps-payload">{}: {}</a>', shown, more, _("show all in the payload"))


def _named(address: str, name: str) -> SafeString | str:
    if not name:
        return _bdi(address)
    return format_html("{} {}", _bdi(address), _bdi(name))


def _bdi(text: str) -> SafeString | str:
    return format_html('<bdi class="vzaps-long">{}</bdi>', _cut(text)) if text else ""


def _cut(text: str) -> str:
    return storable(text if len(text) <= _LONGEST_NAME else text[:_LONGEST_NAME] + "…")
