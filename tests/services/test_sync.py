from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from django_vzaps import services, signals
from django_vzaps.models import Account, Instance, Subscription, Webhook
from django_vzaps.services import mirror, pages, sync
from django_vzaps.services.clients import client_for
from django_vzaps.testing import FakeVZaps

pytestmark = pytest.mark.django_db


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "PAGE_SIZE", 2)


def add(fake: FakeVZaps, count: int, **facts: Any) -> list[str]:
    return [fake.add_instance(name=f"Branch {number:03}", **facts).id for number in range(count)]


def remove(fake: FakeVZaps, *ids: str) -> None:
    for vzaps_id in ids:
        del fake.instances[vzaps_id]


def gone() -> list[str]:
    return list(Instance.objects.filter(removed_at__isnull=False).values_list("vzaps_id", flat=True))


def test_a_first_sync_mirrors_everything_and_a_second_changes_nothing(
    fake_vzaps: FakeVZaps, account: Account, small_pages: None
) -> None:
    add(fake_vzaps, 5)
    fake_vzaps.add_instance(name="Clinic", connected=True, phone="5511999990001", billing_status="ACTIVE")

    first = sync.sync_account(account)
    second = sync.sync_account(account)

    assert (first.seen, first.created, first.updated, first.total, first.complete) == (6, 6, 0, 6, True)
    assert (second.created, second.updated, second.unchanged) == (0, 0, 6)
    clinic = Instance.objects.get(name="Clinic")
    assert clinic.connection_state == "connected"
    assert clinic.phone == "5511999990001"
    assert clinic.subscription.state == "active"
    account.refresh_from_db()
    assert account.synced_at is not None


def ages(instance: Instance) -> list[datetime | None]:
    return [
        instance.synced_at,
        instance.connection_asked_at,
        instance.subscription.refreshed_at,
        instance.webhook.checked_at,
    ]


def test_what_did_not_change_is_never_much_older_than_the_last_sync(fake_vzaps: FakeVZaps, account: Account) -> None:
    fake_vzaps.add_instance(connected=True, webhook="https://crm.example.org/in", events=["Message"])
    sync.sync_account(account)
    first = ages(Instance.objects.get())

    sync.sync_account(account)
    assert ages(Instance.objects.get()) == first  # nothing was written: it is a moment old

    with override_settings(VZAPS={**settings.VZAPS, "STALE_AFTER": 1}):
        old = timezone.now() - timedelta(seconds=0.4)  # more than a third of what counts as stale
        Instance.objects.update(synced_at=old, connection_asked_at=old)
        Subscription.objects.update(refreshed_at=old)
        Webhook.objects.update(checked_at=old)
        began = timezone.now()
        sync.sync_account(account)

    assert all(moment is not None and moment >= began for moment in ages(Instance.objects.get()))


def test_what_an_event_said_and_the_list_says_too_is_known_from_vzaps(fake_vzaps: FakeVZaps, account: Account) -> None:
    fake_vzaps.add_instance(connected=True)
    sync.sync_account(account)
    Instance.objects.update(connection_source="webhook")

    sync.sync_account(account)

    assert Instance.objects.get().connection_source == "api"


