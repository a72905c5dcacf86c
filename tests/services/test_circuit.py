"""VZaps is left alone while it fails for a whole account."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from django_vzaps import services
from django_vzaps.client import VZapsConnectionError, VZapsError, VZapsNotFoundError, VZapsRateLimitError
from django_vzaps.crypto import DecryptionError
from django_vzaps.models import Account
from django_vzaps.secret import Secret
from django_vzaps.services import circuit, sync
from django_vzaps.testing import FakeVZaps

pytestmark = pytest.mark.django_db

UNREACHABLE = VZapsConnectionError("No route.")


def limited(seconds: float) -> VZapsRateLimitError:
    error = VZapsRateLimitError("Slow down.", status_code=429)
    error.retry_after = seconds
    return error


def pause_of(account: Account) -> timedelta:
    account.refresh_from_db()
    return timedelta() if account.paused_until is None else account.paused_until - timezone.now()


def test_a_few_failures_are_borne_and_each_further_one_is_waited_for_longer(account: Account) -> None:
    pauses = []
    for _ in range(9):
        circuit.note_failure(account, UNREACHABLE, about_instance=True)
        pauses.append(pause_of(account))

    assert pauses[:2] == [timedelta(), timedelta()]
    assert timedelta(seconds=40) < pauses[2] < timedelta(minutes=2)
    assert all(later >= earlier - timedelta(seconds=1) for earlier, later in pairwise(pauses))
    assert pauses[-1] < timedelta(minutes=20)
    assert circuit.is_open(account)


@pytest.mark.parametrize(("asked", "least", "most"), [(300, 299, 301), (86_400, 899, 901), (1, 44, 76)])
def test_a_rate_limit_is_obeyed_at_once_for_as_long_as_it_says_within_reason(
    account: Account, asked: float, least: int, most: int
) -> None:
    circuit.note_failure(account, limited(asked), about_instance=True)

    assert timedelta(seconds=least) < pause_of(account) < timedelta(seconds=most)


def test_what_concerns_one_instance_is_no_failure_of_its_account(account: Account) -> None:
    error: VZapsError = VZapsNotFoundError("No such instance.", status_code=404)
    for _ in range(5):
        circuit.note_failure(account, error, about_instance=True)

    account.refresh_from_db()
    assert (account.failures, account.failing_since, circuit.is_open(account)) == (0, None, False)


def test_a_success_ends_it_and_it_is_known_since_when_it_failed(account: Account) -> None:
    began = timezone.now()
    for _ in range(4):
        circuit.note_failure(account, UNREACHABLE, about_instance=False)
    account.refresh_from_db()
    assert account.failing_since is not None
    assert began <= account.failing_since
    first = account.failing_since
    circuit.note_failure(account, limited(1), about_instance=False)
    account.refresh_from_db()
    assert (account.failing_since, account.failure_kind, account.failures) == (first, "rate_limited", 5)

    circuit.note_success(account)

    account.refresh_from_db()
    assert not account.failing_since
    assert (account.failure_kind, account.failures) == ("", 0)
    assert not circuit.is_open(account)


def test_a_sync_tells_how_it_went(fake_vzaps: FakeVZaps, account: Account) -> None:
    fake_vzaps.add_instance()
    fake_vzaps.faults.add("list", status=403)
    with pytest.raises(services.ReadFailed):
        sync.sync_account(account)
    account.refresh_from_db()
    assert (account.failures, account.failure_kind) == (1, "refused")

    sync.sync_account(account)

    account.refresh_from_db()
    assert (account.failures, account.failing_since) == (0, None)


def test_an_account_without_credentials_says_so(account: Account) -> None:
    with override_settings(VZAPS={}), pytest.raises(services.NotConfigured):
        sync.sync_account(account)

    account.refresh_from_db()
    assert "no credentials" in account.sync_error
    assert account.failure_kind == "not_configured"
    assert account.sync_lease_until is None


def test_credentials_that_cannot_be_decrypted_are_said_of_the_account(account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(client_token=Secret("token"), client_secret=Secret("secret"))
    account = Account.objects.get(pk=account.pk)
    lost = {**settings.VZAPS, "ENCRYPTION_KEYS": ["b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktMDE="]}

    with override_settings(VZAPS=lost), pytest.raises(DecryptionError):
        sync.sync_account(account)

    account.refresh_from_db()
    assert "decrypted" in account.sync_error
    assert account.failure_kind == "not_configured"
    assert account.sync_lease_until is None
