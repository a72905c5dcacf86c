"""What the cells of the list say: each a state in words, and below it how old that is or what comes next."""

from __future__ import annotations

import unicodedata
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from django_vzaps.admin import display
from django_vzaps.admin.paging import number
from django_vzaps.models import (
    ConnectionSource,
    ConnectionState,
    Instance,
    Subscription,
    SubscriptionState,
    WebhookHealth,
)
from django_vzaps.models.backlog import Backlog

#: What is shown of a text of somebody else's.
LONGEST: Final = 60
#: More waiting events than this are not counted.
MOST_WAITING: Final = 1_000
#: Events that have waited longer than this are behind.
PATIENCE: Final = timedelta(minutes=15)


def name(instance: Instance) -> SafeString:
    """Name and phone beside the photo; where there is none, or it is not let through, initials."""
    photo: SafeString | str = ""
    if picture := photo_of(instance):
        photo = format_html(
            '<img src="{}" alt="" width="32" height="32" loading="lazy" referrerpolicy="no-referrer">', picture
        )
    return format_html(
        '<span class="vzaps-who"><span class="vzaps-photo"><span aria-hidden="true">{}</span>{}</span>'
        '<span class="vzaps-name"><bdi>{}</bdi>{}</span></span>',
        initials(str(instance)),
        photo,
        shortened(str(instance)),
        below(display.from_outside(shortened(instance.phone))) if instance.phone else "",
    )


def photo_of(instance: Instance) -> str:
    """The address of the profile's photo; empty where there is none that a page by https may load."""
    picture = instance.profile.get("profile_picture_url") if isinstance(instance.profile, dict) else None
    try:
        return picture if isinstance(picture, str) and urlsplit(picture).scheme == "https" else ""
    except ValueError:
        return ""


def initials(text: str) -> str:
    """The first letters of the first and the last word that have one; marks that turn text round are no letters."""
    letters = (
        next((sign for sign in word if unicodedata.category(sign)[0] in "LN"), "") for word in text[:200].split()
    )
    first, *others = [letter for letter in letters if letter] or [""]
    return "".join([first, *others[-1:]]).upper()


def connection(instance: Instance) -> SafeString:
    """The state, how old it is and who said so: "connected" is a claim that goes stale."""
    if instance.removed_at is not None:
        return stacked(display.framed("quiet", _("gone from VZaps")), display.ago(instance.removed_at))
    state = instance.connection_state
    asked_at = instance.connection_asked_at
    if asked_at is None:
        words: Any = _("never confirmed") if state == ConnectionState.STALE else _("not asked yet")
    elif not instance.connection_source:
        words = display.ago(asked_at)
    elif state == ConnectionState.STALE:
        source = display.label(ConnectionSource, instance.connection_source)
        words = format_html(_("last heard {ago} by {source}"), ago=display.ago(asked_at), source=source)
    elif instance.connection_source == ConnectionSource.API:
        words = format_html(_("confirmed {ago} by API"), ago=display.ago(asked_at))
    else:
        source = display.label(ConnectionSource, instance.connection_source)
        words = format_html(_("reported {ago} by {source}"), ago=display.ago(asked_at), source=source)
    if not instance.is_suspiciously_silent:
        return stacked(display.badge(ConnectionState, state), words)
    if state == ConnectionState.CONNECTED:
        badge = display.framed("warning", pgettext("connection", "doubtful"))
    else:  # stale, and doubted already
        badge = display.badge(ConnectionState, state)
    return stacked(stacked(badge, words), silence(instance))


def silence(instance: Instance) -> str:
    """For how long nothing was heard of it, and how long that usually is."""
    if instance.last_event_at is None or instance.usual_silence is None:
        return _("no event for a long time")
    now = timezone.now()
    return _("no event for %(time)s, usually at most %(usual)s") % {
        "time": timesince(instance.last_event_at, depth=1),
        "usual": timesince(now - instance.usual_silence, now, depth=1),
    }


