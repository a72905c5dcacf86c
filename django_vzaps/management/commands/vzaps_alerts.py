from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_vzaps.models import Alert
from django_vzaps.services import alerts
from django_vzaps.services.alerts.words import moment


class Command(BaseCommand):
    """What Celery beat has done every minute. Exit code 1 where something could not be looked at."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(
            "Looks for what a person should know of, mails what is new, and lists the open alerts. Run it every minute "
            "where Celery beat does not."
        )
        parser.add_argument("--no-check", action="store_true", help=_("Only list what is open."))
        parser.add_argument("--fail", action="store_true", help=_("Exit with 1 where alerts are open, for a probe."))
        parser.add_argument("--json", action="store_true", help=_("List as JSON, for another program."))

    def handle(self, *, no_check: bool, fail: bool, json: bool, **_options: Any) -> None:
        report = None if no_check else alerts.check()
        rows = Alert.objects.open().select_related("instance", "account").order_by("pk")
        count = self._as_json(rows) if json else self._as_text(rows)
        if report is not None and report.failed:
            raise CommandError(
                _("Could not be looked at: %(what)s. The log says why.") % {"what": ", ".join(report.failed)}
            )
        if fail and count:
            raise CommandError(
                ngettext("%(count)d alert is open.", "%(count)d alerts are open.", count) % {"count": count}
            )

    def _as_text(self, rows: QuerySet[Alert]) -> int:
        count = 0
        for count, alert in enumerate(_each(rows), start=1):  # noqa: B007 - how many there are
            self.stdout.write(f"{alert.kind}  {alerts.title(alert)}  {_since(alert)}".rstrip())
            if where := alerts.url(alert) or alerts.link(alert):
                self.stdout.write(f"  {where}")
        if not count:
            self.stdout.write(_("No alert is open."))
        return count

    def _as_json(self, rows: QuerySet[Alert]) -> int:
        found = [
            {
                "id": alert.pk,
                "kind": alert.kind,
                "title": alerts.title(alert),
                "instance": None if alert.instance is None else alert.instance.vzaps_id,
                "account": None if alert.account is None else alert.account.name,
                "since": None if alert.since is None else alert.since.isoformat(),
                "raised_at": alert.raised_at.isoformat(),
                "url": alerts.url(alert) or alerts.link(alert),
            }
            for alert in _each(rows)
        ]
        self.stdout.write(json.dumps(found, indent=2))
        return len(found)


def _each(rows: QuerySet[Alert]) -> Iterator[Alert]:
    return rows.iterator(chunk_size=500)


def _since(alert: Alert) -> str:
    return "" if alert.since is None else _("since %(when)s") % {"when": moment(alert.since)}
