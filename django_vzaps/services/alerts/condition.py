"""What a reason for alerts looks like: which rows have it, since when, and which alerts outlived it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final

from django.db.models import Exists, OuterRef, QuerySet

from django_vzaps.models import Alert, AlertKind

#: Alerts that are raised or resolved in one transaction.
BATCH: Final = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is known of the reason for one alert."""

    since: datetime | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    stage: int | None = None


class Condition(ABC):
    """Whether there is a reason for one kind of alert."""

    kind: ClassVar[AlertKind]
    #: The kind that takes its place while the trouble goes on: its end is no good news then.
    replaced_by: ClassVar[AlertKind | None] = None

    @abstractmethod
    def begun(self, now: datetime) -> list[Alert]:
        """Alerts that are to be raised, not saved: at most :data:`BATCH`."""

    @abstractmethod
    def ended(self, now: datetime) -> QuerySet[Alert]:
        """The open ones whose reason is gone."""


class About(Condition):
    """One alert for each row of a model."""

    subject: ClassVar[str]

    @abstractmethod
    def raising(self, now: datetime) -> Sequence[QuerySet[Any]]:
        """The rows that are worth an alert: those of any of these, each of which is found by an index."""

    def lasting(self, now: datetime) -> Sequence[QuerySet[Any]]:
        """The rows of which an alert is not over."""
        return self.raising(now)

    def facts(self, rows: Mapping[int, Any], now: datetime) -> Mapping[int, Facts]:
        """By the row's key, what is known of each."""
        return {}

    def begun(self, now: datetime) -> list[Alert]:
        known = Alert.objects.open().filter(kind=self.kind, **{self.subject: OuterRef("pk")})
        found: dict[int, Any] = {}
        for rows in self.raising(now):
            found |= {row.pk: row for row in rows.filter(~Exists(known))[:BATCH]}
        # In order: two processes that insert the same ones then wait for each other in one direction only.
        chosen = {pk: found[pk] for pk in sorted(found)[:BATCH]}
        facts = self.facts(chosen, now) if chosen else {}
        return [self._alert(row, facts.get(pk, Facts()), now) for pk, row in chosen.items()]

    def ended(self, now: datetime) -> QuerySet[Alert]:
        alerts = Alert.objects.open().filter(kind=self.kind).order_by()
        for rows in self.lasting(now):
            alerts = alerts.filter(~Exists(rows.filter(pk=OuterRef(self.subject))))
        return alerts

    def _alert(self, row: Any, facts: Facts, now: datetime) -> Alert:
        return Alert(
            kind=self.kind,
            open_key=f"{self.kind.value}:{row.pk}",
            since=facts.since,
            details=dict(facts.details),
            stage=facts.stage,
            raised_at=now,
            **{self.subject: row},
        )
