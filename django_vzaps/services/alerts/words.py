"""What an alert says to a person, in the active language; its page in the admin."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.urls import NoReverseMatch, reverse
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_vzaps import conf
from django_vzaps.models import Alert, AlertKind, EventState, SubscriptionState
from django_vzaps.services.failures import FailureKind

#: Names come from VZaps, and may be as long as anything.
_NAME_LENGTH: Final = 60


def about(alert: Alert) -> str:
    """What it is about: the name of an instance or an account on one line; empty for the whole site."""
    if alert.instance is not None:
        return _one_line(alert.instance.name) or _one_line(alert.instance.vzaps_id)
    return _one_line(alert.account.name) if alert.account is not None else ""


def title(alert: Alert) -> str:
    """What is the case, on one line."""
    name = about(alert)
    match alert.kind:
        case AlertKind.DISCONNECTED:
            said = _("%(name)s is disconnected")
        case AlertKind.STALE:
            said = _("%(name)s: connection not confirmed")
        case AlertKind.WEBHOOK_DRIFT:
            said = _("%(name)s: webhook differs on VZaps")
        case AlertKind.EVENTS_FAILING:
            said = _("%(name)s: events are failing")
        case AlertKind.EVENTS_WAITING:
            said = _("Events are not being handled")
        case AlertKind.SUBSCRIPTION_ENDING:
            return _ending(alert, name)
        case AlertKind.SUBSCRIPTION_PAST_DUE:
            is_unpaid = _detail(alert, "state") == SubscriptionState.UNPAID
            said = _("%(name)s: subscription is unpaid") if is_unpaid else _("%(name)s: subscription is past due")
        case AlertKind.CREDENTIALS_REJECTED:
            is_missing = _detail(alert, "failure") == FailureKind.NOT_CONFIGURED
            said = (
                _("No usable credentials for account %(name)s")
                if is_missing
                else _("VZaps rejects the credentials of account %(name)s")
            )
        case AlertKind.ACCOUNT_UNREADABLE:
            said = _("VZaps cannot be read for account %(name)s")
        case _:  # written by a newer version
            return f"{name}: {alert.kind_label}" if name else alert.kind_label
    return said % {"name": name}


def meaning(alert: Alert) -> str:
    """What follows from it."""
    match alert.kind:
        case AlertKind.DISCONNECTED:
            return _("It neither sends nor receives messages.")
        case AlertKind.STALE:
            return _("VZaps called it connected, but that was not confirmed for a long time: it may not be any more.")
        case AlertKind.WEBHOOK_DRIFT:
            return _drift(alert)
        case AlertKind.EVENTS_FAILING:
            return _failing(alert)
        case AlertKind.EVENTS_WAITING:
            return _("What arrives is stored, but no handler is called: no worker runs, or it cannot keep up.")
        case AlertKind.SUBSCRIPTION_ENDING:
            return _("After that the number may stop working.")
        case AlertKind.SUBSCRIPTION_PAST_DUE:
            return _("VZaps waits for money. If it does not come, the number may stop working.")
        case AlertKind.CREDENTIALS_REJECTED:
            return _("No instance of the account can be read or changed. What is shown of them grows old.")
        case AlertKind.ACCOUNT_UNREADABLE:
            return _unreadable(alert)
        case _:
            return ""


def advice(alert: Alert) -> str:
    """What to do."""
    match alert.kind:
        case AlertKind.DISCONNECTED:
            return _("Restart it. If it stays disconnected, pair it again: scan the QR code with its phone.")
        case AlertKind.STALE:
            return _("Press “Check now” on its page. If many are told of, see whether the sync and Celery beat run.")
        case AlertKind.WEBHOOK_DRIFT:
            return _(
                "Compare the two on its webhook's page, and set the webhook again, or let another program have it."
            )
        case AlertKind.EVENTS_FAILING:
            if not _detail(alert, "failed_events"):
                return _("See in the delivery log why VZaps could not deliver, and take in what was lost: vzaps_heal.")
            return _("Look at the error on an event's page, correct the handler, and replay what failed.")
        case AlertKind.EVENTS_WAITING:
            return _(
                "See whether the Celery workers and the broker run; without Celery, whether cron runs vzaps_sweep. "
                "Nothing is lost meanwhile."
            )
        case AlertKind.SUBSCRIPTION_ENDING:
            return _("If the number is still needed, resume the subscription, or subscribe again after its end.")
        case AlertKind.SUBSCRIPTION_PAST_DUE:
            return _("See to the payment in VZaps' web app, then press “Check now”.")
        case AlertKind.CREDENTIALS_REJECTED:
            return _credentials(alert)
        case AlertKind.ACCOUNT_UNREADABLE:
            has_answered = _detail(alert, "failure") not in (FailureKind.TIMEOUT, FailureKind.UNREACHABLE)
            return (
                _("It is tried again by itself. If it lasts, ask VZaps.")
                if has_answered
                else _("See whether VZaps is reachable from this site. It is tried again by itself.")
            )
        case _:
            return ""


def outcome(alert: Alert) -> str:
    """Why it is over, where that is no good news or not plain; else empty."""
    account = alert.instance.account if alert.instance is not None else alert.account
    if alert.instance is not None and alert.instance.removed_at is not None:
        return _("The instance is gone from VZaps.")
    if account is not None and not account.is_active:
        return _("The account is not active any more.")
    ends_at = _ends_at(alert) if alert.kind == AlertKind.SUBSCRIPTION_ENDING else None
    if ends_at is None or alert.resolved_at is None:
        return ""
    return _("It has ended.") if ends_at <= alert.resolved_at else _("It does not end so soon any more.")


def link(alert: Alert) -> str:
    """The path of the page in the admin that helps; empty where there is none, or no admin."""
    match alert.kind:
        case AlertKind.EVENTS_WAITING:
            return _page("event_changelist", query={"state": EventState.PENDING.value})
        case AlertKind.EVENTS_FAILING if not _detail(alert, "failed_events"):
            return _page("instance_deliveries", alert.instance_id)
        case AlertKind.EVENTS_FAILING:
            query = {"instance__id__exact": alert.instance_id, "state": EventState.FAILED.value}
            return _page("event_changelist", query=query)
        case AlertKind.WEBHOOK_DRIFT:
            return _page("instance_webhook", alert.instance_id)
    if alert.instance_id is not None:
        return _page("instance_change", alert.instance_id)
    return _page("account_change", alert.account_id) if alert.account_id is not None else ""


def url(alert: Alert) -> str:
    """:func:`link` with the site before it; empty where settings do not say where the admin is."""
    current = conf.current()
    base, path = current.admin_base_url or current.webhook_base_url, link(alert)
    return f"{base}{path}" if base and path else ""


def moment(at: datetime) -> str:
    """A time in the site's time zone, with the zone's name."""
    local = timezone.localtime(at, timezone.get_default_timezone()) if timezone.is_aware(at) else at
    return f"{formats.date_format(local, 'DATETIME_FORMAT')} ({settings.TIME_ZONE})"


def _ending(alert: Alert, name: str) -> str:
    ends_at = _ends_at(alert)
    if ends_at is None:
        return _("%(name)s: subscription ends soon") % {"name": name}
    return _("%(name)s: subscription ends on %(when)s") % {"name": name, "when": moment(ends_at)}


def _ends_at(alert: Alert) -> datetime | None:
    try:
        return datetime.fromisoformat(str(_detail(alert, "ends_at")))
    except ValueError:
        return None


def _drift(alert: Alert) -> str:
    match _detail(alert, "differs"):
        case ["url"]:
            return _("VZaps sends its events to another URL: they do not arrive here.")
        case ["events"]:
            return _("VZaps sends other types of events than this site asked for.")
        case _:
            return _("VZaps has another URL and other types of events than this site set: events do not arrive here.")


def _failing(alert: Alert) -> str:
    said = []
    count = _detail(alert, "failed_events")
    if isinstance(count, int) and count:
        said.append(
            ngettext(
                "%(count)d event of the last 24 hours was given up: its handlers failed.",
                "%(count)d events of the last 24 hours were given up: their handlers failed.",
                count,
            )
            % {"count": count}
        )
    if _detail(alert, "undelivered"):
        said.append(_("VZaps says that it could not deliver events to this site."))
    return " ".join(said)


def _unreadable(alert: Alert) -> str:
    said = {
        FailureKind.TIMEOUT: _("VZaps does not answer in time."),
        FailureKind.UNREACHABLE: _("VZaps cannot be reached."),
        FailureKind.RATE_LIMITED: _("VZaps says that it is asked too often."),
        FailureKind.FAILED: _("VZaps answers with errors."),
    }.get(str(_detail(alert, "failure")), _("VZaps refuses to answer."))  # type: ignore[call-overload]
    follows = _("What is shown of the instances of the account grows old; no alert is raised for each of them.")
    return f"{said} {follows}"


def _credentials(alert: Alert) -> str:
    account = alert.account
    if account is not None and account.credentials_in_settings and account.name == conf.current().account_name:
        return _(
            "Correct CLIENT_TOKEN and CLIENT_SECRET in the settings, and restart web and workers. VZaps' web app shows "
            "both in the area “Security”."
        )
    return _("Enter the client token and the client secret that VZaps' web app shows in the area “Security”.")


def _detail(alert: Alert, name: str) -> Any:
    return alert.details.get(name) if isinstance(alert.details, dict) else None


def _page(name: str, pk: int | None = None, *, query: dict[str, Any] | None = None) -> str:
    try:
        path = reverse(f"admin:django_vzaps_{name}", args=[] if pk is None else [pk])
    except NoReverseMatch:
        return ""
    return f"{path}?{urlencode(query)}" if query else path


def _one_line(text: str) -> str:
    """Without line breaks and what is not seen, such as a change of direction."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    line = " ".join(line.split())
    return line if len(line) <= _NAME_LENGTH else f"{line[: _NAME_LENGTH - 1]}…"
