"""Seeing a token is recorded before it is seen."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.db import transaction

from django_vzaps.models import Instance, Operation, OperationKind, OperationOutcome
from django_vzaps.services import ChangeFailed, ReadOnly, instances
from django_vzaps.testing import FakeVZaps


def test_it_is_recorded_and_nothing_is_asked(fake_vzaps: FakeVZaps, instance: Instance, operator: User) -> None:
    revealed = instances.reveal_token(instance, actor=operator)
    assert revealed.token.reveal() == fake_vzaps.instances[instance.vzaps_id].token
    operation = Operation.objects.get()
    assert (operation.kind, operation.outcome) == (OperationKind.REVEAL_TOKEN, OperationOutcome.SUCCEEDED)
    assert (operation.actor, operation.instance) == (operator, instance)
    assert revealed.token.reveal() not in repr(revealed) + str(Operation.objects.values().get())
    assert fake_vzaps.calls == []


def test_a_lost_key_is_said_and_recorded(instance: Instance, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "ENCRYPTION_KEYS": [Fernet.generate_key().decode()]}
    with pytest.raises(ChangeFailed, match="cannot be decrypted with the present ENCRYPTION_KEYS") as raised:
        instances.reveal_token(instance, actor=None)
    operation = Operation.objects.get()
    assert operation.outcome == OperationOutcome.FAILED
    assert raised.value.operation == operation


def test_a_token_that_vzaps_never_sent_is_not_there(instance: Instance) -> None:
    Instance.objects.update(token=None)
    instance.refresh_from_db()
    with pytest.raises(ChangeFailed, match="does not know the token"):
        instances.reveal_token(instance, actor=None)
    assert Operation.objects.get().outcome == OperationOutcome.FAILED


def test_a_copy_of_production_shows_none(instance: Instance, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "READ_ONLY": True}
    with pytest.raises(ReadOnly, match="it shows no tokens"):
        instances.reveal_token(instance, actor=None)
    assert not Operation.objects.exists()


def test_the_record_cannot_be_rolled_back(instance: Instance) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        instances.reveal_token(instance, actor=None)
