"""What a fact about an instance was before and after a change, as a person reads it."""

from __future__ import annotations

import json
from typing import Any, Final

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from django_vzaps.admin import display
from django_vzaps.models import ChangedField, ConnectionSource, InstanceChange, SubscriptionState
from django_vzaps.models.fields import storable
from django_vzaps.models.instance_change import MOMENTS

#: What is shown of a value where there is room.
LONGEST_VALUE: Final = 10_000


def value(field: str, value: Any, *, most: int = display.LONGEST_NAME) -> SafeString | str:
    """A value of ``field``, of which a stranger may have written every letter."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if value in (None, "", [], {}):
        return display.NOTHING
    if field in MOMENTS and (at := display.read_moment({field: value}, field)) is not None:
        return display.moment(at)
    return display.in_brief(storable(_text(field, value)), most)


def source(change: InstanceChange) -> SafeString | str:
    """Who said so."""
    return display.from_outside(display.label(ConnectionSource, change.source))


def _text(field: str, value: Any) -> str:
    match value:
        case str() if field == ChangedField.SUBSCRIPTION_STATE:
            return display.label(SubscriptionState, value)
        case list() if all(isinstance(item, str) for item in value):
            return ", ".join(value)
        case list() | dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)