def billing(instance: Instance) -> SafeString | str:
    """The state and what VZaps says comes next; it names no day of renewal, so none is shown."""
    subscription = display.subscription_of(instance)
    if subscription is None:
        return display.NOTHING
    state = display.badge(SubscriptionState, subscription.state)
    if subscription.state == SubscriptionState.UNKNOWN and subscription.billing_status:
        state = format_html("{} {}", state, display.from_outside(shortened(subscription.billing_status)))
    return stacked(state, _next(subscription))


def _next(subscription: Subscription) -> SafeString | str:
    ends = subscription.cancel_at or subscription.expired_at
    if ends is None:
        if subscription.refreshed_at is None:
            return _("not read yet")
        return format_html(_("read {ago}"), ago=display.ago(subscription.refreshed_at))
    if ends <= timezone.now():
        if subscription.state == SubscriptionState.CANCELED:
            return format_html(_("ended {ago}"), ago=display.ago(ends))
        # Over by the clock, and not by what VZaps last said.
        return format_html(_("was to end {ago}"), ago=display.ago(ends))
    ahead = display.time_of(ends, _("in %(time)s") % {"time": timeuntil(ends, depth=1)})
    if subscription.state == SubscriptionState.TRIALING:
        return format_html(_("trial ends {ahead}"), ahead=ahead)
    return format_html(_("ends {ahead}"), ahead=ahead)


def webhook(instance: Instance) -> SafeString:
    """Whether events reach this site, and what speaks for it."""
    found = display.webhook_of(instance)
    health = WebhookHealth.UNCHECKED if found is None else found.health
    state = display.badge(WebhookHealth, health)
    if found is None:
        return stacked(state)
    match health:
        case WebhookHealth.UNCHECKED:
            words: Any = _("set, not read back yet") if found.is_managed else ""
        case WebhookHealth.DRIFTED:
            words = display.drift(found) if found.actual_host_and_path else _("VZaps has none")
        case WebhookHealth.FAILING:
            words = format_html(_("last failure {ago}"), ago=display.ago(found.last_failure_at))
        case WebhookHealth.UNMANAGED:
            host = found.actual_host_and_path.partition("/")[0]
            words = format_html(_("set to {host}"), host=display.from_outside(shortened(host)))
        case _:
            words = format_html(_("checked {ago}"), ago=display.ago(found.checked_at))
    return stacked(state, words)


def backlog(waiting: Backlog | None) -> SafeString | str:
    """How many events wait to be handled, and since when."""
    if waiting is None:
        return format_html('<span class="vzaps-quiet">{}</span>', _("none"))
    count = number(waiting.waiting + waiting.is_capped, most=MOST_WAITING)
    words = ngettext("%(count)s waiting", "%(count)s waiting", waiting.waiting) % {"count": count}
    oldest: SafeString | str = ""
    if waiting.oldest is not None:
        oldest = format_html(_("oldest {ago}"), ago=display.ago(waiting.oldest))
    is_old = waiting.oldest is not None and timezone.now() - waiting.oldest > PATIENCE
    if waiting.is_capped or is_old:
        return stacked(display.framed("bad", _("behind: %(waiting)s") % {"waiting": words}), oldest)
    return stacked(words, oldest)


def owner(instance: Instance) -> SafeString | str:
    """Whose it is, as a way to all of theirs."""
    if instance.owner is None:
        return display.NOTHING
    who = urlencode({"owner": f"={instance.owner.get_username()}"})
    return format_html('<a href="?{}">{}</a>', who, display.from_outside(shortened(str(instance.owner))))


def below(words: Any) -> SafeString | str:
    """Less loud, on a line of its own."""
    return format_html('<span class="vzaps-below">{}</span>', words) if words else ""


def stacked(state: Any, words: Any = "") -> SafeString:
    """A state, and below it what else there is to say."""
    return format_html("{} {}", state, below(words))


def shortened(text: str) -> str:
    """As much of a text from outside as a cell can hold."""
    return Truncator(text).chars(LONGEST)
