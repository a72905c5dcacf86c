from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_vzaps.models import (
    Account,
    ConnectionState,
    Subscription,
    SubscriptionState,
    WebhookHealth,
)
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import StaffWith
from tests.admin.rows import event, hook, make, shown


def queries(client: Client, **query: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        shown(client, **query)
    return len(captured)


QUERIES = [
    {},
    *({"connection": value} for value in ConnectionState.values),
    *({"billing": value} for value in ("trial_ending", "overdue", *SubscriptionState.values)),
    *({"webhook": value} for value in WebhookHealth.values),
    {"failed": "yes"},
    {"presence": "all"},
    {"presence": "gone"},
    {"owner": ":me"},
    {"owner": "=operator"},
    {"owner": "o"},
    {"account__id__exact": "1"},
    {"q": "more"},
    {"q": "*ore 1"},
    {"o": "-5"},
    {"connection": "stale", "billing": "overdue", "webhook": "ok", "failed": "yes", "q": "55 x"},
]


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_few_queries_also_within_a_scope(
    query: dict[str, str], account: Account, operator: User, browser: Client, settings: Any
) -> None:
    settings.VZAPS = {**settings.VZAPS, "INSTANCE_SCOPE": "tests.admin.rows.theirs"}
    fill(account, operator, 3)
    Account.objects.create(name="another")
    assert queries(browser, **query) <= 8


def fill(account: Account, owner: User, count: int) -> None:
    for number in range(count):
        instance = make(account, f"more {number}", connected=True, owner=owner, phone=f"55{number}")
        Subscription.objects.create(instance=instance, state=SubscriptionState.UNPAID)
        hook(instance)
        event(instance, "failed")
        event(instance, "pending")


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_as_many_queries_for_many_rows_as_for_few(
    query: dict[str, str], account: Account, operator: User, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    fill(account, operator, 2)
    few = queries(browser, **query)
    Account.objects.create(name="another")
    for number in range(20):
        User.objects.create_user(f"o{number}")
    fill(Account.objects.create(name="third"), operator, 0)
    fill_more(account)
    assert queries(browser, **query) <= few <= 8
    assert fake_vzaps.calls == []


def fill_more(account: Account) -> None:
    for number, user in enumerate(User.objects.all()):
        instance = make(account, f"more still {number}", connected=True, owner=user)
        Subscription.objects.create(instance=instance, state=SubscriptionState.UNPAID)
        hook(instance)
        event(instance, "failed")
        event(instance, "pending")


def test_few_queries_also_for_whom_permissions_are_looked_up(account: Account, staff_with: StaffWith) -> None:
    client = staff_with("view_instance", "change_instance")
    fill(account, User.objects.get(), 3)
    Account.objects.create(name="another")
    assert queries(client, connection="stale", owner="=staff0") <= 8


@pytest.mark.postgres
@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_no_page_reads_a_table_from_end_to_end(
    query: dict[str, str], account: Account, operator: User, browser: Client
) -> None:
    """As the planner would have it for tables too large to be read whole."""
    fill(account, operator, 5)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        with CaptureQueriesContext(connection) as captured:
            shown(browser, **query)
        ours = [each["sql"] for each in captured if "django_vzaps_instance" in each["sql"]]
        assert len(ours) >= 2
        for sql in ours:
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            for table in ("instance", "event", "subscription", "webhook"):
                assert f"Seq Scan on django_vzaps_{table}" not in plan, f"{sql}\n{plan}"
