"""Create, update, restart and delete instances on VZaps, and show their tokens."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone
from django.utils.translation import gettext as _

from django_vzaps import client, conf, crypto, signals
from django_vzaps.models import (
    Account,
    ConnectionSource,
    EventQueue,
    Instance,
    Operation,
    OperationKind,
    OperationOutcome,
    Subscription,
    Webhook,
)
from django_vzaps.secret import Secret
from django_vzaps.services import billing, changes, mirror, subscriptions, webhooks
from django_vzaps.services.attempts import Actor, before_sending, carry_out, close_operation, open_operation
from django_vzaps.services.clients import client_for, token_of
from django_vzaps.services.errors import ChangeFailed, ReadFailed, ReadOnly, SubscriptionIsActive


def create(
    account: Account,
    *,
    name: str,
    actor: Actor,
    events: Sequence[str] | None = None,
    reject_calls: bool = False,
    auto_read_messages: bool = False,
    labels: Mapping[str, Any] | None = None,
    owner: AbstractBaseUser | None = None,
    idempotency_key: str | None = None,
) -> Operation:
    """Create an instance; it is ``operation.instance``. Never repeated: VZaps would make a second one (API.md 3.1).

    Where ``VZAPS["WEBHOOK_BASE_URL"]`` is set the new instance sends us its events: ``events``, or those of
    ``VZAPS["WEBHOOK_EVENTS"]``. Its webhook's id is recorded before the call, so that a creation whose answer was
    lost is found again in VZaps' list. A second call with the same ``idempotency_key`` sends nothing and returns the
    first one's operation, however that ended. Raises :class:`ChangeFailed` or :class:`OutcomeUnknown`.
    """
    api = client_for(account)
    # The answer holds a token that must be stored encrypted: find out that it cannot be before there is an instance.
    crypto.encrypt("")
    planned = webhooks.plan(uuid.uuid4(), events) if webhooks.can_receive() else None
    opened = open_operation(
        OperationKind.CREATE,
        actor=actor,
        account=account,
        parameters={
            "name": name,
            "reject_calls": reject_calls,
            "auto_read_messages": auto_read_messages,
            "labels": dict(labels or {}),
            "owner": None if owner is None else owner.pk,
            **({} if events is None else {"events": sorted(events)}),
        },
        baseline={} if planned is None else {"webhook": planned.record},
        idempotency_key=idempotency_key,
    )
    if not opened.is_new:
        return opened.operation
    operation = opened.operation
    asked_at = timezone.now()
    request: dict[str, Any] = {
        "name": name,
        "reject_calls": reject_calls,
        "auto_read_messages": auto_read_messages,
    }
    if labels:
        request["labels"] = dict(labels)
    if planned is not None:
        request |= {"webhook": planned.url, "events_subscribe": list(planned.events)}
    carry_out(
        operation,
        lambda: api.instances.create(**request),
        consequence=lambda answer: adopt(operation, mirror.store(account, answer, asked_at=asked_at)),
        answer=lambda answer: {"id": answer.id},
    )
    return operation


def adopt(operation: Operation, instance: Instance) -> None:
    """Make ``instance`` the one that ``operation`` created: its webhook is the planned one, its owner the named one.

    Once: what is done to the instance later, such as a new secret for its webhook, is not undone by a late answer.
    """
    if not Operation.objects.filter(pk=operation.pk, instance__isnull=True).update(instance=instance):
        return
    operation.instance = instance
    planned = operation.baseline.get("webhook")
    if planned is not None:
        EventQueue.objects.begin(instance.pk)
        Webhook.objects.filter(instance=instance).update(
            public_id=planned["public_id"],
            secret_hash=planned["secret_hash"],
            desired_host_and_path=planned["host_and_path"],
            desired_events=planned["events"],
        )
    if operation.parameters.get("owner") is not None and instance.owner_id is None:
        Instance.objects.filter(pk=instance.pk).update(owner=operation.parameters["owner"])
    instance.refresh_from_db()


def update(
    instance: Instance,
    *,
    actor: Actor,
    name: str | None = None,
    reject_calls: bool | None = None,
    auto_read_messages: bool | None = None,
    labels: Mapping[str, Any] | None = None,
) -> Operation:
    """Change an instance's settings on VZaps; None leaves one as it is. Only ``name`` is documented (API.md 3.6)."""
    given = {
        "name": name,
        "reject_calls": reject_calls,
        "auto_read_messages": auto_read_messages,
        "labels": None if labels is None else dict(labels),
    }
    wanted: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    api = client_for(instance)
    operation = open_operation(
        OperationKind.UPDATE,
        actor=actor,
        account=instance.account,
        instance=instance,
        parameters=wanted,
        baseline={key: getattr(instance, key) for key in wanted},
    ).operation
    asked_at = timezone.now()

    def consequence(answer: client.Instance) -> None:
        mirror.store(instance.account, answer, asked_at=asked_at)

    carry_out(
        operation,
        lambda: api.instances.update(instance.vzaps_id, instance_token=token_of(instance), **wanted),
        consequence=consequence,
    )
    instance.refresh_from_db()
    return operation


def assign(instance: Instance, owner: AbstractBaseUser | None) -> None:
    """Note whose the instance is. That is known here only: VZaps is asked and told nothing."""
    # Only this column: syncs write the others meanwhile.
    Instance.objects.filter(pk=instance.pk).update(owner=None if owner is None else owner.pk)


