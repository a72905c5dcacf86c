"""A page takes a few queries, and as many for thirty rows as for three."""

from __future__ import annotations

import uuid
from typing import Any, Final

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from django_vzaps.models import Account, Alert, BatchItem, HandlerRun, Instance, InstanceChange, Subscription, Webhook
from django_vzaps.testing import FakeVZaps
from tests.api.conftest import ROOT, ClientWith
from tests.api.rows import batch, event, make, operation, scope_by_owner

#: What a page takes, by its address; a scope adds none.
LISTS: Final[dict[str, int]] = {
    "accounts/": 3,
    "instances/": 2,
    "instances/?search=n&connection=connected&subscription=active&webhook=ok&owner=operator&ordering=-last_event_at": 2,
    "instances/?presence=all&page_size=500": 2,
    "instances/{instance}/changes/": 2,
    "instances/{instance}/changes/?field=name&source=api": 2,
    "alerts/": 1,
    "alerts/?instance={instance}&open=true&kind=disconnected": 2,
    "events/": 1,
    "events/?instance={instance}&state=failed&type=Message": 2,
    "events/?search=3EB0": 1,
    "operations/": 1,
    "operations/?instance={instance}&is_settled=true": 2,
    "operations/?batch={batch}": 1,
    "batches/": 2,
    "batches/?state=open": 2,
    "batches/{batch}/items/": 2,
}
ROWS: Final[dict[str, int]] = {
    "instances/{instance}/": 1,
    "instances/{instance}/subscription/": 1,
    "instances/{instance}/session/": 1,
    "instances/{instance}/webhook/": 1,
    "alerts/{alert}/": 1,
    "events/{event}/": 2,
    "operations/{operation}/": 1,
    "batches/{batch}/": 2,
    "health/": 8,
    "health/?max_unsettled=1000&max_backlog_age=100000": 8,
}


def fill(count: int, owner: User) -> dict[str, Any]:
    """So many of everything; returns the names of the last of each."""
    names: dict[str, Any] = {}
    for _number in range(count):
        mark = uuid.uuid4().hex[:8]
        account = Account.objects.create(name=f"account {mark}", client_token="x", client_secret="y")
        row = make(
            account, f"n {mark}", vzaps_id=f"VZ{mark}", owner=owner, connected=True, connection_asked_at=timezone.now()
        )
        Subscription.objects.create(instance=row, state="active")
        fine = {"desired_events": ["All"], "actual_events": ["All"], "checked_at": timezone.now()}
        Webhook.objects.create(instance=row, **fine)
        told = Alert.objects.create(kind="disconnected", instance=row)
        Alert.objects.create(kind="credentials_rejected", account=account)
        InstanceChange.objects.create(instance=row, field="name", old="a", new="b", source="api")
        happened = event(row, state="failed", message_id="3EB0")
        HandlerRun.objects.create(event=happened, handler="shop.keep", state="failed")
        HandlerRun.objects.create(event=happened, handler="shop.count", state="done")
        first = batch(row, actor=owner)
        done = operation(row, actor=owner, settled_by=owner, batch=first)
        BatchItem.objects.update(operation=done)
        names = {"instance": row.vzaps_id, "alert": told.pk, "event": happened.pk, "operation": done.pk}
    made = batch(*Instance.objects.all(), state="waiting", actor=owner, retry_of=first)
    return names | {"batch": made.public_id}


def queries(client: APIClient, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(ROOT + path).status_code == 200, path
    return len(captured)


@pytest.mark.parametrize("is_scoped", [False, True])
def test_as_many_queries_for_thirty_rows_as_for_three(
    is_scoped: bool, account: Account, operator: User, api: APIClient, settings: Any, fake_vzaps: FakeVZaps
) -> None:
    if is_scoped:
        scope_by_owner(settings)
    for count in (3, 27):
        names = fill(count, operator)
        for path, most in (LISTS | ROWS).items():
            assert queries(api, path.format(**names)) == most, (path, count)
    assert fake_vzaps.calls == []


def test_permissions_that_are_looked_up_add_two(operator: User, api_with: ClientWith, account: Account) -> None:
    fill(2, operator)
    assert queries(api_with("view_instance"), "instances/") == LISTS["instances/"] + 2


def test_no_list_reads_a_payload(operator: User, api: APIClient, account: Account) -> None:
    names = fill(1, operator)
    with CaptureQueriesContext(connection) as captured:
        for path in ("events/", "instances/", "operations/", f"batches/{names['batch']}/items/"):
            assert api.get(ROOT + path).json()["results"] != []
    assert not any('"payload"' in query["sql"] or '_instance"."data"' in query["sql"] for query in captured)
