"""What Prometheus reads, and who may."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from math import inf
from typing import Any, Final

import pytest
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from django_vzaps import __version__
from django_vzaps.models import Account, Alert, Subscription, Webhook
from tests.api.rows import event, make, operation, unsettled_charge
from tests.known import account

__all__ = ["account"]

URL: Final = "/vzaps/metrics/"
TOKEN: Final = "planted-token-of-the-scraper"

Scrape = Callable[..., Any]


@pytest.fixture
def scrape(db: None, settings: Any) -> Scrape:
    """Ask as a scraper that has the token, or with these headers."""
    settings.VZAPS = {**settings.VZAPS, "METRICS_TOKEN": TOKEN}

    def scrape(method: str = "get", **headers: str) -> Any:
        given = {"Authorization": f"Bearer {TOKEN}"} | headers
        return getattr(Client(enforce_csrf_checks=True), method)(URL, headers=given)

    return scrape


def samples(answer: Any) -> list[Sample]:
    assert answer.status_code == 200
    families = list(text_string_to_metric_families(answer.content.decode()))
    assert all(family.documentation for family in families)
    return [sample for family in families for sample in family.samples]


def values(answer: Any) -> dict[str, float]:
    """The samples that are not 0, as they are written."""
    return {
        sample.name + "".join(f"[{value}]" for value in sample.labels.values()): sample.value
        for sample in samples(answer)
        if sample.value
    }


def test_each_value_is_what_the_database_says(scrape: Scrape, account: Account) -> None:
    now = timezone.now()
    up = make(account, "up", connected=True, connection_asked_at=now)
    down = make(account, "down", connected=False, phone="5511")
    make(account, "stale", connected=True)
    make(account, "gone", connected=False, phone="5511", removed_at=now)
    Subscription.objects.create(instance=up, state="trialing")
    Subscription.objects.create(instance=down, state="unpaid")
    Webhook.objects.create(instance=up, desired_events=["All"], desired_host_and_path="x/y", checked_at=now)
    event(up, state="pending", received_at=now - timedelta(seconds=500), retry_at=now)
    event(up, state="pending", received_at=now - timedelta(seconds=90))
    event(up, state="failed")
    event(up, state="done")
    unsettled_charge(up)
    operation(up)
    Alert.objects.create(kind="disconnected", instance=down, open_key="disconnected:1")
    Alert.objects.create(kind="stale", instance=up, resolved_at=now)
    Account.objects.filter(pk=account.pk).update(synced_at=now - timedelta(seconds=600), sync_error="No answer.")
    Account.objects.create(name="new")
    Account.objects.create(name="asleep", is_active=False)

    found = values(scrape())

    ages = {name: found.pop(name) for name in list(found) if "age_seconds" in name}
    assert found == {
        f"vzaps_build_info[{__version__}]": 1,
        "vzaps_instances[connected]": 1,
        "vzaps_instances[disconnected]": 1,
        "vzaps_instances[stale]": 1,
        "vzaps_subscriptions[trialing]": 1,
        "vzaps_subscriptions[unpaid]": 1,
        "vzaps_webhooks[drifted]": 1,
        "vzaps_events_waiting": 2,
        "vzaps_events_failed": 1,
        "vzaps_operations_unsettled": 1,
        "vzaps_alerts_open[disconnected]": 1,
        "vzaps_account_sync_failed[default]": 1,
    }
    assert ages == {
        "vzaps_oldest_waiting_event_age_seconds": pytest.approx(500, abs=30),
        "vzaps_oldest_untried_event_age_seconds": pytest.approx(90, abs=30),
        "vzaps_account_sync_age_seconds[default]": pytest.approx(600, abs=30),
        "vzaps_account_sync_age_seconds[new]": inf,
    }


def test_a_state_that_nothing_is_in_has_a_series_too(scrape: Scrape) -> None:
    found = [(sample.name, *sample.labels.values()) for sample in samples(scrape())]
    assert ("vzaps_instances", "disconnected") in found
    assert ("vzaps_webhooks", "failing") in found
    assert ("vzaps_subscriptions", "past_due") in found
    assert ("vzaps_oldest_waiting_event_age_seconds",) in found


def test_what_is_shown_is_bounded_and_holds_nothing_of_vzaps(scrape: Scrape, account: Account) -> None:
    names = [sample.name for sample in samples(scrape())]
    found = make(account, "planted", phone="5511999", status="planted", labels=["planted"], connected=False)
    Subscription.objects.create(instance=found, billing_status="planted")
    event(found, type="planted", state="failed", payload="planted")
    operation(found, kind="planted", outcome="unknown", error="planted")
    Account.objects.filter(pk=account.pk).update(sync_error="planted")
    Account.objects.bulk_create([Account(name=f"shop {number:03}") for number in range(150)])

    answer = scrape()

    assert "planted" not in answer.content.decode()
    assert "5511999" not in answer.content.decode()
    shown = samples(answer)
    assert {sample.name for sample in shown} == set(names)
    assert all(re.fullmatch(r"vzaps_[a-z_]+[a-z]", name) for name in names)
    assert {label for sample in shown for label in sample.labels} == {"account", "health", "kind", "state", "version"}
    accounts = [sample.labels["account"] for sample in shown if sample.name == "vzaps_account_sync_age_seconds"]
    assert accounts == ["default", *(f"shop {number:03}" for number in range(99))]


def test_as_many_queries_for_many_rows_as_for_few(scrape: Scrape, account: Account) -> None:
    counts = []
    for number in range(2):
        for name in range(3):
            found = make(account, f"{number}-{name}", connected=True)
            event(found, state="pending")
            Account.objects.create(name=f"{number}-{name}")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            scrape()
        counts.append(len(queries))
    assert counts == [8, 8]


def test_whatever_the_scope_the_site_is_shown_as_a_whole(scrape: Scrape, account: Account, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "INSTANCE_SCOPE": "tests.api.rows.theirs"}
    make(account, "theirs", connected=True)
    Account.objects.create(name="without instances")

    found = values(scrape())

    assert found["vzaps_instances[stale]"] == 1
    assert found["vzaps_account_sync_age_seconds[without instances]"] == inf


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer x{TOKEN}", f"Token {TOKEN}", TOKEN, "Bearer plantéd"],
)
def test_without_the_token_nothing_is_read(
    scrape: Scrape, header: str, django_assert_num_queries: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with django_assert_num_queries(0):
        answer = scrape(Authorization=header)
    assert (answer.status_code, answer["WWW-Authenticate"], answer["Cache-Control"]) == (401, "Bearer", "no-store")
    assert "vzaps_" not in answer.content.decode()
    assert "planted" not in answer.content.decode() + caplog.text


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER  {TOKEN} "])
def test_the_scheme_may_be_written_in_any_case(scrape: Scrape, header: str) -> None:
    assert scrape(Authorization=header).status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer x"])
def test_where_no_token_is_set_there_is_nothing(scrape: Scrape, header: str, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "METRICS_TOKEN": ""}
    answer = scrape(Authorization=header)
    assert (answer.status_code, answer["Cache-Control"]) == (404, "no-store")


def test_it_is_plain_text_that_nobody_keeps_unless_openmetrics_is_asked_for(scrape: Scrape, account: Account) -> None:
    plain = scrape()
    assert plain["Content-Type"].startswith("text/plain; version=0.0.4")
    assert plain["Cache-Control"] == "no-store"
    accepted = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    other = scrape(Accept=accepted)
    assert other["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    families = list(openmetrics.text_string_to_metric_families(other.content.decode()))  # type: ignore[no-untyped-call]
    names = {sample.name for family in families for sample in family.samples}
    assert names == {sample.name for sample in samples(plain)}
    assert TOKEN not in plain.content.decode() + other.content.decode()


def test_it_can_be_looked_at_and_nothing_else(scrape: Scrape, settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert scrape().status_code == 200
    head = scrape("head")
    assert (head.status_code, head.content, head["Cache-Control"]) == (200, b"", "no-store")
    assert int(head["Content-Length"]) == len(scrape().content)
    for method in ("post", "put", "patch", "delete", "options"):
        answer = scrape(method)
        assert answer.status_code in (403, 405), method  # of POST and its like, a stranger to CSRF is told first
        assert "vzaps_" not in answer.content.decode()


@pytest.mark.parametrize("error", [OperationalError, InterfaceError, DatabaseError])
def test_a_database_that_cannot_be_read_makes_the_scrape_fail(
    scrape: Scrape, error: type[Exception], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    def refuse(*args: object) -> None:
        raise error("no password for planted")

    with connection.execute_wrapper(refuse):
        answer = scrape()

    assert (answer.status_code, answer.content) == (503, b"The database cannot be read.\n")
    assert error.__name__ in caplog.text
    assert "planted" not in caplog.text


def test_without_the_library_the_site_works_and_who_has_the_token_is_told(
    scrape: Scrape, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "prometheus_client"]:
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("django_vzaps.metrics.collector", "django_vzaps.metrics.views", "django_vzaps.urls"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert import_module("django_vzaps.urls").urlpatterns

    caplog.set_level(logging.CRITICAL)
    answer = scrape()

    assert answer.status_code == 501
    assert 'pip install "django-vzaps[metrics]"' in answer.content.decode()
    assert scrape(Authorization="Bearer x").status_code == 401
