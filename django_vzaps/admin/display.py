"""How states, times and payloads look on an admin page. Everything that comes from outside is escaped here."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import TextChoices
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_vzaps.models import (
    ConnectionState,
    Event,
    EventState,
    Instance,
    Operation,
    OperationOutcome,
    Subscription,
    SubscriptionState,
    Webhook,
    WebhookHealth,
)
from django_vzaps.models.fields import storable

NOTHING: Final = "–"  # noqa: RUF001 - a dash where there is nothing to show
LONGEST_PAYLOAD: Final = 100_000
LONGEST_NAME: Final = 60
LONGEST_DETAIL: Final = 200

#: By the value alone: a word that several lists of choices have sounds the same in each.
_TONES: Final[dict[str, str]] = {
    ConnectionState.CONNECTED: "good",
    ConnectionState.STALE: "warning",
    ConnectionState.DISCONNECTED: "bad",
    SubscriptionState.ACTIVE: "good",
    SubscriptionState.TRIALING: "good",
    SubscriptionState.PAST_DUE: "bad",
    SubscriptionState.UNPAID: "bad",
    SubscriptionState.CANCELED: "warning",
    SubscriptionState.PAUSED: "warning",
    SubscriptionState.INCOMPLETE: "warning",
    EventState.DONE: "good",
    EventState.FAILED: "bad",
    EventState.UNPARSED: "warning",
    OperationOutcome.SUCCEEDED: "good",
    OperationOutcome.FAILED: "bad",
    OperationOutcome.UNKNOWN: "warning",
    WebhookHealth.OK: "good",
    WebhookHealth.FAILING: "bad",
    WebhookHealth.DRIFTED: "warning",
}


def label(choices: type[TextChoices], value: str) -> str:
    """The value in words, or as it is where a newer version or VZaps wrote it."""
    return str(choices(value).label) if value in choices.values else value


def badge(choices: type[TextChoices], value: str) -> SafeString:
    """A state as a word in the frame that suits it."""
    return framed(_TONES.get(value, "quiet") if value in choices.values else "quiet", label(choices, value))


def framed(tone: str, words: str) -> SafeString:
    """Words in a coloured frame: good, warning, bad or quiet. The words alone say it all."""
    return format_html('<span class="vzaps-badge vzaps-{}">{}</span>', tone, words)


def moment(at: datetime) -> str:
    """A point in time, written out in the reader's time zone and language."""
    return date_format(local(at), "DATETIME_FORMAT")


def read_moment(record: Any, key: str) -> datetime | None:
    """A point in time out of an operation's JSON; None where there is none."""
    text = record.get(key) if isinstance(record, dict) else None
    if isinstance(text, datetime):
        return text
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def ago(at: datetime | None) -> SafeString | str:
    """How long ago, with the time itself beneath the pointer."""
    if at is None:
        return NOTHING
    age = timezone.now() - at
    if age < timedelta(seconds=1):
        words = _("just now")  # clocks differ
    elif age < timedelta(minutes=1):
        words = ngettext("%(count)d second ago", "%(count)d seconds ago", age.seconds) % {"count": age.seconds}
    else:
        words = _("%(age)s ago") % {"age": timesince(at, depth=1)}
    return time_of(at, words)


def time_of(at: datetime, words: str) -> SafeString:
    """``words`` for a point in time, with the time itself beneath the pointer."""
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), moment(at), words)


def moment_and_age(at: datetime) -> SafeString:
    """A point in time written out, and less loud how long ago that is."""
    return format_html('<span class="vzaps-when">{}</span> <span class="vzaps-quiet">{}</span>', moment(at), ago(at))


def duration(span: timedelta) -> str:
    """How long something took, to the precision that matters."""
    seconds = span.total_seconds()
    if seconds < 0:
        return NOTHING
    if seconds < 1:
        return _("%(milliseconds)s ms") % {"milliseconds": number_format(seconds * 1000, 0)}
    if seconds < 10:
        return _("%(seconds)s s") % {"seconds": number_format(seconds, 1)}
    if seconds < 120:
        return _("%(seconds)s s") % {"seconds": number_format(seconds, 0)}
    return timesince(timezone.now() - span, depth=2)


def billing(instance: Instance) -> SafeString | str:
    """The billing state and what happens next."""
    subscription = subscription_of(instance)
    if subscription is None:
        return NOTHING
    return billing_state(subscription.state, subscription.billing_status, subscription.cancel_at)


def billing_state(value: str, billing_status: str, ends: datetime | None) -> SafeString:
    """A billing state, with VZaps' own text where it is none we know, and when it ends where that is to come."""
    state = badge(SubscriptionState, value)
    if value == SubscriptionState.UNKNOWN and billing_status:
        state = format_html("{} <bdi>{}</bdi>", state, billing_status)
    if ends is None or ends < timezone.now():
        return state
    words = _("ends %(day)s") % {"day": date_format(local(ends), "DATE_FORMAT")}
    return format_html('{} <span class="vzaps-quiet" title="{}">{}</span>', state, moment(ends), words)


def subscription_of(instance: Instance) -> Subscription | None:
    """The instance's subscription, where one is known."""
    return getattr(instance, "subscription", None)


def webhook_of(instance: Instance) -> Webhook | None:
    """The instance's webhook, where one is known."""
    return getattr(instance, "webhook", None)


def drift(webhook: Webhook) -> str:
    """What differs on VZaps, in words; empty where nothing is known to."""
    words = {"url": _("another address"), "events": _("other events")}
    return ", ".join(words.get(what, what) for what in webhook.drift)


def event_state(event: Event) -> SafeString:
    """What became of an event."""
    return badge(EventState, event.state)


def outcome(operation: Operation) -> SafeString:
    """What became of an operation."""
    return badge(OperationOutcome, operation.outcome)


def from_outside(text: str) -> SafeString | str:
    """A text that a stranger wrote, kept from turning round the text beside it."""
    return format_html("<bdi>{}</bdi>", text) if text else NOTHING


def in_brief(text: str, most: int = LONGEST_NAME) -> SafeString:
    """As much of a stranger's text as a cell of a list can hold."""
    return format_html('<bdi class="vzaps-long">{}</bdi>', Truncator(text).chars(most))


def pretty(value: Any) -> SafeString | str:
    """JSON, or a text that should have been JSON, indented."""
    if value in (None, "", [], {}):
        return NOTHING
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, default=str)
    if len(text) > LONGEST_PAYLOAD:
        text = (
            text[:LONGEST_PAYLOAD]
            + "\n"
            + _("… and %(count)d characters more") % {"count": len(text) - LONGEST_PAYLOAD}
        )
    # Half of a character is no character, and no page can be sent with it.
    return format_html('<pre class="vzaps-json" tabindex="0">{}</pre>', storable(text))


def outside_link(url: str, text: str) -> SafeString | str:
    """A link that leaves the site, opened in a tab of its own; nothing where the URL is none of the web's."""
    if not url.startswith(("https://", "http://")):
        return NOTHING
    return format_html('<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>', url, text)


def local(at: datetime) -> datetime:
    """In the reader's time zone, where the project has time zones."""
    return timezone.localtime(at) if timezone.is_aware(at) else at
