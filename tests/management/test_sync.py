from __future__ import annotations

from django_vzaps.models import Account, Instance
from django_vzaps.testing import FakeVZaps
from tests.management.conftest import Run


def test_every_active_account_is_synced(fake_vzaps: FakeVZaps, run: Run) -> None:
    branch = fake_vzaps.add_account("branch-token", "branch-secret")
    Account.objects.create(name="branch", client_token="branch-token", client_secret="branch-secret")
    Account.objects.create(name="closed", client_token="x", client_secret="y", is_active=False)
    fake_vzaps.seed_demo(3)
    fake_vzaps.add_instance(account=branch, name="Branch")

    said = run("vzaps_sync")

    assert not said.failure
    assert "branch: 1 seen, 1 new, 0 changed, 0 as before; 0 missing, 0 marked as removed." in said.out
    assert "default: 3 seen, 3 new" in said.out
    assert "closed" not in said.out
    assert Instance.objects.count() == 4


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(fake_vzaps: FakeVZaps, run: Run) -> None:
    fake_vzaps.seed_demo(2)

    said = run("vzaps_sync", "--dry-run")

    assert "2 new" in said.out
    assert "Nothing was written." in said.out
    assert not Instance.objects.exists()


def test_one_account_by_name_also_when_inactive(fake_vzaps: FakeVZaps, run: Run) -> None:
    fake_vzaps.add_account("branch-token", "branch-secret")
    Account.objects.create(name="branch", client_token="branch-token", client_secret="branch-secret", is_active=False)
    fake_vzaps.seed_demo(2)

    said = run("vzaps_sync", "--account", "branch")

    assert said.out.startswith("branch: 0 seen")
    assert "VZaps listed no instances" not in said.out  # there was nothing to remove
    assert not Instance.objects.exists()


def test_an_unknown_account_is_answered_with_the_known_ones(fake_vzaps: FakeVZaps, run: Run) -> None:
    assert run("vzaps_sync", "--account", "defualt").failure == "There is no account “defualt”. There are: default."


def test_without_any_account_it_says_how_to_add_one(settings: object, run: Run) -> None:
    settings.VZAPS = {}  # type: ignore[attr-defined]

    assert "VZAPS['CLIENT_TOKEN']" in run("vzaps_sync").failure


def test_one_account_that_fails_does_not_keep_the_others_waiting(fake_vzaps: FakeVZaps, run: Run) -> None:
    Account.objects.create(name="broken", client_token="wrong-token", client_secret="wrong-secret")
    fake_vzaps.seed_demo(2)

    said = run("vzaps_sync")

    assert "broken: not synced. VZaps did not accept the account's credentials." in said.err
    assert "wrong-secret" not in said.err + said.out + said.failure
    assert "default: 2 seen" in said.out
    assert said.failure == "1 of 2 accounts could not be synced completely."


def test_a_walk_that_removes_too_many_is_believed_only_by_force(
    fake_vzaps: FakeVZaps, account: Account, run: Run
) -> None:
    remote = fake_vzaps.seed_demo(4)
    run("vzaps_sync")
    for gone in remote[1:]:
        del fake_vzaps.instances[gone.id]

    doubted = run("vzaps_sync")
    run("vzaps_sync", "--force")
    believed = run("vzaps_sync", "--force")

    assert "3 of 4 instances are missing" in doubted.out
    assert "--force" in doubted.out
    assert "3 marked as removed" in believed.out
    assert Instance.objects.present().count() == 1


def test_progress_is_rewritten_on_a_terminal_and_kept_out_of_logs(fake_vzaps: FakeVZaps, run: Run) -> None:
    fake_vzaps.seed_demo(2)

    assert "\rdefault: 2 of 2" in run("vzaps_sync", terminal=True).err
    assert run("vzaps_sync").err == ""
