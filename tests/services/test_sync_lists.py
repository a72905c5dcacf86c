"""Lists that move, lie or repeat themselves while they are walked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from django_vzaps.client import InstancePage
from django_vzaps.models import Account, Instance, InstanceChange
from django_vzaps.services import sync
from django_vzaps.services.clients import client_for
from django_vzaps.testing import FakeVZaps

pytestmark = pytest.mark.django_db


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "PAGE_SIZE", 2)


def names() -> set[str]:
    return set(Instance.objects.present().values_list("name", flat=True))


def test_what_moves_to_a_page_that_was_read_before_is_not_called_missing(
    fake_vzaps: FakeVZaps, account: Account, small_pages: None
) -> None:
    """The list is shown newest first: when one of the first page goes, what follows moves up by one."""
    remotes = [fake_vzaps.add_instance(name=f"Branch {number}") for number in range(7)]
    sync.sync_account(account)

    def delete_the_newest(progress: sync.SyncProgress) -> None:
        if progress.seen == 2 and len(fake_vzaps.instances) == 7:
            del fake_vzaps.instances[remotes[-1].id]

    shrunk = sync.sync_account(account, progress=delete_the_newest)

    assert shrunk.missing == 0
    assert any("got shorter" in note for note in shrunk.notes)
    # The walk is good for everything else, and the next ones find out who is gone.
    assert shrunk.complete
    assert [sync.sync_account(account).removed for _ in range(2)] == [0, 1]
    assert names() == {f"Branch {number}" for number in range(6)}


def test_a_list_that_grows_is_walked_to_its_end_and_nobody_counts_twice(
    fake_vzaps: FakeVZaps, account: Account, small_pages: None
) -> None:
    for number in range(5):
        fake_vzaps.add_instance(name=f"Branch {number}")

    def add_one(progress: sync.SyncProgress) -> None:
        if progress.seen == 2:
            fake_vzaps.add_instance(name="Branch new")

    report = sync.sync_account(account, progress=add_one)

    # The new one came first on a page that was read before; the total says so.
    assert (report.seen, report.created, report.complete) == (5, 5, False)
    assert sync.sync_account(account).created == 1


def test_an_instance_that_is_listed_twice_on_a_page_is_one(
    fake_vzaps: FakeVZaps, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        fake_vzaps.add_instance(name=f"Branch {number}")
    api = client_for(account)
    ask = api.instances.list

    def doubled(**asked: Any) -> InstancePage:
        page = ask(**asked)
        return replace(page, content=(*page.content, *page.content))

    monkeypatch.setattr(api.instances, "list", doubled)

    first, second = sync.sync_account(account), sync.sync_account(account)

    assert (first.created, first.updated, first.unchanged) == (3, 0, 0)
    assert (second.created, second.updated, second.unchanged) == (0, 0, 3)


def test_an_instance_that_moves_to_another_account_goes_with_it(fake_vzaps: FakeVZaps, account: Account) -> None:
    remote_account = fake_vzaps.add_account("other-token-0123456789", "other-secret-0123456789")
    other = Account.objects.create(
        name="other",
        client_token="other-token-0123456789",
        client_secret="other-secret-0123456789",
    )
    moving = fake_vzaps.add_instance(name="Moving")
    for number in range(4):
        fake_vzaps.add_instance(name=f"Branch {number}")
    sync.sync_account(account)
    moving.account = remote_account

    # The old account misses it first, as would be when it is walked first.
    for one in (account, other, account, account):
        sync.sync_account(one)

    instance = Instance.objects.get(name="Moving")
    assert (instance.account, instance.removed_at, instance.missing_walks) == (other, None, 0)
    change = InstanceChange.objects.newest_of(instance, "account")
    assert change is not None
    assert (change.old, change.new) == ("default", "other")


def test_a_new_token_is_taken_over_and_nobody_reads_it_in_the_history(fake_vzaps: FakeVZaps, account: Account) -> None:
    remote = fake_vzaps.add_instance()
    sync.sync_account(account)
    old, remote.token = remote.token, "inst_" + "f" * 32

    report = sync.sync_account(account)

    instance = Instance.objects.get()
    assert report.updated == 1
    assert instance.token is not None
    assert instance.token.reveal() == remote.token
    change = InstanceChange.objects.get(field="token")
    assert change.old == change.new == "********"
    assert old not in str(InstanceChange.objects.values_list())


def test_a_walk_that_is_interrupted_keeps_what_it_did_and_the_next_starts_over(
    fake_vzaps: FakeVZaps, account: Account, small_pages: None
) -> None:
    for number in range(6):
        fake_vzaps.add_instance(name=f"Branch {number}")

    def interrupt(progress: sync.SyncProgress) -> None:
        if progress.seen == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sync.sync_account(account, progress=interrupt)

    assert Instance.objects.count() == 4
    account.refresh_from_db()
    assert account.synced_at is None
    assert sync.sync_account(account).created == 2
