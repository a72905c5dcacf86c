from __future__ import annotations

import pytest

from django_vzaps.testing import FakeInstance, FakeVZaps
from tests.testing.conftest import Caller, Inbox, log_in

DAY = 86_400


@pytest.fixture
def instance(fake: FakeVZaps) -> FakeInstance:
    return fake.add_instance()


def billing(ask: Caller, instance: FakeInstance) -> tuple[str, bool, bool]:
    shown = ask.json("POST", "/instances/get", {"id": instance.id})
    return shown["billing_status"], shown["cancel_at"] is not None, shown["expired_at"] is not None


def test_subscribe_charges_the_card_on_file(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    answer = ask.json("POST", f"/instances/{instance.id}/subscribe", {})
    assert answer["mode"] == "direct"
    assert answer["subscription_id"].startswith("sub_")
    assert [(charge.instance_id, charge.reason) for charge in fake.charges] == [(instance.id, "subscribe")]
    assert billing(ask, instance) == ("ACTIVE", False, False)
    assert len(fake.calls_to("subscribe")) == 1


def test_subscribe_twice_charges_twice(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    for _ in range(2):
        ask.json("POST", f"/instances/{instance.id}/subscribe", {})
    assert len(fake.charges) == 2


def test_without_a_card_subscribe_opens_a_checkout(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    fake.account.card_on_file = False
    answer = ask.json("POST", f"/instances/{instance.id}/subscribe", {})
    assert (answer["mode"], answer["subscription_id"]) == ("checkout", None)
    assert answer["url"].endswith(answer["session_id"])
    assert fake.charges == []
    assert billing(ask, instance)[0] == "TRIALING"
    fake.complete_checkout(instance.id)
    assert [charge.reason for charge in fake.charges] == ["checkout"]
    assert billing(ask, instance)[0] == "ACTIVE"
    with pytest.raises(ValueError, match="No checkout"):
        fake.complete_checkout(instance.id)


def test_cancel_takes_effect_when_the_period_ends(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    ask.json("POST", f"/instances/{instance.id}/subscribe", {})
    for method in ("PUT", "DELETE"):
        assert "message" in ask.json(method, f"/instances/{instance.id}/cancel")
    assert billing(ask, instance) == ("ACTIVE", True, False)
    fake.clock.advance(31 * DAY)
    assert instance.billing_status == "CANCELED"
    assert len(fake.charges) == 1
    ask = log_in(fake)
    assert billing(ask, instance) == ("CANCELED", True, True)
    assert ask.error("PUT", f"/instances/{instance.id}/cancel") == (409, "no_active_subscription")


def test_resume_takes_the_cancellation_back(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    ask.json("POST", f"/instances/{instance.id}/subscribe", {})
    path = f"/instances/{instance.id}/resume-subscription"
    assert ask.error("POST", path) == (409, "nothing_to_resume")
    ask.json("PUT", f"/instances/{instance.id}/cancel")
    assert ask.json("POST", path) == {"status": "ok"}
    fake.clock.advance(31 * DAY)
    assert instance.billing_status == "ACTIVE"
    assert [charge.reason for charge in fake.charges] == ["subscribe", "renewal"]


def test_periods_renew_as_often_as_they_pass(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    ask.json("POST", f"/instances/{instance.id}/subscribe", {})
    fake.clock.advance(95 * DAY)
    assert [charge.reason for charge in fake.charges] == ["subscribe", "renewal", "renewal", "renewal"]


def test_a_renewal_without_a_card_is_past_due(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    ask.json("POST", f"/instances/{instance.id}/subscribe", {})
    fake.account.card_on_file = False
    fake.clock.advance(31 * DAY)
    assert instance.billing_status == "PAST_DUE"
    assert len(fake.charges) == 1


def test_what_a_checkout_paid_for_renews_without_a_card_on_file(
    fake: FakeVZaps, ask: Caller, instance: FakeInstance
) -> None:
    fake.account.card_on_file = False
    ask.json("POST", f"/instances/{instance.id}/subscribe", {})
    fake.complete_checkout(instance.id)
    fake.clock.advance(31 * DAY)
    assert instance.billing_status == "ACTIVE"
    assert [charge.reason for charge in fake.charges] == ["checkout", "renewal"]


def test_time_that_passes_by_itself_counts_too(inbox: Inbox) -> None:
    now = [1_800_000_000.0]
    fake = FakeVZaps(clock=lambda: now[0])
    fake.deliver = inbox
    instance = fake.add_instance(connected=True, webhook="https://hooks.example.test/x", events=["All"])
    fake.faults.webhooks.delay(60)
    fake.receive(instance.id)
    now[0] += 8 * DAY
    ask = log_in(fake)
    assert billing(ask, instance) == ("CANCELED", False, True)
    assert inbox.types == ["Message"]


def test_a_trial_ends_unless_it_was_paid_for(fake: FakeVZaps, ask: Caller) -> None:
    idle, paid = fake.add_instance(), fake.add_instance()
    ask.json("POST", f"/instances/{paid.id}/subscribe", {})
    fake.clock.advance(8 * DAY)
    assert (idle.billing_status, paid.billing_status) == ("CANCELED", "ACTIVE")
    assert idle.billing.expired_at is not None


def test_an_immediate_cancel(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    fake.variants.immediate_cancel = True
    ask.json("POST", f"/instances/{instance.id}/subscribe", {})
    ask.json("PUT", f"/instances/{instance.id}/cancel")
    assert billing(ask, instance) == ("CANCELED", False, True)


def test_reads_lag_behind_a_change(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    fake.billing_lag = 2
    ask.json("POST", f"/instances/{instance.id}/subscribe", {})
    assert billing(ask, instance)[0] == "TRIALING"
    assert ask.json("POST", "/instances/list", {})["content"][0]["billing_status"] == "TRIALING"
    assert billing(ask, instance)[0] == "ACTIVE"
    assert instance.billing_status == "ACTIVE"
