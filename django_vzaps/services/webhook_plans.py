"""What a webhook is to be: an address of this site with a new secret, and some of VZaps' types of events."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.urls import reverse
from django.utils.translation import gettext as _

from django_vzaps import conf, crypto
from django_vzaps.secret import Secret
from django_vzaps.services import mirror
from django_vzaps.services.errors import ChangeFailed, NotConfigured

#: The documented event types (API.md section 7.2). ``All`` subscribes to everything and is no type of its own.
EVENT_TYPES: Final = (
    "Message",
    "ReadReceipt",
    "Connected",
    "Disconnected",
    "Presence",
    "ChatPresence",
    "HistorySync",
    "GroupParticipantsAdd",
    "GroupParticipantsRemove",
    "All",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A webhook as we want it. ``url`` holds its secret and is used once; ``record`` is what may be stored."""

    url: Secret
    events: tuple[str, ...]
    record: dict[str, Any]


def can_receive() -> bool:
    """Whether ``VZAPS["WEBHOOK_BASE_URL"]`` says where VZaps reaches us."""
    return bool(conf.current().webhook_base_url)


def plan(public_id: uuid.UUID, events: Sequence[str] | None) -> Plan:
    """A webhook URL with a new secret. Raises :class:`NotConfigured`, and :class:`ChangeFailed` for unknown events."""
    if not can_receive():
        raise NotConfigured(
            _(
                "VZAPS['WEBHOOK_BASE_URL'] is not set: VZaps cannot be told where to send events. "
                "Set it to this site's URL."
            )
        )
    wanted = tuple(dict.fromkeys(conf.current().webhook_events if events is None else events))
    unknown = [name for name in wanted if name not in EVENT_TYPES]
    if unknown or not wanted:
        raise ChangeFailed(
            _("Choose from these event types: %(known)s. Not known: %(unknown)s.")
            % {"known": ", ".join(EVENT_TYPES), "unknown": ", ".join(unknown) or "-"}
        )
    secret = crypto.new_webhook_secret()
    path = reverse("django_vzaps:webhook", kwargs={"public_id": public_id, "secret": secret.reveal()})
    url = conf.current().webhook_base_url + path
    return Plan(
        url=Secret(url),
        events=wanted,
        record={
            "public_id": str(public_id),
            "secret_hash": crypto.hash_secret(secret),
            "host_and_path": mirror.host_and_path(url),
            "events": sorted(wanted),
        },
    )
