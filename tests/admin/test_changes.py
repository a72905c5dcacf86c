from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client

from django_vzaps.models import Account, Instance, Operation, OperationKind, OperationOutcome
from django_vzaps.services import webhooks
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import page, said, text_of


def new(account: Account, **values: object) -> dict[str, object]:
    return {
        "account": account.pk,
        "name": "Front desk",
        "events": ["Message", "Connected"],
        "idempotency_key": str(uuid.uuid4()),
        **values,
    }


def history(instance: Instance | Operation) -> list[str]:
    return [entry.change_message for entry in LogEntry.objects.filter(object_id=instance.pk)]


def test_add_creates_on_vzaps(account: Account, browser: Client, fake_vzaps: FakeVZaps, operator: User) -> None:
    response = browser.post(page("instance_add"), new(account, reject_calls="on"))
    (remote,) = fake_vzaps.instances.values()
    instance = Instance.objects.get()
    assert (remote.name, remote.reject_calls, sorted(remote.events)) == ("Front desk", True, ["Connected", "Message"])
    assert response["Location"] == page("instance_change", instance.pk)
    assert "“Front desk” is created on VZaps." in said(response)
    assert Operation.objects.get().actor == operator
    assert history(instance) == [f"Create instance: succeeded (operation {Operation.objects.get().pk})."]
    assert LogEntry.objects.get().user == operator


def test_a_second_click_creates_nothing(account: Account, browser: Client, fake_vzaps: FakeVZaps) -> None:
    form = new(account)
    browser.post(page("instance_add"), form)
    browser.post(page("instance_add"), form)
    assert len(fake_vzaps.calls_to("create")) == 1
    assert Instance.objects.count() == 1


def test_each_add_page_has_a_key_of_its_own(account: Account, browser: Client) -> None:
    keys = {browser.get(page("instance_add")).context["adminform"].form["idempotency_key"].value() for _ in range(2)}
    assert len(keys) == 2


