"""What the database keeps of a row by itself says the same as the model's own properties."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.utils import timezone

from django_vzaps.models import ConnectionState, Instance, Subscription, Webhook


@pytest.mark.parametrize(
    ("connected", "at", "jid", "phone", "age"),
    list(product([None, True, False], [None, 0], ["", "5511@s.whatsapp.net"], ["", "5511"], [None, 0, 3600])),
)
def test_instances_are_filtered_by_what_their_state_says(
    instance: Instance, connected: bool | None, at: int | None, jid: str, phone: str, age: int | None
) -> None:
    now = timezone.now()
    Instance.objects.filter(pk=instance.pk).update(
        connected=connected,
        connected_at=None if at is None else now,
        whatsapp_jid=jid,
        phone=phone,
        connection_asked_at=None if age is None else now - timedelta(seconds=age),
    )
    said = Instance.objects.get(pk=instance.pk).connection_state
    for state in ConnectionState:
        assert Instance.objects.all().in_connection_state(state).exists() == (state == said), state


HOOK = "example.com/in"


@pytest.mark.parametrize(
    "columns",
    [
        {"desired_events": wanted, "actual_events": found, "actual_host_and_path": where, "checked_at": asked}
        for wanted, found, where, asked in product(
            [None, ["Connected", "Message"]],
            [None, [], ["Message"], ["Connected", "Message"]],
            ["", HOOK],
            [None, timezone.now()],
        )
    ],
)
def test_webhooks_are_filtered_by_what_their_drift_says(instance: Instance, columns: dict[str, Any]) -> None:
    webhook, _made = Webhook.objects.get_or_create(instance=instance)
    Webhook.objects.filter(pk=webhook.pk).update(desired_host_and_path=HOOK, **columns)
    webhook.refresh_from_db()
    assert webhook.is_drifted == bool(webhook.drift)


def test_a_subscription_ends_when_it_is_cancelled_or_expires(instance: Instance) -> None:
    soon, later = timezone.now() + timedelta(days=1), timezone.now() + timedelta(days=9)
    Subscription.objects.get_or_create(instance=instance)
    assert Subscription.objects.get().ends_at is None
    Subscription.objects.update(expired_at=later)
    assert Subscription.objects.get().ends_at == Subscription.objects.get().expired_at
    Subscription.objects.update(cancel_at=soon)
    assert Subscription.objects.get().ends_at == Subscription.objects.get().cancel_at
