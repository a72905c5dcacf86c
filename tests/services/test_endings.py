"""The end of a subscription is announced seven, three and one days before, once each."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_vzaps import signals
from django_vzaps.models import Account, Instance, Subscription
from django_vzaps.services import alerts, endings
from tests.services.alerting import ending, heard, move_end
from tests.services.test_threads import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("commits")]


def announced_days(*moves: float, subscription: Subscription) -> list[int]:
    """What is announced while the end comes nearer like this; every step is looked at twice."""
    with heard(signals.subscription_ending) as sent:
        for days in moves:
            # Time goes by, the end stays.
            now = (subscription.cancel_at or timezone.now()) - timedelta(days=days)
            endings.announce(now)
            endings.announce(now)
    return [told["days"] for told in sent]


def test_each_crossing_is_announced_once() -> None:
    subscription = ending(days=9)
    moves = (7.1, 7, 5, 3.1, 3, 2, 1, 0.5, 0, -1)
    assert announced_days(*moves, subscription=subscription) == [7, 3, 1]


@pytest.mark.parametrize(("wakes_at", "told"), [(2.5, [3]), (0.5, [1]), (-0.1, [])])
def test_who_was_down_announces_only_where_it_is_now(wakes_at: float, told: list[int]) -> None:
    assert announced_days(8, wakes_at, subscription=ending(days=9)) == told


def test_a_new_end_starts_anew() -> None:
    subscription = ending(days=9)
    assert announced_days(7, 3, subscription=subscription) == [7, 3]
    subscription.cancel_at = (subscription.cancel_at or timezone.now()) + timedelta(days=30)
    subscription.save(update_fields=["cancel_at"])
    assert announced_days(20, 6, 0.5, subscription=subscription) == [7, 1]


def test_what_is_announced() -> None:
    subscription = ending(days=2)
    with heard(signals.subscription_ending) as sent:
        alerts.check()
    (told,) = sent
    subscription.refresh_from_db()
    assert told["sender"] is Subscription
    assert (told["instance"], told["subscription"]) == (subscription.instance, subscription)
    assert (told["ends_at"], told["days"]) == (subscription.ends_at, 3)
    assert (subscription.announced_days, subscription.announced_end) == (3, subscription.ends_at)


@pytest.mark.parametrize("state", ["trialing", "active", "past_due", "unpaid", "paused", "incomplete", "unknown"])
def test_whatever_is_not_canceled_may_end(state: str) -> None:
    ending(days=2, state=state)
    assert endings.announce() == 1


def test_what_nobody_looks_after_is_not_announced() -> None:
    ending(days=2, state="canceled")
    gone, asleep = ending(days=2), ending(days=2)
    Instance.objects.filter(pk=gone.instance_id).update(removed_at=timezone.now())
    Account.objects.filter(pk=asleep.instance.account_id).update(is_active=False)
    assert endings.announce() == 0


def test_many_are_announced_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endings, "BATCH", 2)
    for _ in range(5):
        ending(days=2)
    assert endings.announce() == 5
    assert endings.announce() == 0


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_many_at_once_announce_each_once() -> None:
    subscriptions = [ending(days=2) for _ in range(10)]
    with heard(signals.subscription_ending) as sent:
        at_once(*[endings.announce] * 6)
        move_end(subscriptions[0], days=0.5)
        at_once(*[endings.announce] * 6)
    assert sorted(told["days"] for told in sent) == [1, *[3] * 10]