def test_changes_are_taken_over_and_signalled_once_with_old_and_new(
    fake_vzaps: FakeVZaps, account: Account, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    (vzaps_id,) = add(fake_vzaps, 1)
    sync.sync_account(account)
    heard: list[dict[str, Any]] = []

    def listen(**kwargs: Any) -> None:
        heard.append(kwargs["changes"])

    signals.instance_updated.connect(listen)
    try:
        fake_vzaps.instances[vzaps_id].name = "Renamed"
        for _ in range(2):
            with django_capture_on_commit_callbacks(execute=True):
                sync.sync_account(account)
    finally:
        signals.instance_updated.disconnect(listen)

    assert Instance.objects.get().name == "Renamed"
    assert heard == [{"name": ("Branch 000", "Renamed")}]


@pytest.mark.parametrize("count", [2, 90])
def test_a_page_takes_as_many_statements_whatever_its_length(
    fake_vzaps: FakeVZaps, account: Account, count: int
) -> None:
    """One reads; one writes each table where something is to be written; and for what changed one locks, one reads
    again, and one keeps the history.
    """

    def statements() -> int:
        content, now = client_for(account).instances.list(page=1, size=100).content, timezone.now()
        with CaptureQueriesContext(connection) as captured:
            pages.store_page(account, content, asked_at=now, unsettled=set())
        found = [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"]]
        if connection.vendor != "sqlite":
            return len(found)
        # SQLite takes a long one in several parts, and locks no rows.
        reads = sum(sql.startswith("SELECT") for sql in found)
        return reads + len({sql[:40] for sql in found if not sql.startswith("SELECT")})

    for _ in range(count):
        fake_vzaps.add_instance(connected=True, webhook="https://crm.example.org/in", events=["Message"])
    assert statements() == 4
    assert statements() == 1

    old = timezone.now() - timedelta(minutes=10)
    Instance.objects.update(synced_at=old, connection_asked_at=old)
    Subscription.objects.update(refreshed_at=old)
    Webhook.objects.update(checked_at=old)
    # MariaDB has to be told first which rows are free, for each table.
    assert statements() == (7 if connection.vendor == "mysql" else 4)

    for remote in fake_vzaps.instances.values():
        remote.connected = False
        remote.billing.status = "ACTIVE"
    assert statements() == 6

    for remote in fake_vzaps.instances.values():
        remote.name, remote.billing.status, remote.webhook = "Renamed", "PAST_DUE", "https://other.example.org/in"
    fake_vzaps.add_instance()
    assert statements() == 8


def test_an_instance_is_removed_after_two_complete_walks_without_it(fake_vzaps: FakeVZaps, account: Account) -> None:
    ids = add(fake_vzaps, 5)
    sync.sync_account(account)
    remove(fake_vzaps, ids[0])

    first = sync.sync_account(account)
    assert (first.missing, first.removed, gone()) == (1, 0, [])
    second = sync.sync_account(account)
    assert (second.missing, second.removed, gone()) == (1, 1, [ids[0]])
    assert sync.sync_account(account).missing == 0


def test_a_removal_is_signalled_once_whoever_finds_out(
    fake_vzaps: FakeVZaps, account: Account, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    missing, deleted, *_rest = add(fake_vzaps, 8)
    sync.sync_account(account)
    heard: list[str] = []

    def listen(instance: Instance, **_kwargs: Any) -> None:
        heard.append(instance.vzaps_id)

    signals.instance_removed.connect(listen)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            services.instances.delete(Instance.objects.get(vzaps_id=deleted), actor=None)
            remove(fake_vzaps, missing)
            for _ in range(3):
                sync.sync_account(account)
    finally:
        signals.instance_removed.disconnect(listen)

    assert heard == [deleted, missing]


def test_an_instance_that_comes_back_starts_anew(fake_vzaps: FakeVZaps, account: Account) -> None:
    ids = add(fake_vzaps, 5)
    sync.sync_account(account)
    away = fake_vzaps.instances.pop(ids[0])
    sync.sync_account(account)
    fake_vzaps.instances[ids[0]] = away
    sync.sync_account(account)
    remove(fake_vzaps, ids[0])

    sync.sync_account(account)

    assert gone() == []


@pytest.mark.parametrize("mishap", ["empty", "no total", "short"])
def test_a_walk_that_did_not_see_everything_removes_nothing(
    fake_vzaps: FakeVZaps, account: Account, monkeypatch: pytest.MonkeyPatch, mishap: str
) -> None:
    ids = add(fake_vzaps, 5)
    sync.sync_account(account)
    match mishap:
        case "empty":
            remove(fake_vzaps, *ids)
        case "no total":
            remove(fake_vzaps, ids[0])
            fake_vzaps.variants.omit_from_list = {"total"}
        case _:
            remove(fake_vzaps, ids[0])
            pages = client_for(account).instances.list
            monkeypatch.setattr(client_for(account).instances, "list", lambda **kw: _with_total(pages(**kw), 5))

    for _ in range(3):
        report = sync.sync_account(account)

    assert gone() == []
    assert report.notes


def test_too_many_removals_are_not_believed_unless_forced(fake_vzaps: FakeVZaps, account: Account) -> None:
    ids = add(fake_vzaps, 10)
    sync.sync_account(account)
    remove(fake_vzaps, *ids[:4])

    for _ in range(3):
        report = sync.sync_account(account)
    assert gone() == []
    assert "4 of 10" in report.notes[0]

    sync.sync_account(account, force=True)
    sync.sync_account(account, force=True)
    assert len(gone()) == 4


def test_an_instance_made_while_the_walk_ran_is_not_missing(
    fake_vzaps: FakeVZaps, account: Account, small_pages: None
) -> None:
    add(fake_vzaps, 4)

    def make_one(progress: sync.SyncProgress) -> None:
        if progress.seen == 2:
            Instance.objects.create(account=account, vzaps_id="VZNEW", name="Just made")

    report = sync.sync_account(account, progress=make_one)

    assert report.missing == 0


def test_a_list_that_repeats_its_page_for_ever_comes_to_an_end(
    fake_vzaps: FakeVZaps, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(fake_vzaps, 3)
    api = client_for(account)
    page = api.instances.list(page=1, size=100)
    monkeypatch.setattr(api.instances, "list", lambda **_kwargs: _with_total(page, 99))

    report = sync.sync_account(account)

    assert (report.seen, report.complete) == (3, False)
    assert Instance.objects.count() == 3


def test_a_failing_page_keeps_what_came_before_and_says_why(
    fake_vzaps: FakeVZaps, account: Account, small_pages: None
) -> None:
    add(fake_vzaps, 4)
    fake_vzaps.faults.add(
        lambda request: request.route == "list" and json.loads(request.body)["page"] == 2,
        status=400,
    )

    with pytest.raises(services.ReadFailed):
        sync.sync_account(account)

    assert Instance.objects.count() == 2
    account.refresh_from_db()
    assert "did not accept" in account.sync_error
    assert sync.sync_account(account).created == 2


def test_one_sync_an_account_at_a_time_and_a_dead_one_is_waited_for_until_its_lease_ends(
    fake_vzaps: FakeVZaps, account: Account
) -> None:
    lease = Account.objects.filter(pk=account.pk)
    lease.update(sync_lease_holder="somebody", sync_lease_until=timezone.now() + timedelta(minutes=1))
    with pytest.raises(services.SyncRunning):
        sync.sync_account(account)

    lease.update(sync_lease_until=timezone.now() - timedelta(seconds=1))
    assert sync.sync_account(account).complete
    account.refresh_from_db()
    assert account.sync_lease_until is None


def test_a_sync_whose_lease_was_taken_over_stops(
    fake_vzaps: FakeVZaps, account: Account, small_pages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "_RENEWED_AFTER", 0)
    add(fake_vzaps, 6)

    def steal(_progress: sync.SyncProgress) -> None:
        Account.objects.filter(pk=account.pk).update(sync_lease_holder="somebody else")

    with pytest.raises(services.SyncRunning, match="took over"):
        sync.sync_account(account, progress=steal)
    assert Instance.objects.count() == 2


def test_a_dry_run_writes_nothing(fake_vzaps: FakeVZaps, account: Account) -> None:
    ids = add(fake_vzaps, 5)
    assert sync.sync_account(account, dry_run=True).created == 5
    assert not Instance.objects.exists()

    sync.sync_account(account)
    fake_vzaps.instances[ids[0]].name = "Renamed"
    remove(fake_vzaps, ids[1])
    report = sync.sync_account(account, dry_run=True)

    assert (report.updated, report.missing, report.removed) == (1, 1, 0)
    assert not Instance.objects.filter(name="Renamed").exists()
    assert set(Instance.objects.values_list("missing_walks", flat=True)) == {0}


def test_an_answer_asked_for_earlier_overwrites_nothing(fake_vzaps: FakeVZaps, account: Account) -> None:
    (vzaps_id,) = add(fake_vzaps, 1)
    asked_early = timezone.now()
    early = client_for(account).instances.get(vzaps_id)
    fake_vzaps.instances[vzaps_id].name = "Renamed"
    fake_vzaps.instances[vzaps_id].billing.status = "ACTIVE"
    sync.sync_account(account)

    mirror.store(account, early, asked_at=asked_early)

    instance = Instance.objects.get()
    assert instance.name == "Renamed"
    assert instance.subscription.state == "active"


def test_a_webhook_of_somebody_else_is_shown_and_not_called_drift(fake_vzaps: FakeVZaps, account: Account) -> None:
    fake_vzaps.add_instance(
        webhook="https://crm.example.org/in/0123456789abcdef0123456789?key=s3cret", events=["Message"]
    )

    sync.sync_account(account)

    webhook = Instance.objects.get().webhook
    assert webhook.actual_host_and_path == "crm.example.org/in/********"
    assert webhook.actual_events == ["Message"]
    assert webhook.drift == ()


def test_a_token_whose_key_is_lost_is_replaced_by_the_next_sync(fake_vzaps: FakeVZaps, account: Account) -> None:
    (vzaps_id,) = add(fake_vzaps, 1)
    sync.sync_account(account)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_vzaps_instance SET token = 'gAAAA-not-ours'")

    sync.sync_account(account)

    token = Instance.objects.get().token
    assert token is not None
    assert token.reveal() == fake_vzaps.instances[vzaps_id].token


def test_hostile_texts_are_stored_on_every_database(fake_vzaps: FakeVZaps, account: Account) -> None:
    fake_vzaps.add_instance(name="a\x00b\ud800", connected=True, push_name="x" * 10_000, labels={"deep": [[[1e308]]]})

    sync.sync_account(account)

    assert "\x00" not in Instance.objects.get().name


def _with_total(page: Any, total: int) -> Any:
    return replace(page, total=total)


@pytest.mark.django_db(transaction=True)
def test_a_site_without_time_zones_is_mirrored_too(fake_vzaps: FakeVZaps, account: Account) -> None:
    with override_settings(USE_TZ=False, TIME_ZONE="America/Sao_Paulo"):
        vzaps_id = fake_vzaps.add_instance(connected=True, billing_status="ACTIVE").id
        sync.sync_account(account)
        instance = Instance.objects.get(vzaps_id=vzaps_id)
        services.subscriptions.cancel(instance, actor=None)
        services.sessions.status(instance)
        assert sync.sync_account(account).unchanged == 1

        instance.refresh_from_db()
        assert instance.subscription.cancel_at is not None
        assert timezone.is_naive(instance.subscription.cancel_at)
        assert instance.connection_state == "connected"
