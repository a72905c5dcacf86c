from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from django_vzaps.crypto import hash_secret, matches
from django_vzaps.models import Instance, Webhook

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WANTED = {
    "desired_host_and_path": "example.test/vzaps/webhook/1/********",
    "desired_events": ["Connected", "Message"],
}
AS_WANTED = {
    "actual_host_and_path": "example.test/vzaps/webhook/1/********",
    "actual_events": ["Connected", "Message"],
    "checked_at": NOW,
}


def drift(**different: Any) -> tuple[str, ...]:
    return Webhook(**{**WANTED, **AS_WANTED, **different}).drift


@pytest.mark.parametrize(
    ("different", "found"),
    [
        ({}, ()),
        ({"actual_events": ["Message", "Connected"]}, ()),
        ({"actual_events": ["Message", "Connected", "Message"]}, ()),
        ({"actual_events": ["Message"]}, ("events",)),
        ({"actual_events": ["Connected", "Message", "Presence"]}, ("events",)),
        ({"actual_events": ["All"]}, ("events",)),
        ({"actual_events": []}, ("events",)),
        ({"actual_host_and_path": "elsewhere.test/hook"}, ("url",)),
        ({"actual_host_and_path": ""}, ("url",)),
        ({"actual_host_and_path": "", "actual_events": []}, ("url", "events")),
        # VZaps' list does not always mention the events (API.md section 3.1): nothing is known then.
        ({"actual_events": None}, ()),
        ({"actual_events": None, "actual_host_and_path": ""}, ("url",)),
        # Never read back, or not ours to judge.
        ({"checked_at": None, "actual_host_and_path": "", "actual_events": None}, ()),
        ({"desired_events": None, "actual_host_and_path": "elsewhere.test"}, ()),
        ({"desired_events": None, "desired_host_and_path": ""}, ()),
        # Managed, and wanting no events at all.
        ({"desired_events": [], "actual_events": []}, ()),
        ({"desired_events": []}, ("events",)),
    ],
)
def test_drift_names_what_differs(different: dict[str, Any], found: tuple[str, ...]) -> None:
    assert drift(**different) == found


def test_a_webhook_without_wishes_is_not_managed() -> None:
    assert not Webhook().is_managed
    assert Webhook(desired_events=[]).is_managed
    assert Webhook(desired_events=["Message"]).is_managed


PRESENT, PREVIOUS = hash_secret("present"), hash_secret("previous")


@pytest.mark.parametrize(
    ("expires", "accepted"),
    [
        (None, True),  # VZaps has not been seen to have the new one
        (NOW + timedelta(seconds=1), True),
        (NOW, False),
        (NOW - timedelta(seconds=1), False),
    ],
)
def test_the_previous_secret_is_accepted_until_it_expires(expires: datetime | None, *, accepted: bool) -> None:
    webhook = Webhook(secret_hash=PRESENT, previous_secret_hash=PREVIOUS, previous_secret_expires_at=expires)

    assert matches("present", *webhook.accepted_hashes(NOW))
    assert matches("previous", *webhook.accepted_hashes(NOW)) is accepted
    assert not matches("another", *webhook.accepted_hashes(NOW))


def test_expiry_is_measured_by_the_clock_where_no_moment_is_given() -> None:
    webhook = Webhook(secret_hash=PRESENT, previous_secret_hash=PREVIOUS)

    webhook.previous_secret_expires_at = datetime(2000, 1, 1, tzinfo=UTC)
    assert not matches("previous", *webhook.accepted_hashes())
    webhook.previous_secret_expires_at = datetime(2999, 1, 1, tzinfo=UTC)
    assert matches("previous", *webhook.accepted_hashes())


@pytest.mark.parametrize("secret", ["", "0", "None", "********"])
def test_a_webhook_never_set_accepts_nothing(secret: str) -> None:
    assert not matches(secret, *Webhook().accepted_hashes())


def test_as_many_hashes_are_compared_whether_or_not_there_is_a_previous_one() -> None:
    assert len(Webhook(secret_hash=PRESENT).accepted_hashes()) == 2


@pytest.mark.django_db
def test_one_webhook_per_instance_with_an_address_of_its_own(instance: Instance) -> None:
    first = Webhook.objects.create(instance=instance)
    other = Instance.objects.create(account=instance.account, vzaps_id="VZ2")
    second = Webhook.objects.create(instance=other)

    assert first.public_id != second.public_id
    assert Webhook.objects.get(public_id=str(first.public_id)) == first
    assert str(first) == str(first.public_id)
    for again in ({"instance": instance}, {"instance_id": other.pk, "public_id": first.public_id}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Webhook.objects.create(**again)
