"""Whether an instance is connected: the newest knowledge wins, whatever order it arrives in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from django_vzaps import signals
from django_vzaps.models import Instance
from django_vzaps.models.fields import storable
from django_vzaps.services import changes

#: What a person sees of an instance's WhatsApp profile, and how much of it is kept.
_TEXTS = {"phone": 64, "whatsapp_jid": 255, "push_name": 255}

COLUMNS = [
    "connected",
    "connected_at",
    "phone",
    "whatsapp_jid",
    "push_name",
    "profile",
    "connection_source",
    "connection_asked_at",
    "connection_changed_at",
]


def record(
    instance_id: int,
    *,
    connected: bool,
    source: str,
    asked_at: datetime,
    connected_at: datetime | None = None,
    profile: Mapping[str, Any] | None = None,
) -> bool:
    """Take in what was learned about a connection; False where something asked for later is known already.

    ``asked_at`` is when VZaps was asked, or when its event arrived. ``profile`` holds what came along: ``phone``,
    ``whatsapp_jid``, ``push_name``, and more to show. Sends ``instance_connected`` or ``instance_disconnected`` on
    commit, when that is news.
    """
    with transaction.atomic():
        instance = Instance.objects.locked().filter(pk=instance_id).first()
        if instance is None:
            return False
        before = {column: getattr(instance, column) for column in changes.INSTANCE_FIELDS if column in COLUMNS}
        taken = apply(
            instance,
            connected=connected,
            source=source,
            asked_at=asked_at,
            connected_at=connected_at,
            profile=profile,
        )
        if taken:
            instance.save(update_fields=COLUMNS)
            found = {
                column: (old, getattr(instance, column))
                for column, old in before.items()
                if getattr(instance, column) != old
            }
            changes.record_instance(instance, found, source=source, at=asked_at)
            announce(instance, before["connected"])
    return taken


def apply(
    instance: Instance,
    *,
    connected: bool,
    source: str,
    asked_at: datetime,
    connected_at: datetime | None = None,
    profile: Mapping[str, Any] | None = None,
) -> bool:
    """Put the facts on ``instance`` without saving it; False where they are older than what it has."""
    if instance.connection_asked_at is not None and asked_at < instance.connection_asked_at:
        return False
    if connected and not instance.connected:
        instance.connected_at = connected_at or asked_at
    elif connected_at is not None:
        instance.connected_at = connected_at
    if connected != instance.connected:
        instance.connection_changed_at = asked_at
    instance.connected = connected
    instance.connection_source = source
    instance.connection_asked_at = asked_at
    facts = dict(profile or {})
    if not facts.get("phone"):
        facts["phone"] = phone_of(str(facts.get("whatsapp_jid") or ""))
    for column, length in _TEXTS.items():
        if text := storable(facts.pop(column, None), length):
            setattr(instance, column, text)
    shown = {name: value for name, value in facts.items() if value}
    if shown:
        instance.profile = shown
    return True


def announce(instance: Instance, before: bool | None) -> None:
    """Send the signal on commit where ``instance.connected`` is not what it was."""
    if instance.connected == before or (before is None and not instance.connected):
        return
    signal = signals.instance_connected if instance.connected else signals.instance_disconnected
    signals.send_on_commit(signal, sender=Instance, instance=instance, source=instance.connection_source)


def phone_of(jid: str) -> str:
    """The phone number in a JID; empty for a group, and for a LID, which is no phone number (API.md section 7.3)."""
    user, _, server = jid.partition("@")
    digits = user.partition(":")[0].partition(".")[0]
    return digits if server in ("s.whatsapp.net", "c.us") and digits.isdigit() else ""
