"""Who lacks a permission sees no control for it, and gets nothing by forcing one. Every URL: test_every_url."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from django_vzaps.models import Account, Instance, Operation, OperationKind, OperationOutcome
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import StaffWith, page

PERMISSIONS = ("view", "add", "change", "delete", "pair", "restart", "bill", "set_webhook")
CONTROLS = {
    "edit": "change",
    "check": "change",
    "webhook": "set_webhook",
    "restart": "restart",
    "disconnect": "pair",
    "subscribe": "bill",
    "delete": "delete",
}


@pytest.fixture
def unknown(instance: Instance) -> Operation:
    return Operation.objects.create(
        kind=OperationKind.SUBSCRIBE,
        instance=instance,
        account=instance.account,
        outcome=OperationOutcome.UNKNOWN,
        deadline=timezone.now() + timedelta(minutes=5),
        lock=f"billing:{instance.pk}",
    )


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_a_control_is_shown_to_who_may_use_it(permission: str, instance: Instance, staff_with: StaffWith) -> None:
    Instance.objects.filter(pk=instance.pk).update(connected=None)
    client = staff_with("view_instance", *({f"{permission}_instance"} - {"view_instance"}))
    html = client.get(page("instance_change", instance.pk)).content.decode()
    for name, needed in CONTROLS.items():
        assert (page(f"instance_{name}", instance.pk) in html) == (needed == permission), name
    assert (page("instance_pair", instance.pk) in html) == (permission == "pair")
    listing = client.get(page("instance_changelist")).content.decode()
    assert (page("instance_sync") in listing) == (permission == "change")
    assert (page("instance_add") in listing) == (permission == "add")
    for action, needed in {
        "sync_selected": "change",
        "restart_selected": "restart",
        "delete_on_vzaps": "delete",
    }.items():
        assert (f'value="{action}"' in listing) == (needed == permission), action


@pytest.mark.parametrize("action", ["sync_selected", "restart_selected", "delete_on_vzaps", "delete_selected"])
def test_an_action_cannot_be_forced(
    action: str, instance: Instance, staff_with: StaffWith, fake_vzaps: FakeVZaps
) -> None:
    client = staff_with("view_instance")
    client.post(page("instance_changelist"), {"action": action, "_selected_action": [instance.pk], "confirmed": "yes"})
    assert fake_vzaps.calls == []
    assert Instance.objects.get().removed_at is None


def test_settling_and_deciding_need_their_permissions(unknown: Operation, staff_with: StaffWith) -> None:
    settle, decide = page("operation_settle", unknown.pk), page("operation_decide", unknown.pk)
    looker = staff_with("view_operation")
    assert looker.post(settle).status_code == 403
    assert looker.post(decide, {"carried_out": "no"}).status_code == 403
    reader = staff_with("view_operation", "change_instance")
    assert reader.post(decide, {"carried_out": "no"}).status_code == 403
    assert reader.post(settle).status_code == 302
    assert Operation.objects.get().lock is not None
    payer = staff_with("view_operation", "bill_instance")
    assert payer.post(decide, {"carried_out": "no"}).status_code == 302
    assert Operation.objects.get().lock is None


def test_syncing_an_account_needs_both_permissions(
    account: Account, staff_with: StaffWith, fake_vzaps: FakeVZaps
) -> None:
    assert staff_with("view_account").post(page("account_sync", account.pk)).status_code == 403
    assert staff_with("change_instance").post(page("account_sync", account.pk)).status_code == 403
    assert staff_with("view_account").post(page("account_test", account.pk)).status_code == 403
    assert fake_vzaps.calls == []
    assert staff_with("view_account", "change_instance").post(page("account_sync", account.pk)).status_code == 302
    assert fake_vzaps.calls


def test_django_deletes_no_mirrored_row(instance: Instance, browser: Client) -> None:
    listing = browser.get(page("instance_changelist")).content.decode()
    assert 'value="delete_selected"' not in listing
    for model in ("event", "operation"):
        assert browser.get(page(f"{model}_add")).status_code == 403
