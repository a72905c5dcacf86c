from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from django_vzaps.admin.instances import InstanceAdmin
from django_vzaps.models import Account, Instance
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import page, said, text_of


@pytest.fixture
def three(account: Account, browser: Client, fake_vzaps: FakeVZaps) -> list[Instance]:
    for name, billing_status in (("One", "TRIALING"), ("Two", "TRIALING"), ("Three", "ACTIVE")):
        fake_vzaps.add_instance(name=name, billing_status=billing_status)
    browser.post(page("instance_sync"))
    fake_vzaps.calls.clear()
    return sorted(Instance.objects.all(), key=lambda instance: ["One", "Two", "Three"].index(instance.name))


def run(browser: Client, action: str, chosen: list[Instance], **more: str) -> Any:
    form = {"action": action, "_selected_action": [instance.pk for instance in chosen], **more}
    return browser.post(page("instance_changelist"), form)


def test_restart_names_the_number_first(three: list[Instance], browser: Client, fake_vzaps: FakeVZaps) -> None:
    html = text_of(run(browser, "restart_selected", three, index="0"))
    assert "VZaps restarts 3 instances." in html
    assert "Yes, restart 3 instances" in html
    assert fake_vzaps.calls == []
    assert "3 instances restarted" in said(run(browser, "restart_selected", three, confirmed="yes"))
    assert len(fake_vzaps.calls_to("restart")) == 3
    assert LogEntry.objects.filter(change_message__startswith="Restart instance: succeeded").count() == 3


def test_one_failure_does_not_keep_the_others_back(
    three: list[Instance], browser: Client, fake_vzaps: FakeVZaps
) -> None:
    bad = three[1].vzaps_id
    fake_vzaps.faults.add(lambda request: request.route == "restart" and request.instance_id == bad, status=403)
    words = said(run(browser, "restart_selected", three, confirmed="yes"))
    assert "Two: VZaps refused" in words
    assert "2 instances restarted" in words
    assert len(fake_vzaps.calls_to("restart")) == 3


def test_delete_keeps_what_is_paid_for_unless_ticked(
    three: list[Instance], browser: Client, fake_vzaps: FakeVZaps
) -> None:
    html = text_of(run(browser, "delete_on_vzaps", three, index="0"))
    assert "VZaps deletes 3 instances for good" in html
    assert "1 of them has a subscription: Three." in html
    words = said(run(browser, "delete_on_vzaps", three, confirmed="yes"))
    assert "2 instances deleted on VZaps" in words
    assert "Three" in words
    assert [remote.name for remote in fake_vzaps.instances.values()] == ["Three"]
    run(browser, "delete_on_vzaps", three[2:], confirmed="yes", despite_subscription="yes")
    assert not fake_vzaps.instances
    assert Instance.objects.filter(removed_at__isnull=False).count() == 3


def test_sync_reads_each(three: list[Instance], browser: Client, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.instances[three[0].vzaps_id].name = "Uno"
    words = said(run(browser, "sync_selected", three[:2], index="0"))
    assert "2 instances read from VZaps" in words
    assert Instance.objects.filter(name="Uno").exists()


def test_more_than_a_page_is_refused(
    three: list[Instance], browser: Client, fake_vzaps: FakeVZaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InstanceAdmin, "list_per_page", 2)
    words = said(run(browser, "delete_on_vzaps", three, confirmed="yes"))
    assert "Choose at most 2 instances at a time. Nothing was done." in words
    assert fake_vzaps.calls == []


def test_billing_has_no_action(three: list[Instance], browser: Client) -> None:
    html = browser.get(page("instance_changelist")).content.decode()
    assert "subscribe_selected" not in html
    assert html.count('<option value="sync_selected"') == 1
