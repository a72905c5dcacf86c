"""Two at once, told in one thread: the secret that VZaps has is never shut out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from django_vzaps import services
from django_vzaps.crypto import hash_secret, matches
from django_vzaps.models import Instance, Webhook
from django_vzaps.services import (
    attempts,
    mirror,
    operations,
    sync,
    webhooks,
)
from django_vzaps.testing import FakeVZaps
from tests.services.conftest import answer_about, during

pytestmark = pytest.mark.django_db


def live(fake: FakeVZaps, instance: Instance) -> str:
    return fake.instances[instance.vzaps_id].webhook.rsplit("/", 1)[1]


def is_accepted(instance: Instance, secret: str, *, now: datetime | None = None) -> bool:
    return matches(secret, *Webhook.objects.get(instance=instance).accepted_hashes(now))


def test_a_new_secret_survives_a_read_that_was_under_way(
    fake_vzaps: FakeVZaps, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    early, asked_at = answer_about(instance), timezone.now()
    real = mirror.apply_webhook

    def slowly(webhook: Webhook, *args: Any, **kwargs: Any) -> Any:
        # A new secret is written between our reading the row and our writing it.
        Webhook.objects.update(secret_hash=hash_secret("new"), desired_events=["Message"])
        return real(webhook, *args, **kwargs)

    monkeypatch.setattr(mirror, "apply_webhook", slowly)
    mirror.store(instance.account, early, asked_at=asked_at)

    assert is_accepted(instance, "new")
    assert Webhook.objects.get().desired_events == ["Message"]


def test_two_who_set_the_webhook_in_turn_shut_nobody_out(
    fake_vzaps: FakeVZaps, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhooks.set(instance, actor=None)
    real = attempts.open_operation

    def after_another(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(webhooks, "open_operation", real)
        webhooks.set(Instance.objects.get(), actor=None)
        return real(*args, **kwargs)

    monkeypatch.setattr(webhooks, "open_operation", after_another)
    fake_vzaps.faults.add(_second("webhook_set"), status=400)

    with pytest.raises(services.ChangeFailed):
        webhooks.set(instance, actor=None)

    assert is_accepted(instance, live(fake_vzaps, instance))


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_decision_without_looking_shuts_nobody_out(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User, carried_out: bool
) -> None:
    webhooks.set(instance, actor=None)
    for _ in range(2):
        fake_vzaps.faults.add("webhook_set", status=502, carried_out=carried_out)
        with pytest.raises(services.OutcomeUnknown) as caught:
            webhooks.set(instance, actor=None)
        assert is_accepted(instance, live(fake_vzaps, instance))
        assert caught.value.operation is not None
        operations.decide(caught.value.operation, carried_out=not carried_out, actor=operator)


def test_a_third_secret_waits_until_it_is_known_which_of_two_vzaps_has(
    fake_vzaps: FakeVZaps, instance: Instance, operator: User
) -> None:
    webhooks.set(instance, actor=None)
    fake_vzaps.faults.add("webhook_set", status=502)
    with pytest.raises(services.OutcomeUnknown) as caught:
        webhooks.set(instance, actor=None)
    assert caught.value.operation is not None
    operations.decide(caught.value.operation, carried_out=False, actor=operator)
    fake_vzaps.faults.add("webhook_get", status=400)

    with pytest.raises(services.ChangeFailed, match="Nothing was sent"):
        webhooks.set(instance, actor=None)

    assert len(fake_vzaps.calls_to("webhook_set")) == 2
    webhooks.set(instance, actor=None)
    assert is_accepted(instance, live(fake_vzaps, instance))


def test_a_secret_that_vzaps_turns_out_to_have_after_all_lives_on(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    """The old URL was read twice, then VZaps got round to the new one."""
    webhooks.set(instance, actor=None)
    remote = fake_vzaps.instances[instance.vzaps_id]
    old = remote.webhook
    fake_vzaps.faults.add("webhook_set", drop=True)
    with pytest.raises(services.OutcomeUnknown):
        webhooks.set(instance, actor=None)
    new, remote.webhook = remote.webhook, old
    webhooks.check(instance)
    webhooks.check(instance)

    remote.webhook = new
    webhooks.check(instance)

    assert is_accepted(instance, live(fake_vzaps, instance), now=timezone.now() + timedelta(days=1))
    assert instance.webhook.drift == ()


def test_a_webhook_read_earlier_does_not_overwrite_one_read_later(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    remote = fake_vzaps.instances[instance.vzaps_id]
    remote.webhook = "https://one.example.org/"

    def meanwhile(*_call: object) -> None:
        remote.webhook = "https://two.example.org/"
        sync.sync_account(instance.account)

    during(fake_vzaps, "webhook_get", meanwhile)
    webhooks.check(instance)

    assert Webhook.objects.get().actual_host_and_path == "two.example.org/"


def test_a_list_read_earlier_does_not_overwrite_the_webhook_read_later(
    fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    early, asked_at = answer_about(instance), timezone.now()
    fake_vzaps.instances[instance.vzaps_id].webhook = "https://one.example.org/"
    webhooks.check(instance)

    mirror.store(instance.account, replace(early, webhook="https://old.example.org/"), asked_at=asked_at)

    assert Webhook.objects.get().actual_host_and_path == "one.example.org/"


def _second(route: str) -> Callable[[Any], bool]:
    calls: list[object] = []

    def applies(request: Any) -> bool:
        if request.route == route:
            calls.append(request)
        return request.route == route and len(calls) == 2

    return applies


def test_a_page_on_which_nothing_changed_ends_the_life_of_an_old_secret_too(
    fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    webhooks.set(instance, actor=None, events=["Message"])
    sync.sync_account(instance.account)
    remote = fake_vzaps.instances[instance.vzaps_id]
    updated_at = remote.updated_at
    fake_vzaps.faults.add("webhook_get", status=404)
    webhooks.rotate(instance, actor=None)
    remote.updated_at = updated_at
    assert Webhook.objects.get().has_open_secrets

    sync.sync_account(instance.account)

    assert not Webhook.objects.get().has_open_secrets


def test_an_old_secret_lives_on_where_another_one_was_written_since_it_was_seen_to_be_old(
    fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    webhooks.set(instance, actor=None)
    webhooks.rotate(instance, actor=None)
    Webhook.objects.update(previous_secret_expires_at=None)
    answer, seen = answer_about(instance), Webhook.objects.get()
    # A third one, of which nobody knows whether VZaps took it: the second must stay alive.
    Webhook.objects.update(secret_hash="3" * 64, previous_secret_hash=seen.secret_hash)

    assert seen.checked_at is not None
    mirror.let_old_secrets_die([(seen, answer)], asked_at=seen.checked_at)

    assert Webhook.objects.get().has_open_secrets
