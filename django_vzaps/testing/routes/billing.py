"""Subscriptions (API.md sections 3.9 to 3.11), and what time does to them.

Where the documentation is silent the fake takes the reading that hurts most: subscribing twice charges twice.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from django_vzaps.testing.routes.table import route
from django_vzaps.testing.routes.tokens import instance_of
from django_vzaps.testing.state import Billing, Charge, Checkout, FakeInstance
from django_vzaps.testing.wire import Answer, Refusal, Request

if TYPE_CHECKING:
    from django_vzaps.testing.fake import FakeVZaps

DAY = 86_400.0
TRIAL_SECONDS = 7 * DAY
PERIOD_SECONDS = 30 * DAY


@route("subscribe", "POST", "/instances/{id}/subscribe", "owner")
def subscribe(fake: FakeVZaps, request: Request) -> Answer:
    """Charge the card on file at once, or, without one, open a hosted checkout."""
    request.json()
    instance = instance_of(fake, request)
    if fake.variants.checkout or not instance.account.card_on_file:
        session_id = f"cs_{secrets.token_hex(12)}"
        checkout = Checkout(
            session_id=session_id, instance_id=instance.id, url=f"{fake.base_url}/checkout/{session_id}"
        )
        fake.checkouts[session_id] = checkout
        return Answer.json({"url": checkout.url, "session_id": session_id, "mode": "checkout", "subscription_id": None})
    activate(fake, instance, mode="direct")
    return Answer.json(
        {"url": None, "session_id": None, "mode": "direct", "subscription_id": instance.billing.subscription_id}
    )


@route("resume", "POST", "/instances/{id}/resume-subscription", "owner")
def resume(fake: FakeVZaps, request: Request) -> Answer:
    """Take back a cancellation that has not taken effect."""
    instance = instance_of(fake, request)
    if instance.billing.cancel_at is None:
        raise Refusal(409, "nothing_to_resume", "No cancellation is scheduled.")
    change(fake, instance, replace(instance.billing, cancel_at=None))
    return Answer.json({"status": "ok"})


@route("cancel", "PUT", "/instances/{id}/cancel", "owner")
@route("cancel", "DELETE", "/instances/{id}/cancel", "owner")
def cancel(fake: FakeVZaps, request: Request) -> Answer:
    """End the subscription or the trial when the period is over; cancelling twice is no error."""
    instance = instance_of(fake, request)
    billing = instance.billing
    if billing.expired_at is not None or billing.status == "CANCELED":
        raise Refusal(409, "no_active_subscription", "There is no active subscription.")
    end = billing.period_end or billing.trial_end
    if fake.variants.immediate_cancel or end is None:
        change(fake, instance, replace(billing, status="CANCELED", cancel_at=None, expired_at=fake.clock()))
        return Answer.json({"message": "Subscription canceled."})
    change(fake, instance, replace(billing, cancel_at=end))
    return Answer.json({"message": "Subscription will be canceled at the end of the current period."})


def beginning(status: str, now: float) -> Billing:
    """The billing state of an instance that has just come to ``status``."""
    if status == "TRIALING":
        return Billing(status=status, trial_end=now + TRIAL_SECONDS)
    subscription_id = f"sub_{secrets.token_hex(12)}"
    if status == "CANCELED":
        return Billing(status=status, subscription_id=subscription_id, expired_at=now)
    return Billing(status=status, period_end=now + PERIOD_SECONDS, subscription_id=subscription_id, mode="direct")


def pay(fake: FakeVZaps, checkout: Checkout) -> None:
    """Somebody pays on a checkout page. A page that is paid for takes no second payment."""
    if not checkout.paid:
        checkout.paid = True
        activate(fake, fake.instances[checkout.instance_id], mode="checkout")


def activate(fake: FakeVZaps, instance: FakeInstance, *, mode: str) -> None:
    """Charge for a first period and make the subscription active, whatever it was before."""
    now = fake.clock()
    fake.charges.append(Charge(instance_id=instance.id, reason="subscribe" if mode == "direct" else "checkout", at=now))
    change(fake, instance, replace(beginning("ACTIVE", now), mode=mode))


def change(fake: FakeVZaps, instance: FakeInstance, billing: Billing) -> None:
    """Put a new billing state in place; the next ``fake.billing_lag`` reads still show the old one."""
    if fake.billing_lag:
        instance.shown_billing, instance.stale_reads = instance.billing, fake.billing_lag
    instance.billing = billing
    instance.updated_at = fake.clock()


def shown(instance: FakeInstance) -> Billing:
    """The billing state that a read shows. Reading counts against the lag."""
    if instance.stale_reads and instance.shown_billing:
        instance.stale_reads -= 1
        return instance.shown_billing
    return instance.billing


def settle(fake: FakeVZaps, instance: FakeInstance) -> None:
    """Let happen what has fallen due: trials end, cancellations take effect, periods renew or go unpaid."""
    now, billing = fake.clock(), instance.billing
    if billing.expired_at is not None:
        return
    end = billing.cancel_at if billing.cancel_at is not None else billing.trial_end
    if end is not None and now >= end:
        instance.billing = replace(billing, status="CANCELED", expired_at=end)
        instance.updated_at = end
        return
    while billing.status == "ACTIVE" and billing.period_end is not None and now >= billing.period_end:
        instance.updated_at = billing.period_end
        if billing.mode == "direct" and not instance.account.card_on_file:
            billing.status = "PAST_DUE"
            return
        fake.charges.append(Charge(instance_id=instance.id, reason="renewal", at=billing.period_end))
        billing.period_end += PERIOD_SECONDS
