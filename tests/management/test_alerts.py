from __future__ import annotations

import json
from typing import Any

import pytest

from django_vzaps.models import Alert, Instance
from django_vzaps.services.alerts import conditions
from tests.management.conftest import Run
from tests.services.alerting import ago, disconnected, failing


def test_it_checks_and_lists_what_is_open_with_a_link(run: Run) -> None:
    instance = disconnected("Front desk", connection_changed_at=ago(hours=2))
    said = run("vzaps_alerts")
    assert "disconnected  Front desk is disconnected  since " in said.out
    assert f"  https://hooks.example.test/admin/django_vzaps/instance/{instance.pk}/change/\n" in said.out
    assert said.failure == ""
    Instance.objects.update(connected=True)
    assert run("vzaps_alerts").out == "No alert is open.\n"


def test_it_can_only_list(run: Run) -> None:
    disconnected()
    assert run("vzaps_alerts", "--no-check").out == "No alert is open.\n"
    assert not Alert.objects.exists()


def test_a_probe_fails_where_alerts_are_open(run: Run) -> None:
    assert run("vzaps_alerts", "--fail").failure == ""
    disconnected()
    assert run("vzaps_alerts", "--fail").failure == "1 alert is open."
    disconnected("Back office")
    said = run("vzaps_alerts", "--fail", "--json")
    assert said.failure == "2 alerts are open."
    assert len(json.loads(said.out)) == 2


def test_another_program_can_read_it(run: Run) -> None:
    instance = disconnected("Front\ndesk", connection_changed_at=ago(hours=2))
    account = failing("credentials", seconds=1)
    rows = json.loads(run("vzaps_alerts", "--json").out)
    assert [(row["kind"], row["instance"], row["account"]) for row in rows] == [
        ("credentials_rejected", None, account.name),
        ("disconnected", instance.vzaps_id, None),
    ]
    assert rows[1].keys() == {"id", "kind", "title", "instance", "account", "since", "raised_at", "url"}
    assert rows[1]["title"] == "Front desk is disconnected"
    assert instance.connection_changed_at is not None
    assert rows[1]["since"] == instance.connection_changed_at.isoformat()
    Alert.objects.all().delete()
    assert json.loads(run("vzaps_alerts", "--json", "--no-check").out) == []


def test_it_fails_where_something_could_not_be_looked_at(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> Any:
        raise RuntimeError

    monkeypatch.setattr(conditions.Stale, "lasting", fail)
    disconnected()
    said = run("vzaps_alerts")
    assert "Front desk is disconnected" in said.out
    assert said.failure == "Could not be looked at: stale. The log says why."