@pytest.mark.parametrize("values", [{"name": "ab"}, {"name": ""}, {"events": []}, {"events": ["Receipt"]}])
def test_a_wrong_form_is_not_sent(
    values: dict[str, object], account: Account, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    response = browser.post(page("instance_add"), new(account, **values))
    assert "Please correct the error" in text_of(response)
    assert fake_vzaps.calls == []
    assert not Operation.objects.exists()


def test_a_refused_creation_can_be_corrected_and_sent_again(
    account: Account, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.faults.add("create", status=422)
    form = new(account)
    response = browser.post(page("instance_add"), form)
    assert "Nothing was changed on VZaps." in said(response)
    bound = response.context["adminform"].form
    assert bound["name"].value() == "Front desk"
    browser.post(page("instance_add"), form | {"idempotency_key": bound["idempotency_key"].value()})
    assert Instance.objects.get().name == "Front desk"


def test_a_creation_whose_answer_is_lost_is_not_offered_again(
    account: Account, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.faults.add("create", drop=True)
    response = browser.post(page("instance_add"), new(account))
    operation = Operation.objects.get()
    assert response["Location"] == page("instance_changelist")
    assert operation.outcome == OperationOutcome.UNKNOWN
    assert "press “Find out” before you try again" in said(response)
    assert f'href="{page("operation_change", operation.pk)}"' in said(response)
    assert "create instance" in text_of(browser.get(page("operation_change", operation.pk)))


def test_who_may_only_add_gets_no_further(account: Account, staff_with: object, fake_vzaps: FakeVZaps) -> None:
    response = staff_with("add_instance").post(page("instance_add"), new(account))  # type: ignore[operator]
    assert response["Location"] == "/admin/"
    assert Instance.objects.count() == 1


def test_edit_sends_only_what_was_changed(instance: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    url = page("instance_edit", instance.pk)
    response = browser.post(url, {"name": "Front desk", "reject_calls": "on"})
    assert "The settings are changed on VZaps." in said(response)
    (call,) = fake_vzaps.calls_to("update")
    assert call.body == {"reject_calls": True}
    instance.refresh_from_db()
    assert instance.reject_calls is True
    browser.post(url, {"name": "Front desk", "reject_calls": "on"})
    assert len(fake_vzaps.calls_to("update")) == 1


def test_a_refused_edit_keeps_what_was_typed(instance: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("update", status=400)
    response = browser.post(page("instance_edit", instance.pk), {"name": "Better name"})
    assert 'value="Better name"' in text_of(response)
    assert "VZaps did not accept the values" in said(response)
    instance.refresh_from_db()
    assert instance.name == "Front desk"


@pytest.mark.parametrize(
    ("name", "route"), [("restart", "restart"), ("disconnect", "disconnect"), ("delete", "delete")]
)
def test_asks_first_and_does_it_then(
    name: str, route: str, instance: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    url = page(f"instance_{name}", instance.pk)
    assert "“<bdi>Front desk</bdi>”" in text_of(browser.get(url))
    assert not fake_vzaps.calls_to(route)
    response = browser.post(url)
    assert len(fake_vzaps.calls_to(route)) == 1
    assert response["Location"] == page("instance_change", instance.pk)
    assert history(instance)[-1].endswith(f"succeeded (operation {Operation.objects.get().pk}).")


def test_a_deleted_instance_stays_to_be_looked_at(instance: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    browser.post(page("instance_delete", instance.pk))
    assert not fake_vzaps.instances
    html = text_of(browser.get(page("instance_change", instance.pk)))
    assert "gone from VZaps" in html
    fake_vzaps.calls.clear()
    for name in ("restart", "subscribe", "delete", "edit", "webhook", "pair", "pair_code"):
        assert page(f"instance_{name}", instance.pk) not in html
        response = browser.post(page(f"instance_{name}", instance.pk), {"name": "Other"})
        assert "it can only be looked at" in said(response)
    assert fake_vzaps.calls == []


def test_deleting_what_is_paid_for_wants_a_tick(account: Account, browser: Client, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.add_instance(name="Paid for", billing_status="ACTIVE")
    browser.post(page("instance_sync"))
    instance = Instance.objects.get()
    url = page("instance_delete", instance.pk)
    assert "It has a subscription." in text_of(browser.get(url))
    response = browser.post(url)
    assert "has a subscription" in said(response)
    assert not fake_vzaps.calls_to("delete")
    browser.post(url, {"despite_subscription": "on"})
    assert len(fake_vzaps.calls_to("delete")) == 1


def test_a_failure_is_said_and_logged(instance: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("restart", status=403)
    response = browser.post(page("instance_restart", instance.pk))
    assert "VZaps refused" in said(response)
    assert "Nothing was changed on VZaps." in said(response)
    assert history(instance) == [f"Restart instance: failed (operation {Operation.objects.get().pk})."]


def test_a_read_only_site_changes_nothing(
    instance: Instance, browser: Client, fake_vzaps: FakeVZaps, settings: object
) -> None:
    settings.VZAPS = {**settings.VZAPS, "READ_ONLY": True}  # type: ignore[attr-defined]
    for name in ("restart", "disconnect", "delete", "pair"):
        browser.post(page(f"instance_{name}", instance.pk))
    response = browser.post(page("instance_restart", instance.pk))
    assert "read only" in said(response)
    assert not {call.route for call in fake_vzaps.calls} & {"restart", "disconnect", "delete", "qr"}


@pytest.fixture
def atomic_requests(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    return  # type: ignore[return-value]


def test_everything_works_under_atomic_requests(
    atomic_requests: None, instance: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    pk = instance.pk
    browser.post(page("instance_add"), new(instance.account, name="Another"))
    browser.post(page("instance_edit", pk), {"name": "Renamed"})
    for name in ("webhook", "check", "subscribe", "cancel", "resume", "restart", "disconnect", "pair", "pair_poll"):
        form = {"events": ["Message"], "idempotency_key": str(uuid.uuid4()), "qr": "1"}
        assert browser.post(page(f"instance_{name}", pk), form).status_code in (200, 302), name
    browser.post(page("instance_pair_code", pk), {"phone": "5511999990000"})
    browser.post(
        page("instance_changelist"), {"action": "restart_selected", "_selected_action": [pk], "confirmed": "1"}
    )
    fake_vzaps.scan(instance.vzaps_id)
    fake_vzaps.receive(instance.vzaps_id)
    browser.post(
        page("instance_send", pk), {"phone": "5511999990000", "text": "x", "idempotency_key": str(uuid.uuid4())}
    )
    browser.post(page("instance_token", pk))
    log = fake_vzaps.logs(instance.vzaps_id)
    browser.post(page("instance_deliver_again", pk), {"log_id": log[0].id, "idempotency_key": str(uuid.uuid4())})
    browser.post(page("instance_sync"))
    browser.post(page("account_sync", instance.account_id))
    browser.post(page("instance_delete", pk), {"despite_subscription": "on"})
    outcomes = dict(Operation.objects.values_list("kind", "outcome"))
    assert set(outcomes) == set(OperationKind.values)
    assert set(outcomes.values()) == {OperationOutcome.SUCCEEDED}
    operation = Operation.objects.latest("pk")
    Operation.objects.filter(pk=operation.pk).update(outcome=OperationOutcome.UNKNOWN)
    browser.post(page("operation_settle", operation.pk))
    operation.refresh_from_db()
    assert operation.outcome == OperationOutcome.SUCCEEDED


def test_without_a_public_address_instances_are_created_without_events(
    account: Account, browser: Client, fake_vzaps: FakeVZaps, settings: object
) -> None:
    settings.VZAPS = {**settings.VZAPS, "WEBHOOK_BASE_URL": ""}  # type: ignore[attr-defined]
    assert not webhooks.can_receive()
    browser.post(page("instance_add"), new(account))
    instance = Instance.objects.get()
    assert "set VZAPS['WEBHOOK_BASE_URL'] first" in text_of(browser.get(page("instance_webhook", instance.pk)))
    response = browser.post(page("instance_webhook", instance.pk), {"events": ["Message"]})
    assert "VZAPS['WEBHOOK_BASE_URL'] is not set" in said(response)


def test_an_instance_that_is_not_there_is_not_found(db: None, browser: Client) -> None:
    names = ("edit", "webhook", "check", "restart", "delete", "pair", "pair_poll", "pair_code")
    for name in (*names, *(f"check_{section}" for section in ("identity", "connection", "billing", "webhook"))):
        assert browser.post(page(f"instance_{name}", 12345)).status_code == 404
    assert browser.post(page("account_sync", 12345)).status_code == 404
    assert browser.post(page("operation_settle", 12345)).status_code == 404