def restart(instance: Instance, *, actor: Actor, idempotency_key: str | None = None) -> Operation:
    """Restart the instance's runtime on VZaps (API.md section 3.7).

    A second call with the same ``idempotency_key`` sends nothing and returns the first one's operation.
    """
    api = client_for(instance)
    opened = open_operation(
        OperationKind.RESTART,
        actor=actor,
        account=instance.account,
        instance=instance,
        idempotency_key=idempotency_key,
    )
    operation = opened.operation
    if not opened.is_new:
        return operation
    carry_out(
        operation,
        lambda: api.instances.restart(instance.vzaps_id, instance_token=token_of(instance)),
        consequence=lambda _answer: None,
        answer=lambda answer: {"status": answer.status, "details": answer.details},
    )
    return operation


def delete(
    instance: Instance, *, actor: Actor, despite_subscription: bool = False, idempotency_key: str | None = None
) -> Operation:
    """Delete the instance on VZaps; the row stays, marked removed.

    A second call with the same ``idempotency_key`` sends nothing and returns the first one's operation.
    Raises :class:`SubscriptionIsActive` for an instance that is or may be paid for, unless ``despite_subscription``:
    what becomes of the subscription is not documented (API.md section 3.8), so cancel it first. VZaps is read for that
    just before.
    """
    api = client_for(instance)
    billed = Operation.objects.filter(lock=billing.lock_of(instance.pk)).first()
    if billed is not None and not despite_subscription:
        raise SubscriptionIsActive(
            _(
                "A change of the subscription of “%(instance)s” is not settled yet (operation %(pk)s: %(kind)s), so it "
                "may be paid for. Find out how it ended first, or say that you want to delete it all the same."
            )
            % {"instance": instance, "pk": billed.pk, "kind": billed.kind_label},
            operation=billed,
        )
    subscription = Subscription.objects.filter(instance=instance).first()
    if subscription is not None and not despite_subscription:
        _refuse_subscribed(instance, subscription)
    opened = open_operation(
        OperationKind.DELETE,
        actor=actor,
        account=instance.account,
        instance=instance,
        parameters={"despite_subscription": despite_subscription},
        idempotency_key=idempotency_key,
    )
    operation = opened.operation
    if not opened.is_new:
        return operation
    with before_sending(operation):
        if not despite_subscription:
            # What is known may be hours old, and somebody may have paid since, here or on VZaps' own pages.
            try:
                subscription = subscriptions.refresh(instance)
            except ReadFailed as error:
                raise ChangeFailed(
                    _("Nothing was sent, because the present state could not be read first. %(why)s") % {"why": error},
                    error=error.error,
                ) from error
            _refuse_subscribed(instance, subscription)
    carry_out(
        operation,
        lambda: api.instances.delete(instance.vzaps_id, instance_token=token_of(instance)),
        consequence=lambda _answer: mark_removed(instance),
    )
    return operation


def _refuse_subscribed(instance: Instance, subscription: Subscription) -> None:
    if subscription.exists_on_vzaps:
        raise SubscriptionIsActive(
            _(
                "“%(instance)s” has a subscription (%(state)s). What deleting the instance does to it is not "
                "documented: cancel the subscription first, or say that you want to delete it all the same."
            )
            % {"instance": instance, "state": subscription.state_label}
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Revealed:
    """A token that somebody asked to see, and the record of that."""

    operation: Operation
    token: Secret = field(repr=False)


def reveal_token(instance: Instance, *, actor: Actor) -> Revealed:
    """The instance's token, for a person to see; who did is recorded before it is decrypted. Nothing is asked of VZaps.

    ``READ_ONLY`` refuses it, though it changes nothing: a copy of production must not hand out what changes
    production, in an audit trail that nobody there reads. Raises :class:`ReadOnly`, and :class:`ChangeFailed` where
    no token is known or its encryption key is lost.
    """
    if conf.current().read_only:
        raise ReadOnly(
            _(
                "This site is set to read only (VZAPS['READ_ONLY']), as a copy of production is: it shows no tokens, "
                "with which everything can be changed. Look at the site that is not, or at VZaps' own pages."
            )
        )
    operation = open_operation(
        OperationKind.REVEAL_TOKEN, actor=actor, account=instance.account, instance=instance
    ).operation
    with before_sending(operation):
        if instance.token is None:
            raise ChangeFailed(
                _("This site does not know the token of this instance: VZaps did not send it. See VZaps' own pages.")
            )
        try:
            token = Secret(instance.token.reveal())
        except (crypto.DecryptionError, crypto.EncryptionKeyError) as error:
            raise ChangeFailed(str(error)) from error
    close_operation(operation, OperationOutcome.SUCCEEDED)
    return Revealed(operation=operation, token=token)


def mark_removed(instance: Instance) -> None:
    """Note that the instance is gone from VZaps, once."""
    now = timezone.now()
    if Instance.objects.filter(pk=instance.pk, removed_at__isnull=True).update(removed_at=now, connected=None):
        instance.removed_at, instance.connected = now, None
        changes.record_instance(instance, {"removed_at": (None, now)}, source=ConnectionSource.API, at=now)
        signals.send_on_commit(signals.instance_removed, sender=Instance, instance=instance)
