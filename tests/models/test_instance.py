from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db.models import ProtectedError
from django.test import override_settings
from django.utils import timezone

from django_vzaps.models import Account, ConnectionState, Event, Instance, Operation, Subscription, Webhook

STALE_AFTER = 100


def state(*, asked: float | None, **facts: Any) -> ConnectionState:
    """The state of an instance whose connection was asked for ``asked`` seconds ago."""
    now = timezone.now()
    asked_at = None if asked is None else now - timedelta(seconds=asked)
    with override_settings(VZAPS={"STALE_AFTER": STALE_AFTER}):
        return Instance(connection_asked_at=asked_at, **facts).connection_state


@pytest.mark.parametrize("asked", [None, 0, 10_000])
def test_nothing_said_is_unknown_whatever_else_is_known(asked: float | None) -> None:
    assert state(asked=asked, connected=None) == ConnectionState.UNKNOWN
    assert state(asked=asked, connected=None, phone="5511", connected_at=timezone.now()) == ConnectionState.UNKNOWN


@pytest.mark.parametrize(("asked", "expected"), [
    (0, "connected"), (STALE_AFTER - 5, "connected"), (STALE_AFTER + 5, "stale"), (10**8, "stale"), (None, "stale"),
    (-60, "connected"),
])  # fmt: skip
def test_connected_is_believed_for_a_while(asked: float | None, expected: str) -> None:
    assert state(asked=asked, connected=True) == expected


@pytest.mark.parametrize("asked", [None, 0, 10**8])
def test_disconnected_stays_so_however_old(asked: float | None) -> None:
    for fact in ({"connected_at": timezone.now()}, {"whatsapp_jid": "5511@s.whatsapp.net"}, {"phone": "5511"}):
        assert state(asked=asked, connected=False, **fact) == ConnectionState.DISCONNECTED


@pytest.mark.parametrize("asked", [None, 0, 10**8])
def test_disconnected_and_never_seen_with_a_number_is_never_paired(asked: float | None) -> None:
    assert state(asked=asked, connected=False) == ConnectionState.NEVER_PAIRED


def test_every_state_has_words() -> None:
    assert [str(found.label) for found in ConnectionState] == [
        "connected", "disconnected", "stale", "never paired", "unknown",
    ]  # fmt: skip


@pytest.mark.django_db
def test_present_are_those_not_removed(instance: Instance) -> None:
    gone = Instance.objects.create(account=instance.account, vzaps_id="VZ2", removed_at=timezone.now())

    assert list(Instance.objects.present()) == [instance]
    assert list(instance.account.instances.present()) == [instance]
    assert gone in Instance.objects.all()


@pytest.mark.django_db
def test_instances_are_listed_by_name(account: Account) -> None:
    for vzaps_id, name in [("VZ1", "b"), ("VZ2", "a"), ("VZ3", "a")]:
        Instance.objects.create(account=account, vzaps_id=vzaps_id, name=name)

    assert [row.vzaps_id for row in Instance.objects.all()] == ["VZ2", "VZ3", "VZ1"]


def test_an_instance_is_shown_by_its_name_or_id() -> None:
    assert str(Instance(name="Front desk", vzaps_id="VZ1")) == "Front desk"
    assert str(Instance(name="", vzaps_id="VZ1")) == "VZ1"


@pytest.mark.django_db
def test_an_account_with_instances_is_not_deleted(instance: Instance) -> None:
    with pytest.raises(ProtectedError):
        instance.account.delete()


@pytest.mark.django_db
def test_an_owner_who_leaves_takes_nothing_along(instance: Instance) -> None:
    user = User.objects.create_user("ana")
    instance.owner = user
    instance.save()
    operation = Operation.objects.create(kind="x", deadline=timezone.now(), actor=user, instance=instance)

    user.delete()

    instance.refresh_from_db()
    operation.refresh_from_db()
    assert instance.owner is None
    assert operation.actor is None
    assert operation.instance == instance


@pytest.mark.django_db
def test_every_dangerous_verb_has_a_permission_of_its_own() -> None:
    own = Permission.objects.filter(content_type__app_label="django_vzaps", codename__endswith="_instance")

    assert {"pair_instance", "restart_instance", "bill_instance", "set_webhook_instance"} <= set(
        own.values_list("codename", flat=True)
    )


@pytest.mark.django_db
def test_rows_as_the_services_write_them_are_valid(instance: Instance) -> None:
    event = Event.objects.create(instance=instance, payload="{}")
    for row in (
        instance,
        instance.account,
        Subscription.objects.create(instance=instance),
        Webhook.objects.create(instance=instance),
        event,
        event.runs.create(handler="shop.handlers.greet"),
        Operation.objects.create(kind="instance.restart", instance=instance, deadline=timezone.now()),
    ):
        row.full_clean()
