"""The metrics. Their names, labels and meanings are a public interface: dashboards and alerts hang on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from django_vzaps import __version__
from django_vzaps.services import health

#: Accounts that have series of their own: the first ones by name.
ACCOUNTS: Final = 100


class SiteCollector(Collector):
    """Read from the database when they are asked for, and so the same in every process.

    No label names an instance, or holds a text of VZaps. Raises what the database raises.
    """

    def collect(self) -> Iterator[Metric]:
        """Each metric with its values of now."""
        found = health.summary(None)
        backlog = found["backlog"]
        yield InfoMetricFamily("vzaps_build", "Version of django_vzaps.", {"version": __version__})
        yield _by("state", "vzaps_instances", "Instances, by state of their connection.", found["connections"])
        yield _by("health", "vzaps_webhooks", "Webhooks, by whether events reach this site.", found["webhooks"])
        yield _by("state", "vzaps_subscriptions", "Subscriptions, by state.", found["subscriptions"])
        yield _one(
            "vzaps_events_waiting",
            f"Events that wait to be handled, counted up to {health.COUNTED}.",
            backlog["waiting"],
        )
        yield _one(
            "vzaps_oldest_waiting_event_age_seconds",
            "Age of the oldest event that waits to be handled, also for a next attempt; 0 where none waits.",
            backlog["age"] or 0,
        )
        yield _one(
            "vzaps_oldest_untried_event_age_seconds",
            "Age of the oldest event that waits to be handled for the first time; 0 where none waits.",
            backlog["untried_age"] or 0,
        )
        yield _one(
            "vzaps_events_failed", f"Events that failed, counted up to {health.COUNTED}.", found["failed_events"]
        )
        yield _one(
            "vzaps_operations_unsettled",
            f"Operations whose end is not known, counted up to {health.COUNTED}.",
            found["unsettled_operations"],
        )
        yield _by("kind", "vzaps_alerts_open", "Alerts whose reason still holds, by kind.", found["open_alerts"])
        syncs = found["syncs"][:ACCOUNTS]
        first = f"for the first {ACCOUNTS} active accounts by name."
        yield _by(
            "account",
            "vzaps_account_sync_age_seconds",
            f"Time since the last complete sync, +Inf where there was none; {first}",
            {sync["account"]: float("inf") if sync["age"] is None else sync["age"] for sync in syncs},
        )
        yield _by(
            "account",
            "vzaps_account_sync_failed",
            f"Whether the last sync failed, or had doubts and removed nothing (1), or neither (0); {first}",
            {sync["account"]: sync["error"] is not None for sync in syncs},
        )


def _one(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)


def _by(label: str, name: str, meaning: str, values: Mapping[str, float]) -> Metric:
    metric = GaugeMetricFamily(name, meaning, labels=[label])
    for of, value in values.items():
        metric.add_metric([of], value)
    return metric
