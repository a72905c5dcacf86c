"""Where VZaps sends an instance's events: set it, read it back, compare."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from django_vzaps import crypto
from django_vzaps.client import VZapsError, WebhookSettings
from django_vzaps.models import ConnectionSource, EventQueue, Instance, Operation, OperationKind, Webhook
from django_vzaps.models.webhook import Receiver
from django_vzaps.services import changes, mirror
from django_vzaps.services.attempts import Actor, before_sending, carry_out, open_operation
from django_vzaps.services.clients import client_for, token_of
from django_vzaps.services.errors import ChangeFailed, ForeignWebhook, ReadFailed, in_words
from django_vzaps.services.webhook_plans import EVENT_TYPES, Plan, can_receive, plan

__all__ = [
    "EVENT_TYPES",
    "can_receive",
    "check",
    "doubt",
    "has_open_secrets",
    "note_arrival",
    "plan",
    "refuse_foreign",
    "rotate",
    "set",
    "was_read_back",
]


def set(  # noqa: A001
    instance: Instance, *, actor: Actor, events: Sequence[str] | None = None, idempotency_key: str | None = None
) -> Operation:
    """Point the instance's webhook at this site with a new secret, read it back and compare.

    ``events``: None keeps those wanted before, or takes ``VZAPS["WEBHOOK_EVENTS"]``. The old secret is accepted until
    VZaps is seen to have the new one, and :data:`mirror.GRACE` longer; where it is not known which of two VZaps has,
    that is read first. Afterwards ``instance.webhook.drift`` says what differs, if anything does. A second call with
    the same ``idempotency_key`` sends nothing and returns the first one's operation. Raises :class:`ChangeFailed`,
    :class:`OperationInProgress`, :class:`NotConfigured` or :class:`OutcomeUnknown`.
    """
    return _point_here(instance, actor=actor, events=events, idempotency_key=idempotency_key)


def refuse_foreign(instance: Instance) -> None:
    """Read what VZaps has before a webhook is set over it that nobody here may ever have seen.

    Raises :class:`ForeignWebhook` where this site did not set it, and :class:`ReadFailed`.
    """
    webhook = Webhook.objects.filter(instance=instance).first()
    if webhook is not None and webhook.is_managed:
        return
    there = check(instance).actual_host_and_path
    if there:
        raise ForeignWebhook(
            _(
                "It has a webhook that this site did not set (%(where)s), and overwriting was not asked for. Nothing "
                "was changed."
            )
            % {"where": there}
        )


def rotate(instance: Instance, *, actor: Actor, idempotency_key: str | None = None) -> Operation:
    """Give the webhook's URL a new secret, with the events it has; events to the old URL are accepted for a while.

    Only for a webhook that this site manages. As :func:`set`; afterwards :func:`doubt` says whether VZaps was seen to
    have the new URL. Rotating once more while the old secret lives ends it at once: VZaps has the one after it.
    """
    webhook = Webhook.objects.filter(instance=instance).first()
    if webhook is None or not webhook.is_managed:
        raise ChangeFailed(
            _(
                "This site did not set the webhook of this instance, so its secret is not this site's to change. "
                "Nothing was sent. Set the webhook here first if VZaps shall send the events to this site."
            )
        )
    return _point_here(instance, actor=actor, events=None, is_rotation=True, idempotency_key=idempotency_key)


def doubt(operation: Operation) -> str:
    """What a person must know where VZaps was not seen to have the URL that ``operation`` gave it; else empty."""
    webhook = Webhook.objects.get(instance=operation.instance_id)
    if not has_open_secrets(webhook):
        return ""
    if "url" in webhook.drift:
        seen = _("VZaps accepted the new URL, but shows this: %(where)s. An event at the new URL settles it.") % {
            "where": webhook.actual_host_and_path or _("no address")
        }
    elif webhook.secret_hash != operation.baseline["webhook"]["secret_hash"]:
        seen = _("VZaps accepted the new URL, but still shows the old one.")
    else:
        seen = _("VZaps accepted the new URL, but it could not be read back.")
    return _(
        "%(seen)s Events to the old and to the new one are accepted, so none is lost, and the old secret is not dead "
        "yet: it dies %(minutes)d minutes after VZaps is seen to have the new URL. Every sync looks, and “Check now”."
    ) % {"seen": seen, "minutes": mirror.GRACE.total_seconds() // 60}


def was_read_back(operation: Operation) -> bool:
    """Whether VZaps was asked what it has since ``operation``: what was read before says nothing of it."""
    checked_at = Webhook.objects.values_list("checked_at", flat=True).get(instance=operation.instance_id)
    return checked_at is not None and checked_at >= operation.started_at


def has_open_secrets(webhook: Webhook) -> bool:
    """Whether two secrets are accepted without end, because it was not seen which of them VZaps has."""
    return webhook.has_open_secrets


def note_arrival(receiver: Receiver, secret: str) -> None:
    """An event came with ``secret``. At the newer of two URLs of which VZaps shows neither, it settles which VZaps has.

    Nobody else was ever told that URL. Where VZaps shows one of the two, reading decides. One query, and only while two
    secrets are accepted without end.
    """
    if receiver.has_open_secrets and crypto.matches(secret, receiver.secret_hash):
        same = Webhook.objects.filter(
            pk=receiver.webhook_id, secret_hash=receiver.secret_hash, previous_secret_expires_at__isnull=True
        )
        shows_neither = same.exclude(actual_host_and_path=F("desired_host_and_path"))
        shows_neither.update(previous_secret_expires_at=timezone.now() + mirror.GRACE)


def _point_here(
    instance: Instance,
    *,
    actor: Actor,
    events: Sequence[str] | None,
    is_rotation: bool = False,
    idempotency_key: str | None = None,
) -> Operation:
    api = client_for(instance)
    webhook, _made = Webhook.objects.get_or_create(instance=instance)
    EventQueue.objects.begin(instance.pk)
    planned = plan(webhook.public_id, webhook.desired_events if events is None else events)
    opened = open_operation(
        OperationKind.SET_WEBHOOK,
        actor=actor,
        account=instance.account,
        instance=instance,
        parameters={
            "events": sorted(planned.events),
            "host_and_path": planned.record["host_and_path"],
            **({"rotate": True} if is_rotation else {}),
        },
        baseline={"webhook": planned.record},
        # One at a time: two secrets can be live, a third would shut out whatever VZaps has.
        lock=f"webhook:{instance.pk}",
        idempotency_key=idempotency_key,
        # Those that were not asked for may have become others since.
        asked=["rotate"] if events is None else ["rotate", "events"],
    )
    operation = opened.operation
    if not opened.is_new:
        return operation
    with before_sending(operation):
        _find_out_present_secret(instance, may_take_over=not is_rotation)
        # Written before the call: the first event may be here before VZaps' answer is.
        before = _expect(instance, planned)
    try:
        carry_out(
            operation,
            lambda: api.webhooks.set(
                instance_id=instance.vzaps_id,
                instance_token=token_of(instance),
                webhook_url=planned.url,
                events=list(planned.events),
            ),
            consequence=lambda _answer: None,
            undo=lambda: _restore(webhook.pk, before),
        )
    finally:
        instance.webhook = Webhook.objects.get(pk=webhook.pk)
    with suppress(ReadFailed):  # Set and not read back: shown as not checked since.
        check(instance)
    return operation


def check(instance: Instance) -> Webhook:
    """Read the webhook back from VZaps and note what it is there. Raises :class:`ReadFailed`."""
    asked_at = timezone.now()
    try:
        answer = client_for(instance).webhooks.get(instance.vzaps_id, instance_token=token_of(instance))
    except VZapsError as error:
        raise ReadFailed(in_words(error), error=error) from error
    with transaction.atomic():
        Instance.objects.locked().get(pk=instance.pk)  # as every writer of these rows does
        webhook, _made = Webhook.objects.select_for_update().get_or_create(instance=instance)
        if webhook.checked_at is None or webhook.checked_at <= asked_at:
            before = {column: getattr(webhook, column) for column in changes.WEBHOOK_FIELDS}
            webhook.actual_host_and_path = mirror.seen_host_and_path(webhook, answer.webhook or "")
            webhook.actual_events = sorted(dict.fromkeys(answer.events))
            webhook.checked_at = asked_at
            _follow_secret(webhook, answer)
            webhook.save()
            found = {column: (old, getattr(webhook, column)) for column, old in before.items()}
            changed = {column: change for column, change in found.items() if change[0] != change[1]}
            changes.save(
                changes.rows(instance.pk, changed, changes.WEBHOOK_FIELDS, source=ConnectionSource.API, at=asked_at)
            )
    instance.webhook = webhook
    return webhook


def _follow_secret(webhook: Webhook, answer: WebhookSettings) -> None:
    """Keep the secret that VZaps has as the present one; the other dies, after a while, once it is of no use."""
    secret = mirror.last_segment(answer.webhook or "")
    present, previous = webhook.accepted_hashes()
    if crypto.matches(secret, present):
        if previous and webhook.previous_secret_expires_at is None:
            webhook.previous_secret_expires_at = timezone.now() + mirror.GRACE
    elif crypto.matches(secret, previous):
        webhook.secret_hash, webhook.previous_secret_hash = previous, present
        webhook.previous_secret_expires_at = None


def _find_out_present_secret(instance: Instance, *, may_take_over: bool) -> None:
    """Two secrets may be the one VZaps has, after an attempt of unknown outcome: there is no room for a third.

    ``may_take_over``: somebody wants the webhook back that VZaps shows to be on another host, so it has neither.
    """
    webhook = Webhook.objects.get(instance=instance)
    if not has_open_secrets(webhook):
        return
    try:
        webhook = check(instance)
    except ReadFailed as error:
        raise ChangeFailed(
            _("Nothing was sent, because the present webhook could not be read first. %(why)s") % {"why": error},
            error=error.error,
        ) from error
    if "url" in webhook.drift and not (may_take_over and _is_elsewhere(webhook)):
        raise ChangeFailed(
            _(
                "VZaps was given a new URL before, and shows neither that nor the one before it, but this: %(where)s. "
                "Nothing was sent: events to both are accepted, and a third one would shut out one that VZaps may "
                "have. Try again when it shows one of them, or an event came to the new one. If somebody else set "
                "this one on purpose, give VZaps a URL of another host in its web app; then set the webhook here."
            )
            % {"where": webhook.actual_host_and_path or _("no address")}
        )


def _is_elsewhere(webhook: Webhook) -> bool:
    actual, desired = (path.partition("/")[0] for path in (webhook.actual_host_and_path, webhook.desired_host_and_path))
    return bool(actual) and actual != desired


def _expect(instance: Instance, planned: Plan) -> dict[str, Any]:
    """Accept the new secret beside the present one. Returns what was there before."""
    with transaction.atomic():
        Instance.objects.locked().get(pk=instance.pk)
        webhook = Webhook.objects.get(instance=instance)
        Webhook.objects.filter(pk=webhook.pk).update(
            secret_hash=planned.record["secret_hash"],
            previous_secret_hash=webhook.secret_hash,
            previous_secret_expires_at=None,
            desired_host_and_path=planned.record["host_and_path"],
            desired_events=planned.record["events"],
        )
    return {
        column: getattr(webhook, column)
        for column in (
            "secret_hash",
            "previous_secret_hash",
            "previous_secret_expires_at",
            "desired_host_and_path",
            "desired_events",
        )
    }


def _restore(pk: int, columns: dict[str, Any]) -> None:
    Webhook.objects.filter(pk=pk).update(**columns)
