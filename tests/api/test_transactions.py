"""What is sent is recorded before, and stays recorded: also where the project wraps each request in a transaction."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connections
from rest_framework.test import APIClient

from django_vzaps.models import Account, Instance, Operation, OperationKind, OperationOutcome
from django_vzaps.testing import FakeVZaps
from tests.api.conftest import ROOT, problem
from tests.api.test_every_route import found_patterns


def test_no_view_is_wrapped_in_a_transaction() -> None:
    for pattern in found_patterns():
        assert pattern.callback._non_atomic_requests == {"default"}, pattern.name


@pytest.fixture
def _atomic_requests(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)


@pytest.mark.usefixtures("_atomic_requests")
def test_everything_works_under_atomic_requests(api: APIClient, instance: Instance, fake_vzaps: FakeVZaps) -> None:
    root = f"{ROOT}instances/{instance.vzaps_id}/"

    def ask(path: str, body: Any = None, *, method: str = "POST") -> Any:
        response = api.generic(method, path, json.dumps(body) if body else "", "application/json")
        assert response.status_code in (200, 201, 202), (path, response.content)
        return response.json()

    ask(f"{ROOT}instances/", {"name": "Another"})
    ask(root, {"name": "Renamed", "owner": "operator"}, method="PATCH")
    for path in ("webhook/apply/", "webhook/check/", "webhook/rotate-secret/", "sync/", "restart/"):
        ask(root + path)
    for path in ("subscribe/", "cancel-subscription/", "resume-subscription/", "subscription/refresh/"):
        ask(root + path)
    ask(f"{root}session/qr/")
    ask(f"{root}session/pair-code/", {"phone": "5511999990000", "take_over": True})
    fake_vzaps.scan(instance.vzaps_id)
    ask(f"{root}session/status/")
    fake_vzaps.receive(instance.vzaps_id)
    ask(f"{root}messages/", {"phone": "5511999990000", "message": "x"})
    ask(f"{root}deliveries/{fake_vzaps.logs(instance.vzaps_id)[0].id}/retry/")
    ask(f"{ROOT}batches/", {"kind": "restart", "instances": [instance.vzaps_id]})
    ask(f"{ROOT}accounts/{instance.account_id}/sync/")
    ask(f"{ROOT}events/{instance.events.latest('pk').pk}/replay/", {"what": "again"})
    ask(f"{root}session/disconnect/")
    ask(f"{root}?despite_subscription=true", method="DELETE")
    outcomes = dict(Operation.objects.values_list("kind", "outcome"))
    assert set(outcomes) == set(OperationKind.values) - {OperationKind.REVEAL_TOKEN}
    assert set(outcomes.values()) == {OperationOutcome.SUCCEEDED}
    last = Operation.objects.latest("pk")
    Operation.objects.filter(pk=last.pk).update(outcome=OperationOutcome.UNKNOWN)
    assert ask(f"{ROOT}operations/{last.pk}/settle/")["outcome"] == "succeeded"
    Operation.objects.filter(pk=last.pk).update(outcome=OperationOutcome.UNKNOWN)
    ask(f"{ROOT}operations/{last.pk}/decide/", {"carried_out": True, "phase": "unknown"})


@pytest.mark.usefixtures("_atomic_requests")
def test_what_failed_stays_recorded(api: APIClient, instance: Instance, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("restart", status=400)
    problem(api.post(f"{ROOT}instances/{instance.vzaps_id}/restart/"), "vzaps-refused")
    assert Operation.objects.get().outcome == OperationOutcome.FAILED
    assert Account.objects.exists()
