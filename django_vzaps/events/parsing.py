"""Reading what VZaps posts, in every variant (API.md sections 6.1, 7 and 17). Nothing here raises on odd input."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from django.utils.dateparse import parse_datetime

from django_vzaps.models.fields import storable_moment
from django_vzaps.services.webhooks import EVENT_TYPES

#: The documented types (API.md section 7.2). Others may come, and are events like these.
TYPES: Final = tuple(name for name in EVENT_TYPES if name != "All")
_ALWAYS_A_WRAPPER: Final = ("json_data",)
_PERHAPS_A_WRAPPER: Final = ("data", "payload", "body")
_DEEPEST_WRAPPER: Final = 4

_FIRST_YEAR, _LAST_YEAR = 2009, 2200  # from WhatsApp's first year; outside lies a mistake, or a column's limit
_MILLISECONDS_FROM: Final = 1e11  # an epoch above this counts milliseconds


def normalised(name: object) -> str:
    """A key as keys are compared: ``message_i_ds``, ``messageIDs`` and ``MessageIDs`` are the same."""
    text = str(name)
    # The same few hundred names come with every event; a stranger may send names of any length.
    return (_normalised if len(text) < _USUAL_LENGTH else _normalised.__wrapped__)(text)


@lru_cache(maxsize=4096)
def _normalised(text: str) -> str:
    return text.lower().replace("_", "").replace("-", "")


_USUAL_LENGTH: Final = 64

_CANONICAL: Final = {normalised(name): name for name in TYPES}


def lookup(value: Any, path: str, default: Any = None) -> Any:
    """The value at a dotted path such as ``info.is_from_me``, whatever the case and underscores of the keys."""
    for name in path.split("."):
        if not isinstance(value, dict):
            return default
        if name not in value:
            wanted = normalised(name)
            found = next((key for key in value if normalised(key) == wanted), None)
            if found is None:
                return default
            name = found
        value = value[name]
    return default if value is None else value


def first(value: Any, *paths: str) -> Any:
    """The first of these paths that leads to something; None where none does."""
    return next((found for path in paths if (found := lookup(value, path)) not in (None, "")), None)


def canonical_type(name: object) -> str:
    """A documented type in its documented spelling, any other as it came; empty for what is not a text."""
    if not isinstance(name, str):
        return ""
    return _CANONICAL.get(normalised(name), name)


def decoded(body: Any, depth: int = _DEEPEST_WRAPPER) -> Any:
    """A copy of the body in which a wrapper or an ``event`` that is JSON text is an object."""
    if not isinstance(body, dict) or not depth:
        return body
    names = {normalised(name) for name in (*_ALWAYS_A_WRAPPER, *_PERHAPS_A_WRAPPER, "event")}
    return {
        key: decoded(_from_text(item), depth - 1) if normalised(key) in names else item for key, item in body.items()
    }


def unwrapped(body: Mapping[str, Any]) -> dict[str, Any]:
    """The ``{type, event, ...}`` in a decoded body, however it is wrapped (API.md section 6.1).

    What stands beside a wrapper is kept, unless the wrapped object says the same differently.
    """
    event = dict(body)
    for _ in range(_DEEPEST_WRAPPER):
        bare = lookup(event, "type") is not None or lookup(event, "event") is not None
        names = _ALWAYS_A_WRAPPER if bare else (*_ALWAYS_A_WRAPPER, *_PERHAPS_A_WRAPPER)
        wrapper = next((name for name in names if isinstance(lookup(event, name), dict)), None)
        if wrapper is None:
            break
        inner = lookup(event, wrapper)
        said = {normalised(key) for key in inner} | {normalised(wrapper)}
        event = {key: item for key, item in event.items() if normalised(key) not in said} | dict(inner)
    return event


def named(value: Any) -> dict[str, Any]:
    """The items of an object by their normalised names; empty for anything else."""
    found: dict[str, Any] = {}
    if isinstance(value, dict):
        for key, item in value.items():
            found.setdefault(normalised(key), item)
    return found


class Envelope:
    """The three levels of an unwrapped payload at which VZaps puts things, each by normalised names.

    For the receiver, which asks a dozen questions of every event; :func:`lookup` answers one.
    """

    __slots__ = ("event", "info", "top")

    def __init__(self, payload: Mapping[str, Any]) -> None:
        self.top = named(payload)
        event = self.top.get("event")
        self.event = self.top if event is None else named(event)
        self.info = named(self.event.get("info"))

    def first(self, *names: str) -> Any:
        """The first of these that ``info`` has, or else the event; None where neither has any."""
        for level in (self.info, self.event):
            for name in names:
                if (found := level.get(name)) not in (None, ""):
                    return found
        return None


def flag(value: Any) -> bool:
    """A boolean, also where it came as text."""
    return value.strip().lower() in {"true", "1"} if isinstance(value, str) else bool(value)


def texts(value: Any) -> tuple[str, ...]:
    """A list of texts: from a list, from one text, or none."""
    if isinstance(value, str):
        return (value,) if value else ()
    if isinstance(value, list | tuple):
        return tuple(str(item) for item in value if isinstance(item, str | int) and item != "")
    return ()


def moment(value: Any) -> datetime | None:
    """A time from RFC 3339 text or a Unix time in seconds or milliseconds; None where it makes no sense."""
    try:
        if isinstance(value, str):
            at = parse_datetime(value.strip()) or datetime.fromtimestamp(_seconds(float(value)), UTC)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            at = datetime.fromtimestamp(_seconds(value), UTC)
        else:
            return None
        at = at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        return None
    return storable_moment(at)


class JidKind(StrEnum):
    """What an address stands for."""

    PHONE = "phone"
    LID = "lid"
    GROUP = "group"
    BROADCAST = "broadcast"
    NEWSLETTER = "newsletter"
    UNKNOWN = "unknown"


_KINDS: Final = {
    "s.whatsapp.net": JidKind.PHONE,
    "c.us": JidKind.PHONE,
    "lid": JidKind.LID,
    "hosted.lid": JidKind.LID,
    "g.us": JidKind.GROUP,
    "broadcast": JidKind.BROADCAST,
    "newsletter": JidKind.NEWSLETTER,
}


@dataclass(frozen=True, slots=True)
class Jid:
    """A WhatsApp address such as ``5521977776666:3@s.whatsapp.net``: user, device and server."""

    user: str
    server: str
    device: str = ""

    @classmethod
    def parse(cls, value: Any) -> Jid:
        """The address in a text; one without user and server for anything else."""
        if not isinstance(value, str):
            return cls("", "")
        name, _, server = value.strip().partition("@")
        name, _, device = name.partition(":")
        user, _, agent = name.partition(".")
        return cls(user if agent.isdigit() else name, server.lower(), device)

    def __str__(self) -> str:
        return f"{self.user}@{self.server}" if self.server else self.user

    def __bool__(self) -> bool:
        return bool(self.user)

    @property
    def kind(self) -> JidKind:
        """Bare digits are taken for a phone number, as VZaps' API takes them."""
        if not self.server and _is_number(self.user):
            return JidKind.PHONE
        return _KINDS.get(self.server, JidKind.UNKNOWN)

    @property
    def phone(self) -> str:
        """The phone number in digits; empty where the address is none. A LID's digits are not a phone number."""
        return self.user if self.kind is JidKind.PHONE and _is_number(self.user) else ""


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _seconds(epoch: float) -> float:
    if not math.isfinite(epoch):
        raise ValueError("not a time")
    return epoch / 1000 if abs(epoch) >= _MILLISECONDS_FROM else epoch


def _from_text(value: Any) -> Any:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
