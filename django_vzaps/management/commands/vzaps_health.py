from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import Error as DatabaseProblem
from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_vzaps.models import AlertKind, ConnectionState, SubscriptionState, WebhookHealth
from django_vzaps.services import health

#: Seconds. An event is offered to its handlers at once, and accounts are synced every five minutes: three were missed.
DEFAULT_LIMITS: Final = {"max_untried_age": 600, "max_sync_age": 900}


class _Limit(NamedTuple):
    option: str | Promise
    passed: str | Promise
    advice: str | Promise


_LIMITS: Final = {
    "max_untried_age": _Limit(
        option=gettext_lazy("Seconds that an event may wait which no handler was offered yet."),
        passed=gettext_lazy("An event that no handler was offered yet waits for %(value)s s (limit: %(limit)s)."),
        advice=gettext_lazy(
            "Nobody handles events. See that Celery's worker and beat run; without Celery, that cron runs manage.py "
            "vzaps_sweep."
        ),
    ),
    "max_backlog_age": _Limit(
        option=gettext_lazy("Seconds that an event may wait to be handled, its next attempts included."),
        passed=gettext_lazy("An event waits to be handled for %(value)s s (limit: %(limit)s)."),
        advice=gettext_lazy(
            "See that Celery's worker runs, and on the event's page in the admin whether a handler fails."
        ),
    ),
    "max_sync_age": _Limit(
        option=gettext_lazy("Seconds since the last complete sync of each active account."),
        passed=gettext_lazy("The last complete sync of an account was %(value)s s ago (limit: %(limit)s)."),
        advice=gettext_lazy(
            "See that Celery's worker and beat run. manage.py vzaps_sync syncs now, and says what is wrong."
        ),
    ),
    "max_disconnected": _Limit(
        option=gettext_lazy("Instances that may be disconnected or stale."),
        passed=gettext_lazy("Instances that are disconnected or stale: %(value)s (limit: %(limit)s)."),
        advice=gettext_lazy("Pair again those that are disconnected; manage.py vzaps_sync refreshes the others."),
    ),
    "max_failed_events": _Limit(
        option=gettext_lazy("Events that may have failed."),
        passed=gettext_lazy("Events that failed: %(value)s (limit: %(limit)s)."),
        advice=gettext_lazy(
            "Their pages in the admin say why. Correct that, then run manage.py vzaps_replay --state failed."
        ),
    ),
    "max_open_alerts": _Limit(
        option=gettext_lazy("Alerts that may be open."),
        passed=gettext_lazy("Open alerts: %(value)s (limit: %(limit)s)."),
        advice=gettext_lazy("manage.py vzaps_alerts lists them, and where each is put right."),
    ),
    "max_unsettled": _Limit(
        option=gettext_lazy("Operations whose end may not be known."),
        passed=gettext_lazy("Operations whose end is not known: %(value)s (limit: %(limit)s)."),
        advice=gettext_lazy("Run manage.py vzaps_settle: it finds out what can be read, and names what cannot."),
    ),
}


class Command(BaseCommand):
    """Exit code 1 where a limit is passed, 2 where the database cannot be read. Only the database is asked."""

    # What else is to be said about the project is not for a probe, which comes every minute.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(
            "Say how it goes as a whole, and fail where a limit is passed. Without any limit: %(limits)s."
        ) % {"limits": " ".join(f"--{_dashed(name)} {value}" for name, value in DEFAULT_LIMITS.items())}
        for name, limit in _LIMITS.items():
            parser.add_argument(f"--{_dashed(name)}", metavar="N", type=int, help=str(limit.option))
        parser.add_argument("--json", action="store_true", help=_("Print it as JSON, as the REST API answers it."))

    def handle(self, **options: Any) -> None:
        try:
            found = health.summary(None)
        except (DatabaseProblem, ImproperlyConfigured) as error:
            what = _("The database cannot be used: %(why)s") % {"why": str(error).strip()}
            advice = _("Run manage.py migrate, or correct DATABASES in the settings.")
            raise CommandError(f"{what}\n{advice}", returncode=2) from error
        limits = {name: options[name] for name in _LIMITS if options[name] is not None} or _default_limits(found)
        failing = health.failing(found, limits)
        if options["json"]:
            status = {"status": "failing" if failing else "ok", "failing": list(failing)}
            self.stdout.write(json.dumps(status | found, cls=DjangoJSONEncoder))
        else:
            self._tell(found)
            for name, value in failing.items():
                self._tell_failing(name, value, limits[name])
        if failing:
            raise CommandError(
                ngettext("%(count)s limit is passed.", "%(count)s limits are passed.", len(failing))
                % {"count": len(failing)}
            )

    def _tell(self, found: Mapping[str, Any]) -> None:
        for line, states, counts in (
            (_("Instances: %(counts)s."), ConnectionState, found["connections"]),
            (_("Webhooks: %(counts)s."), WebhookHealth, found["webhooks"]),
            (_("Subscriptions: %(counts)s."), SubscriptionState, found["subscriptions"]),
            (_("Open alerts: %(counts)s."), AlertKind, found["open_alerts"]),
        ):
            self.stdout.write(line % {"counts": _in_words(counts, states)})
        self.stdout.write(
            _("Events: %(waiting)s waiting, %(failed)s failed.")
            % {"waiting": found["backlog"]["waiting"], "failed": found["failed_events"]}
        )
        self.stdout.write(_("Operations whose end is not known: %(count)s.") % {"count": found["unsettled_operations"]})
        for sync in found["syncs"]:
            line = (
                _("%(account)s: never synced completely.")
                if sync["age"] is None
                else _("%(account)s: synced %(age)s s ago.")
            )
            self.stdout.write(line % {"account": sync["account"], "age": round(sync["age"] or 0)})
            if sync["error"]:
                self.stdout.write(f"  {sync['error']}")

    def _tell_failing(self, name: str, value: float, limit: int) -> None:
        if value == float("inf"):
            meaning = _("An account was never synced completely, or there is none.")
        else:
            meaning = str(_LIMITS[name].passed) % {"value": round(value), "limit": limit}
        self.stdout.write(self.style.ERROR(meaning))
        self.stdout.write(f"  {_LIMITS[name].advice}")


def _default_limits(found: Mapping[str, Any]) -> dict[str, int]:
    """Without an active account nothing is synced, and nothing is wrong with that."""
    return {name: limit for name, limit in DEFAULT_LIMITS.items() if name != "max_sync_age" or found["syncs"]}


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _in_words(counts: Mapping[str, int], states: type[TextChoices]) -> str:
    known = [
        _("%(count)s %(state)s") % {"count": counts[state.value], "state": state.label}
        for state in states
        if counts[state.value]
    ]
    return ", ".join(known) or "0"
