"""Instances as a business that has grown for a while has them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from django_vzaps.testing.routes.billing import DAY, TRIAL_SECONDS
from django_vzaps.testing.state import FakeAccount, FakeInstance

if TYPE_CHECKING:
    from django_vzaps.testing.fake import FakeVZaps

PLACES = ("Centro", "Pinheiros", "Moema", "Campinas", "Santos", "Recife", "Curitiba", "Porto Alegre")
TEAMS = ("Support", "Sales", "Reception", "Deliveries", "Billing", "Appointments", "Returns", "Wholesale")


def seed(fake: FakeVZaps, count: int, account: FakeAccount) -> list[FakeInstance]:
    """Add ``count`` instances; every eight of them show every state once."""
    with fake.lock:
        return [_one(fake, number, account) for number in range(count)]


def _one(fake: FakeVZaps, number: int, account: FakeAccount) -> FakeInstance:
    state = number % 8
    instance = fake.add_instance(
        name=_name(number),
        account=account,
        connected=state in {0, 1, 4, 5},
        billing_status=("ACTIVE", "TRIALING", "TRIALING", "ACTIVE", "PAST_DUE", "ACTIVE", "CANCELED", "TRIALING")[
            state
        ],
        labels={"team": TEAMS[number % len(TEAMS)].lower()},
    )
    age = (3 + 11 * number % 200) * DAY
    instance.created_at -= age
    instance.updated_at -= age / 3
    if instance.connected_at is not None:
        instance.connected_at -= age / 2
    billing = instance.billing
    if state == 3:  # Paired once, and its session has dropped.
        instance.phone, instance.push_name = f"55119500{number:05d}", instance.name
    elif state == 5:  # Cancelled, and paid until the period ends.
        instance.billing = replace(billing, cancel_at=billing.period_end)
    elif state == 6:
        instance.billing = replace(billing, expired_at=fake.clock() - 5 * DAY)
    elif state == 7:  # Its trial ends tomorrow.
        instance.created_at = fake.clock() + DAY - TRIAL_SECONDS
        instance.billing = replace(billing, trial_end=fake.clock() + DAY)
    return instance


def _name(number: int) -> str:
    team, place = TEAMS[number % len(TEAMS)], PLACES[number // len(TEAMS) % len(PLACES)]
    series = number // (len(TEAMS) * len(PLACES))
    return f"{team} {place}" + (f" {series + 1}" if series else "")
