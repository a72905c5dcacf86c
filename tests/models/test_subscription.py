from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_vzaps.models import Subscription, SubscriptionState


@pytest.mark.parametrize(
    ("billing_status", "state"),
    [
        ("TRIALING", "trialing"), ("trialing", "trialing"), ("Trial", "trialing"),
        ("ACTIVE", "active"), (" active\n", "active"), ("Active", "active"),
        ("PAST_DUE", "past_due"), ("past_due", "past_due"), ("past-due", "past_due"), ("Past Due", "past_due"),
        ("pastDue", "past_due"), ("PASTDUE", "past_due"),
        ("UNPAID", "unpaid"),
        ("CANCELED", "canceled"), ("CANCELLED", "canceled"), ("EXPIRED", "canceled"),
        ("INCOMPLETE_EXPIRED", "canceled"), ("incompleteExpired", "canceled"),
        ("PAUSED", "paused"),
        ("INCOMPLETE", "incomplete"),
        ("UNKNOWN", "unknown"),
        ("", "unknown"), ("  ", "unknown"), ("_", "unknown"), ("INACTIVE", "unknown"), ("NOT_ACTIVE", "unknown"),
        ("ACTIVE_UNTIL", "unknown"), ("free", "unknown"), ("\ud800\x00", "unknown"),
    ],
)  # fmt: skip
def test_billing_statuses_are_normalised(billing_status: str, state: str) -> None:
    found = SubscriptionState.from_billing_status(billing_status)

    assert found == state
    assert isinstance(found, SubscriptionState)


@given(st.text(st.characters(codec=None)))
def test_any_text_has_a_state(billing_status: str) -> None:
    assert SubscriptionState.from_billing_status(billing_status) in SubscriptionState


@pytest.mark.parametrize("state", SubscriptionState)
def test_every_state_is_understood_in_its_own_words(state: SubscriptionState) -> None:
    assert SubscriptionState.from_billing_status(state.value.upper()) is state


@pytest.mark.parametrize(
    ("state", "alone", "with_id"),
    [
        # Whether subscribing could charge a second time: alone, and where VZaps took a subscription from us.
        ("trialing", False, True),
        ("active", True, True),
        ("past_due", True, True),
        ("unpaid", True, True),
        ("paused", True, True),
        ("canceled", False, False),
        ("incomplete", False, False),
        ("unknown", False, True),
    ],
)
def test_where_subscribing_could_charge_twice(state: str, *, alone: bool, with_id: bool) -> None:
    for form in (state, SubscriptionState(state)):  # as read from the database, and as just set
        assert Subscription(state=form).exists_on_vzaps is alone
        assert Subscription(state=form, vzaps_id="sub_1").exists_on_vzaps is with_id


def test_every_state_is_decided_on() -> None:
    marks = test_where_subscribing_could_charge_twice.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in marks[0].args[1]} == set(SubscriptionState.values)


@pytest.mark.parametrize(
    ("state", "billing_status", "shown"),
    [
        ("past_due", "PAST_DUE", "past due"),
        ("unknown", "GIFTED", "GIFTED"),
        ("unknown", "", "unknown"),
        ("of_a_newer_version", "", "of_a_newer_version"),
    ],
)
def test_the_state_in_words(state: str, billing_status: str, shown: str) -> None:
    assert Subscription(state=state, billing_status=billing_status).state_label == shown


@pytest.mark.django_db
def test_a_new_row_knows_nothing() -> None:
    subscription = Subscription(instance_id=7)

    assert subscription.state == SubscriptionState.UNKNOWN
    assert not subscription.exists_on_vzaps
    assert str(subscription) == "7: unknown"
