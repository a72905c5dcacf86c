"""Bulk actions: what the page before names is what is done, once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from django_vzaps.admin.instances import actions, selection
from django_vzaps.models import Account, Batch, Instance, Subscription, Webhook
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import StaffWith, page, said, text_of


@pytest.fixture
def three(account: Account, browser: Client, fake_vzaps: FakeVZaps) -> list[Instance]:
    for name, billing_status in (("One", "TRIALING"), ("Two", "TRIALING"), ("Three", "ACTIVE")):
        fake_vzaps.add_instance(name=name, billing_status=billing_status)
    browser.post(page("instance_sync"))
    Batch.objects.all().delete()
    LogEntry.objects.all().delete()
    fake_vzaps.calls.clear()
    return sorted(Instance.objects.all(), key=lambda instance: ["One", "Two", "Three"].index(instance.name))


@pytest.fixture
def _only_one_and_two(settings: Any) -> Iterator[None]:
    def scope(_user: object, instances: QuerySet[Instance]) -> QuerySet[Instance]:
        return instances.filter(name__in=["One", "Two"])

    settings.VZAPS["INSTANCE_SCOPE"] = scope
    yield
    del settings.VZAPS["INSTANCE_SCOPE"]


def choose(browser: Client, action: str, chosen: list[Instance], query: str = "", **more: str) -> Any:
    form = {"action": action, "_selected_action": [instance.pk for instance in chosen], "index": "0", **more}
    return browser.post(page("instance_changelist") + query, form)


def fields(html: str) -> dict[str, str]:
    """What the hidden fields of the confirmation say."""
    return dict(re.findall(r'<input type="hidden" name="(selection|figures|public_id)" value="([^"]*)"', html))


def confirm(browser: Client, kind: str, html: str, **more: Any) -> Any:
    return browser.post(page(f"instance_bulk_{kind}"), {**fields(html), **more})


def states(batch: Batch) -> dict[str, str]:
    return dict(batch.items.values_list("instance__name", "state"))


def test_restart_names_the_number_first(three: list[Instance], browser: Client, fake_vzaps: FakeVZaps) -> None:
    html = text_of(choose(browser, "restart_selected", three))
    assert "VZaps restarts 3 instances." in html
    assert "Yes, restart 3 instances" in html
    assert fake_vzaps.calls == []
    assert not Batch.objects.exists()

    response = confirm(browser, "restart", html)

    batch = Batch.objects.get()
    assert response["Location"] == page("batch_change", batch.pk)
    assert f'<a href="{response["Location"]}">Restart #{batch.pk}</a>: 3 of 3 done.' in said(response)
    assert len(fake_vzaps.calls_to("restart")) == 3


def test_it_is_in_the_history_of_the_batch_and_of_each(
    three: list[Instance], browser: Client, fake_vzaps: FakeVZaps
) -> None:
    confirm(browser, "restart", text_of(choose(browser, "restart_selected", three)))
    batch = Batch.objects.get()
    assert LogEntry.objects.filter(change_message=f"Restart #{batch.pk}: asked for, 3 in all.").count() == 4
    for url in (page("batch_history", batch.pk), page("instance_history", three[0].pk)):
        assert f"Restart #{batch.pk}: asked for" in text_of(browser.get(url))


def test_a_form_sent_twice_starts_one_batch(three: list[Instance], browser: Client, fake_vzaps: FakeVZaps) -> None:
    html = text_of(choose(browser, "restart_selected", three))
    first, second = (confirm(browser, "restart", html) for _ in range(2))
    assert first["Location"] == second["Location"] == page("batch_change", Batch.objects.get().pk)
    assert len(fake_vzaps.calls_to("restart")) == 3


def test_one_failure_does_not_keep_the_others_back(
    three: list[Instance], browser: Client, fake_vzaps: FakeVZaps
) -> None:
    bad = three[1].vzaps_id
    fake_vzaps.faults.add(lambda request: request.route == "restart" and request.instance_id == bad, status=403)
    words = said(confirm(browser, "restart", text_of(choose(browser, "restart_selected", three))))
    assert "2 of 3 done, 1 failed" in words
    assert states(Batch.objects.get()) == {"One": "succeeded", "Two": "failed", "Three": "succeeded"}


def test_delete_leaves_what_is_paid_for_unless_ticked(
    three: list[Instance], browser: Client, fake_vzaps: FakeVZaps
) -> None:
    html = text_of(choose(browser, "delete_on_vzaps", three))
    assert "VZaps deletes 2 instances for good" in html
    assert "1 of those you chose has a subscription, and is left out unless you tick this." in html
    confirm(browser, "delete", html)
    assert [remote.name for remote in fake_vzaps.instances.values()] == ["Three"]
    html = text_of(choose(browser, "delete_on_vzaps", three[2:]))
    assert "for good" not in html
    assert "There is nothing to do" in said(confirm(browser, "delete", html))
    confirm(browser, "delete", html, despite_subscription="on")
    assert not fake_vzaps.instances
    assert Instance.objects.filter(removed_at__isnull=False).count() == 3


@pytest.mark.parametrize("state", ["unknown", "trialing", "canceled"])
def test_what_vzaps_took_a_subscription_for_is_paid_for_too(state: str, three: list[Instance], browser: Client) -> None:
    Subscription.objects.filter(instance=three[0]).update(state=state, vzaps_id="sub_1")
    html = text_of(choose(browser, "delete_on_vzaps", three))
    paid_for = Subscription.objects.get(instance=three[0]).exists_on_vzaps
    assert paid_for == (state != "canceled")
    assert ("2 of those you chose have a subscription" in html) == paid_for


def test_set_webhook_says_whose_it_would_overwrite(
    three: list[Instance], browser: Client, fake_vzaps: FakeVZaps
) -> None:
    theirs, moved, fresh = three
    fake_vzaps.instances[theirs.vzaps_id].webhook = "https://crm.example.org/in"
    Webhook.objects.update_or_create(
        instance=theirs, defaults={"actual_host_and_path": "crm.example.org/in", "checked_at": timezone.now()}
    )
    confirm(browser, "set_webhook", text_of(choose(browser, "set_webhook_selected", [moved])))
    Webhook.objects.filter(instance=moved).update(actual_host_and_path="elsewhere.example.org/in")

    html = text_of(choose(browser, "set_webhook_selected", three))

    assert "VZaps is told to send the events of 2 instances to this site" in html
    assert "1 of those you chose has a webhook that this site did not set, and is left out" in html
    assert "This site set the webhook of 1 of them, but VZaps shows another address" in html
    assert "where none were, these: Message, ReadReceipt, Connected, Disconnected." in html
    confirm(browser, "set_webhook", html)
    assert states(Batch.objects.latest("pk")) == {"Two": "succeeded", "Three": "succeeded"}
    assert fake_vzaps.instances[theirs.vzaps_id].webhook == "https://crm.example.org/in"
    confirm(
        browser,
        "set_webhook",
        text_of(choose(browser, "set_webhook_selected", three)),
        overwrite="on",
        events=["Connected", "Message"],
    )
    assert set(states(Batch.objects.latest("pk")).values()) == {"succeeded"}
    assert fake_vzaps.instances[theirs.vzaps_id].webhook.startswith("https://hooks.example.test/")
    assert sorted(fake_vzaps.instances[fresh.vzaps_id].events) == ["Connected", "Message"]


def test_without_an_address_no_webhook_is_offered_to_be_set(
    three: list[Instance], browser: Client, settings: Any
) -> None:
    settings.VZAPS = {**settings.VZAPS, "WEBHOOK_BASE_URL": ""}
    assert "VZAPS['WEBHOOK_BASE_URL'] is not set" in said(choose(browser, "set_webhook_selected", three))


@pytest.mark.parametrize("action", ["restart_selected", "set_webhook_selected", "delete_on_vzaps"])
def test_read_only_is_said_before_anything_is_asked(
    action: str, three: list[Instance], browser: Client, settings: Any
) -> None:
    settings.VZAPS = {**settings.VZAPS, "READ_ONLY": True}
    assert "set to read only" in said(choose(browser, action, three))
    assert "2 of 2 done" in said(choose(browser, "sync_selected", three[:2]))


def test_sync_reads_a_few_at_once(three: list[Instance], browser: Client, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.instances[three[0].vzaps_id].name = "Uno"
    response = choose(browser, "sync_selected", three[:2], "?q=*o")
    assert "Read from VZaps #" in said(response)
    assert "2 of 2 done" in said(response)
    assert response["Location"].endswith("?q=*o")
    assert Instance.objects.filter(name="Uno").exists()


def test_sync_asks_before_it_reads_many(
    three: list[Instance], browser: Client, fake_vzaps: FakeVZaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "SYNC_WITHOUT_ASKING", 2)
    html = text_of(choose(browser, "sync_selected", three))
    assert "3 instances are read from VZaps, with one question each." in html
    assert fake_vzaps.calls == []
    confirm(browser, "sync", html)
    assert len(fake_vzaps.calls_to("get")) == 3


def test_all_across_pages_are_those_of_the_filter(
    account: Account, browser: Client, fake_vzaps: FakeVZaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin.site.get_model_admin(Instance), "list_per_page", 10)
    for number in range(30):
        fake_vzaps.add_instance(name=f"Shop {number:03}")
    fake_vzaps.add_instance(name="Office")
    browser.post(page("instance_sync"))
    first = list(Instance.objects.filter(name__startswith="Shop"))[:1]

    html = text_of(choose(browser, "restart_selected", first, "?q=Shop", select_across="1"))

    assert "Yes, restart 30 instances" in html
    assert html.count("<li><bdi>Shop") == selection.NAMED
    assert "and 10 more" in html
    confirm(browser, "restart", html)
    batch = Batch.objects.latest("pk")
    assert batch.total == 30
    assert [item.instance.name for item in batch.items.select_related("instance")[:2] if item.instance] == [
        "Shop 000",
        "Shop 001",
    ]
    assert "Office" not in states(batch)


def test_what_changed_since_the_question_is_said_before_anything_is_done(
    three: list[Instance], browser: Client, fake_vzaps: FakeVZaps
) -> None:
    html = text_of(choose(browser, "restart_selected", three))
    Instance.objects.filter(pk=three[0].pk).update(removed_at=timezone.now())

    response = confirm(browser, "restart", html)

    assert response.status_code == 200
    html = text_of(response)
    assert "What you chose has changed since you were asked." in html
    assert "Yes, restart 2 instances" in html
    assert "1 more that you chose is gone from VZaps, and left out." in html
    assert fake_vzaps.calls == []
    confirm(browser, "restart", html)
    assert states(Batch.objects.get()) == {"Two": "succeeded", "Three": "succeeded"}


def test_one_that_is_paid_for_since_the_question_is_not_deleted(
    three: list[Instance], browser: Client, fake_vzaps: FakeVZaps
) -> None:
    html = text_of(choose(browser, "delete_on_vzaps", three))
    Subscription.objects.filter(instance=three[0]).update(state="active")
    again = confirm(browser, "delete", html, despite_subscription="on")
    assert "2 of those you chose have a subscription" in text_of(again)
    assert "checked" in text_of(again)
    assert not fake_vzaps.calls_to("delete")


@pytest.mark.usefixtures("_only_one_and_two")
def test_out_of_scope_is_neither_named_nor_done(three: list[Instance], browser: Client, fake_vzaps: FakeVZaps) -> None:
    html = text_of(choose(browser, "restart_selected", three))
    assert "Yes, restart 2 instances" in html
    assert "Three" not in html
    forged = fields(html) | {"selection": selection.packed(instance.pk for instance in three)}
    confirm(browser, "restart", "", **forged)
    assert states(Batch.objects.get()) == {"One": "succeeded", "Two": "succeeded"}


@pytest.mark.parametrize("damage", ["selection", "public_id", "figures", "garbage", "bomb"])
def test_a_damaged_form_does_nothing(damage: str, three: list[Instance], browser: Client) -> None:
    given = fields(text_of(choose(browser, "restart_selected", three)))
    match damage:
        case "garbage":
            given["selection"] = "not a selection"
        case "bomb":
            given["selection"] = selection.packed(range(0, 40_000_000, 4_000_000))[:-4]
        case name:
            del given[name]
    assert "Choose the instances again." in said(confirm(browser, "restart", "", **given))
    assert not Batch.objects.exists()


@given(st.sets(st.integers(min_value=1, max_value=2**63 - 1)))
def test_a_selection_is_unpacked_as_it_was(pks: set[int]) -> None:
    assert selection.unpacked(selection.packed(pks)) == sorted(pks)


def test_a_hundred_thousand_fit_into_a_form() -> None:
    assert len(selection.packed(range(1, 300_000, 3))) < 10_000


def test_a_selection_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    text = selection.packed(range(1, 1000))
    monkeypatch.setattr(selection, "_LONGEST", 100)
    with pytest.raises(ValueError, match="too long"):
        selection.unpacked(text)


def test_as_many_queries_for_many_as_for_few(three: list[Instance], account: Account, browser: Client) -> None:
    def queries(action: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert choose(browser, action, three, select_across="1").status_code == 200
        return len(captured)

    kinds = ("restart_selected", "set_webhook_selected", "delete_on_vzaps")
    few = [queries(action) for action in kinds]
    Instance.objects.bulk_create(
        [Instance(account=account, vzaps_id=f"VZ{number}", name=f"N{number}") for number in range(300)]
    )
    assert [queries(action) for action in kinds] == few


@pytest.mark.parametrize(
    ("kind", "action", "permission"),
    [
        ("sync", "sync_selected", "change_instance"),
        ("restart", "restart_selected", "restart_instance"),
        ("set_webhook", "set_webhook_selected", "set_webhook_instance"),
        ("delete", "delete_on_vzaps", "delete_instance"),
    ],
)
def test_each_needs_its_permission(
    kind: str, action: str, permission: str, three: list[Instance], staff_with: StaffWith, fake_vzaps: FakeVZaps
) -> None:
    chosen = {
        "selection": selection.packed([three[0].pk]),
        "figures": "1/0",
        "public_id": "7b0b9d4e-7a6f-4a0e-9b9e-0f6c3e1f2a3b",
    }
    url = page(f"instance_bulk_{kind}")
    looker = staff_with("view_instance")
    assert f'value="{action}"' not in text_of(looker.get(page("instance_changelist")))
    assert looker.post(url, chosen).status_code == 403
    assert staff_with(*({permission} - {"change_instance"})).post(url, chosen).status_code == 403
    assert fake_vzaps.calls == []
    allowed = staff_with("view_instance", permission)
    assert f'value="{action}"' in text_of(allowed.get(page("instance_changelist")))
    assert allowed.get(url).status_code == 405
    response = allowed.post(url, chosen)
    assert response["Location"] == page("batch_change", Batch.objects.get().pk)
    assert allowed.get(response["Location"]).status_code == 200
    assert fake_vzaps.calls


def test_a_strangers_names_stay_words(account: Account, browser: Client) -> None:
    evil = "<script>alert(1)</script>\u202e" + "x" * 200
    Instance.objects.create(account=account, vzaps_id="VZ1", name=evil, phone="<script>")
    html = choose(browser, "restart_selected", list(Instance.objects.all())).content.decode()
    assert "<script>alert" not in html
    assert "<li><bdi>&lt;script&gt;alert(1)&lt;/script&gt;\u202e" in html


def test_billing_has_no_action(three: list[Instance], browser: Client) -> None:
    html = browser.get(page("instance_changelist")).content.decode()
    assert re.findall(r'<option value="(\w+)"', html.split('name="action"')[1].split("</select>")[0]) == [
        "sync_selected",
        "restart_selected",
        "set_webhook_selected",
        "delete_on_vzaps",
    ]
