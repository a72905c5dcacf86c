"""Every URL as every kind of user: who lacks the permission neither sees the control nor can call its URL."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from django_vzaps.models import Account, Instance, Operation, OperationKind, OperationOutcome
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import StaffWith, page

PERMISSIONS = ("view", "add", "change", "delete", "pair", "restart", "bill", "set_webhook")
#: Page of an instance and the permission that opens it, besides the one to view.
PAGES = {
    "change": "view",
    "history": "view",
    "edit": "change",
    "webhook": "set_webhook",
    "rotate": "set_webhook",
    "restart": "restart",
    "disconnect": "pair",
    "subscribe": "bill",
    "cancel": "bill",
    "resume": "bill",
    "delete": "delete",
    "pair": "pair",
}
POST_ONLY = {"check": "change", "pair_poll": "pair", "pair_code": "pair"}
READS = {"token", "get", "list", "session_status", "webhook_get"}
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


def every_page(instance: Instance, operation: Operation) -> list[str]:
    names = [page(f"instance_{name}", instance.pk) for name in (*PAGES, *POST_ONLY)]
    operations = [page(f"operation_{name}", operation.pk) for name in ("change", "settle", "decide")]
    accounts = [page(f"account_{name}", instance.account_id) for name in ("change", "sync", "test")]
    models = ("account", "instance", "event", "operation", "healingrun", "faileddelivery")
    lists = [page(f"{model}_changelist") for model in models]
    return [*names, *operations, *accounts, *lists, page("instance_add"), page("instance_sync"), page("event_replay")]


def test_nobody_gets_in_without_logging_in(instance: Instance, unknown: Operation, fake_vzaps: FakeVZaps) -> None:
    client = Client()
    for url in every_page(instance, unknown):
        for response in (client.get(url), client.post(url)):
            assert response.status_code == 302
            assert response["Location"].startswith("/admin/login/")
    assert fake_vzaps.calls == []


def test_staff_without_permission_gets_nothing(
    instance: Instance, unknown: Operation, staff_with: StaffWith, fake_vzaps: FakeVZaps
) -> None:
    client = staff_with()
    for url in every_page(instance, unknown):
        assert client.get(url).status_code in (403, 405), url
        assert client.post(url).status_code == (405 if url == page("instance_change", instance.pk) else 403), url
    assert fake_vzaps.calls == []


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_one_permission_opens_its_own_pages_only(
    permission: str, instance: Instance, staff_with: StaffWith, fake_vzaps: FakeVZaps
) -> None:
    client = staff_with("view_instance", *({f"{permission}_instance"} - {"view_instance"}))
    for name, needed in PAGES.items():
        url = page(f"instance_{name}", instance.pk)
        allowed = needed in ("view", permission)
        if allowed:
            assert client.get(url).status_code == 200, url
        else:
            assert client.post(url, {"name": "Other"}).status_code == 403, url
    for name, needed in POST_ONLY.items():
        url = page(f"instance_{name}", instance.pk)
        assert (client.post(url, {"phone": "5511999998888"}).status_code == 403) == (needed != permission), url
    assert (client.post(page("instance_sync")).status_code == 403) == (permission != "change")
    assert (client.get(page("instance_add")).status_code == 403) == (permission != "add")
    assert client.get(page("instance_changelist")).status_code == 200
    changed = {call.route for call in fake_vzaps.calls} - READS
    assert changed <= ({"pair_code"} if permission == "pair" else set())


def test_permissions_without_that_to_view_open_nothing(
    instance: Instance, staff_with: StaffWith, fake_vzaps: FakeVZaps
) -> None:
    # "change" is not among them: in Django, who may change may view.
    client = staff_with(*(f"{name}_instance" for name in ("delete", "pair", "restart", "bill", "set_webhook")))
    for name in (*PAGES, *POST_ONLY):
        url = page(f"instance_{name}", instance.pk)
        assert client.post(url, {"phone": "5511999998888"}).status_code in (403, 405), url
    assert fake_vzaps.calls == []


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


@pytest.mark.parametrize("name", [name for name in PAGES if name not in ("change", "history")] + list(POST_ONLY))
def test_every_change_wants_a_csrf_token(name: str, instance: Instance, fake_vzaps: FakeVZaps) -> None:
    from django.contrib.auth.models import User

    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    assert client.post(page(f"instance_{name}", instance.pk), {"name": "Other"}).status_code == 403
    assert fake_vzaps.calls == []


def test_django_deletes_no_mirrored_row(instance: Instance, browser: Client) -> None:
    listing = browser.get(page("instance_changelist")).content.decode()
    assert 'value="delete_selected"' not in listing
    for model in ("event", "operation"):
        assert browser.get(page(f"{model}_add")).status_code == 403
