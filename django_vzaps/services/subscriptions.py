"""Pay for an instance, stop paying, go on paying. One billing attempt an instance at a time; none is ever repeated."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from django_vzaps.client import BillingSession, VZapsClient, VZapsError
from django_vzaps.models import Instance, Operation, OperationKind, OperationOutcome, Subscription, SubscriptionState
from django_vzaps.models.fields import storable
from django_vzaps.services import billing, mirror
from django_vzaps.services.attempts import Actor, before_sending, carry_out, deadline, open_operation
from django_vzaps.services.clients import client_for, token_of
from django_vzaps.services.errors import (
    AlreadySubscribed,
    ChangeFailed,
    OperationInProgress,
    ReadFailed,
    in_words,
)


def subscribe(instance: Instance, *, actor: Actor, idempotency_key: str | None = None) -> Operation:
    """Start the subscription. VZaps CHARGES the account's default card at once (API.md section 3.9).

    Where no card is on file VZaps may answer with a hosted checkout: ``operation.answer["url"]``; while it is open, a
    second call returns the same operation. So does one with the same ``idempotency_key``, however the first ended.
    Raises :class:`AlreadySubscribed`, :class:`OperationInProgress`, :class:`ChangeFailed` or
    :class:`OutcomeUnknown`; after the last, nothing is sent until it is settled.
    """
    try:
        return _change(
            OperationKind.SUBSCRIBE,
            instance,
            actor=actor,
            idempotency_key=idempotency_key,
            refusal=_refuse_second_subscription,
            call=lambda api: api.instances.subscribe(instance.vzaps_id, {}, instance_token=token_of(instance)),
            consequence=lambda answer: _keep_billing_session(instance, answer),
            answer=lambda answer: {
                "mode": answer.mode,
                "url": answer.url,
                "session_id": answer.session_id,
                "subscription_id": answer.subscription_id,
            },
        )
    except OperationInProgress as error:
        if error.operation is not None and error.operation.checkout_url:
            return error.operation
        raise


def cancel(instance: Instance, *, actor: Actor, idempotency_key: str | None = None) -> Operation:
    """Cancel the subscription, at once or at the end of what is paid for: VZaps does not say which (API.md 3.11)."""
    return _change(
        OperationKind.CANCEL,
        instance,
        actor=actor,
        idempotency_key=idempotency_key,
        refusal=_refuse_second_cancel,
        call=lambda api: api.instances.cancel(instance.vzaps_id, instance_token=token_of(instance)),
        answer=lambda answer: {"message": answer.message},
    )


def resume(instance: Instance, *, actor: Actor, idempotency_key: str | None = None) -> Operation:
    """Take back a cancellation that has not taken effect yet (API.md section 3.10)."""
    return _change(
        OperationKind.RESUME,
        instance,
        actor=actor,
        idempotency_key=idempotency_key,
        refusal=_refuse_needless_resume,
        call=lambda api: api.instances.resume_subscription(instance.vzaps_id, instance_token=token_of(instance)),
        answer=lambda answer: {"status": answer.status},
    )


def refresh(instance: Instance) -> Subscription:
    """Read the instance again and return its subscription as VZaps reports it. Raises :class:`ReadFailed`."""
    return _read(client_for(instance), instance)


def pending(instance: Instance) -> Operation | None:
    """The billing attempt that keeps every other one of the instance out: it runs, or is not settled yet."""
    return Operation.objects.filter(lock=billing.lock_of(instance.pk)).select_related("actor", "settled_by").first()


def _change(
    kind: OperationKind,
    instance: Instance,
    *,
    actor: Actor,
    refusal: Callable[[Subscription], ChangeFailed | None],
    call: Callable[[VZapsClient], Any],
    answer: Callable[[Any], Any],
    consequence: Callable[[Any], None] = lambda _answer: None,
    idempotency_key: str | None = None,
) -> Operation:
    api = client_for(instance)
    opened = open_operation(
        kind,
        actor=actor,
        account=instance.account,
        instance=instance,
        lock=billing.lock_of(instance.pk),
        idempotency_key=idempotency_key,
    )
    operation = opened.operation
    if not opened.is_new:
        return operation
    with before_sending(operation):
        # Under the lock, and before anything is charged: what does VZaps say now?
        try:
            subscription = _read(api, instance)
        except ReadFailed as error:
            raise ChangeFailed(
                _("Nothing was sent, because the present state could not be read first. %(why)s") % {"why": error},
                error=error.error,
            ) from error
        if refused := refusal(subscription):
            raise refused
        _claim(operation, subscription)
    carry_out(operation, lambda: call(api), consequence=consequence, answer=answer, keep_lock=True)
    with suppress(ReadFailed):  # The lock stays until a later sync has seen the effect.
        _read(api, instance)
    operation.refresh_from_db()
    return operation


def _claim(operation: Operation, baseline: Subscription) -> None:
    """The last step before sending. One that was given up while it read may have made room for another."""
    claimed = Operation.objects.filter(pk=operation.pk, outcome=OperationOutcome.RUNNING).update(
        baseline=billing.facts(baseline),
        deadline=deadline(),
    )
    if not claimed:
        raise ChangeFailed(_("Nothing was sent: reading the present state took too long. Try again."))


def _read(api: VZapsClient, instance: Instance) -> Subscription:
    asked_at = timezone.now()
    try:
        answer = api.instances.get(instance.vzaps_id)
    except VZapsError as error:
        raise ReadFailed(in_words(error), error=error) from error
    stored = mirror.store(instance.account, answer, asked_at=asked_at)
    instance.refresh_from_db()
    return Subscription.objects.get(instance=stored)


def _keep_billing_session(instance: Instance, answer: BillingSession) -> None:
    # Behind a checkout there is no subscription before somebody has paid.
    hosted = bool(answer.url) and answer.mode != "direct"
    Subscription.objects.filter(instance=instance).update(
        vzaps_id="" if hosted else storable(answer.subscription_id, 255),
        mode=storable(answer.mode, 32),
        checkout_url=storable(answer.url, 2000) if hosted else "",
        session_id=storable(answer.session_id, 255),
    )


def _refuse_second_subscription(subscription: Subscription) -> ChangeFailed | None:
    if not subscription.exists_on_vzaps:
        return None
    if subscription.cancel_at is not None:
        return AlreadySubscribed(
            _("The instance has a subscription that is cancelled for later. Resume it instead; nothing was charged.")
        )
    return AlreadySubscribed(
        _("The instance has a subscription already (%(status)s). Nothing was charged.")
        % {"status": subscription.state_label}
    )


def _refuse_second_cancel(subscription: Subscription) -> ChangeFailed | None:
    if subscription.state == SubscriptionState.CANCELED:
        return ChangeFailed(_("The subscription is cancelled already."))
    if subscription.cancel_at is not None:
        return ChangeFailed(_("The subscription is cancelled already; it ends on its own."))
    return None


def _refuse_needless_resume(subscription: Subscription) -> ChangeFailed | None:
    if subscription.state == SubscriptionState.CANCELED:
        return ChangeFailed(_("The subscription has ended and cannot be resumed. Subscribe again instead."))
    if subscription.cancel_at is None:
        return ChangeFailed(_("No cancellation is scheduled: there is nothing to resume."))
    return None
