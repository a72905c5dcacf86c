from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_vzaps.admin.instances import strip
from django_vzaps.admin.paging import CappedPaginator
from django_vzaps.models import (
    Account,
    Alert,
    ConnectionState,
    Event,
    Instance,
    Subscription,
    SubscriptionState,
    Webhook,
    WebhookHealth,
)
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import StaffWith
from tests.admin.rows import event, hook, make, shown


def queries(client: Client, **query: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        shown(client, **query)
    return len(captured)


QUERIES: list[dict[str, str]] = [
    {},
    *({"connection": value} for value in (*ConnectionState.values, "doubtful")),
    *({"billing": value} for value in ("trial_ending", "overdue", SubscriptionState.UNPAID)),
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


def test_few_queries_also_within_a_scope(account: Account, operator: User, browser: Client, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "INSTANCE_SCOPE": "tests.admin.rows.theirs"}
    fill(account, operator, 3)
    Account.objects.create(name="another")
    for query in QUERIES:
        assert queries(browser, **query) <= 7, query


def fill(account: Account, owner: User, count: int, *, name: str = "more") -> None:
    for number in range(count):
        instance = make(account, f"{name} {number}", connected=True, owner=owner, phone=f"55{number}")
        Subscription.objects.create(instance=instance, state=SubscriptionState.UNPAID)
        hook(instance)
        event(instance, "failed")
        event(instance, "pending")
        # What is open is counted with the strip, in no query of its own.
        Alert.objects.create(kind="disconnected", instance=instance)


def test_as_many_queries_for_many_rows_as_for_few(
    account: Account, operator: User, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    fill(account, operator, 2)
    few = [queries(browser, **query) for query in QUERIES]
    assert max(few) <= 7
    Account.objects.create(name="another")
    for number in range(6):
        User.objects.create_user(f"o{number}")
    for number, user in enumerate(User.objects.all()):
        fill(account, user, 1, name=f"more still {number}")
    for query, before in zip(QUERIES, few, strict=True):
        assert queries(browser, **query) <= before, query
    assert fake_vzaps.calls == []


def test_few_queries_also_for_whom_permissions_are_looked_up(account: Account, staff_with: StaffWith) -> None:
    client = staff_with("view_instance", "change_instance")
    fill(account, User.objects.get(), 3)
    Account.objects.create(name="another")
    assert queries(client, connection="stale", owner="=staff0") <= 7


MANY = 4_000
#: A table read from end to end is more than this, and nothing that a page with ten rows needs is.
READ = 1_500


def fill_up(owner: User) -> None:
    """Enough for a plan as a large site has it: a tenth of everything is in a bad state, and gone."""
    accounts = [Account.objects.create(name=f"account {number}") for number in range(10)]
    now = timezone.now()
    rows = Instance.objects.bulk_create(
        Instance(
            account=accounts[number % 10],
            owner=owner if number % 10 == 5 else None,
            vzaps_id=f"VZ{number}",
            name=f"n{number * 7919 % MANY}",
            phone=f"55{number:06}",
            connected=None if number % 10 == 4 else number % 10 != 3,
            connection_asked_at=now - timedelta(days=number % 10 == 6),
            last_event_at=now - timedelta(minutes=number * 104729 % MANY),
            removed_at=now if number % 10 == 9 else None,
        )
        for number in range(MANY)
    )
    Subscription.objects.bulk_create(
        Subscription(instance=row, state="unpaid" if number % 10 == 7 else "active") for number, row in enumerate(rows)
    )
    Webhook.objects.bulk_create(
        Webhook(instance=row, checked_at=now, actual_host_and_path="" if number % 10 == 8 else "other.example")
        for number, row in enumerate(rows)
    )
    Event.objects.bulk_create(
        Event(instance=row, payload="", state="failed" if number % 50 == 2 else "done")
        for number, row in enumerate(rows)
    )


def read(node: dict[str, Any]) -> int:
    """The most rows that any step of a plan read, kept or not."""
    passed_over = sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
    own = (node["Actual Rows"] + passed_over) * node["Actual Loops"] if node["Node Type"].endswith("Scan") else 0
    return max([int(own), *(read(part) for part in node.get("Plans", []))])


@pytest.mark.postgres
def test_no_page_reads_a_table_from_end_to_end(
    operator: User, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strip, "MOST", 100)
    monkeypatch.setattr(CappedPaginator, "most", 100)
    monkeypatch.setattr(admin.site._registry[Instance], "list_per_page", 10)
    fill_up(operator)
    pages: list[dict[str, str]] = [
        *({}, {"p": "10"}, {"o": "-1"}, {"o": "5"}, {"o": "-5"}, {"presence": "all"}, {"presence": "gone"}),
        *({"connection": state} for state in ("connected", "stale", "disconnected", "unknown")),
        *({"billing": "overdue"}, {"billing": "active"}, {"webhook": "not_set"}, {"webhook": "unmanaged"}),
        *({"owner": ":me"}, {"owner": ":nobody"}, {"account__id__exact": str(Account.objects.first().pk)}),  # type: ignore[union-attr]
        *({"q": "n12"}, {"q": "+55 (00) 12"}, {"q": "VZ77"}, {"q": "nothing"}),
    ]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        # These tables are small enough for it to pay all the same; on a large site it does not.
        cursor.execute("SET LOCAL enable_seqscan = off")
        for query in pages:
            with CaptureQueriesContext(connection) as captured:
                shown(browser, **query)
            ours = [each["sql"] for each in captured if "django_vzaps_instance" in each["sql"]]
            assert len(ours) >= 2
            for sql in ours:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
                plan = cursor.fetchone()[0][0]["Plan"]
                assert read(plan) < READ, (query, sql, plan)
