"""The webhook's secret in the admin: rotated by whoever may set the webhook, and said where it is not certain."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_vzaps.models import Instance, Operation, Webhook
from django_vzaps.services import webhooks
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import StaffWith, page, said, text_of


@pytest.fixture
def managed(fake_vzaps: FakeVZaps, instance: Instance) -> Instance:
    """An instance whose webhook this site has set; what the fake was asked for so far is forgotten."""
    webhooks.set(instance, actor=None)
    fake_vzaps.calls.clear()
    return instance


def secret(fake: FakeVZaps, instance: Instance) -> str:
    """The one that VZaps has."""
    return fake.instances[instance.vzaps_id].webhook.rpartition("/")[2]


def test_the_page_asks_and_the_button_does_it(
    managed: Instance, browser: Client, fake_vzaps: FakeVZaps, operator: User
) -> None:
    old = secret(fake_vzaps, managed)
    url = page("instance_rotate", managed.pk)

    assert "VZaps is given a new webhook URL for “<bdi>Front desk</bdi>”" in text_of(browser.get(url))
    assert fake_vzaps.calls == []
    response = browser.post(url)

    new = secret(fake_vzaps, managed)
    assert new != old
    assert response["Location"] == page("instance_change", managed.pk)
    assert "VZaps has the new URL." in said(response)
    operation = Operation.objects.latest("pk")
    assert operation.actor == operator
    assert LogEntry.objects.get(object_id=managed.pk).change_message.endswith(f"(operation {operation.pk}).")
    pages = (page("instance_change", managed.pk), page("operation_change", operation.pk))
    shown = said(response) + "".join(text_of(browser.get(each)) for each in pages)
    assert new not in shown
    assert old not in shown


def test_the_page_says_how_long_the_old_secret_lives(managed: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    url = page("instance_change", managed.pk)
    assert "accepted until" not in text_of(browser.get(url))
    browser.post(page("instance_rotate", managed.pk))
    assert "accepted until" in text_of(browser.get(url))
    Webhook.objects.update(previous_secret_expires_at=timezone.now())
    assert "accepted until" not in text_of(browser.get(url))


def test_what_was_not_seen_is_said(managed: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("webhook_get", status=400)

    response = browser.post(page("instance_rotate", managed.pk))

    assert "it could not be read back. Events to the old and to the new one are accepted" in said(response)
    assert "VZaps was not seen to have the new one." in text_of(browser.get(page("instance_change", managed.pk)))


def test_it_is_offered_where_this_site_manages_the_webhook(instance: Instance, staff_with: StaffWith) -> None:
    staff, looker = staff_with("view_instance", "set_webhook_instance"), staff_with("view_instance")
    detail, url = page("instance_change", instance.pk), page("instance_rotate", instance.pk)
    assert url not in text_of(staff.get(detail))
    webhooks.set(instance, actor=None)
    assert url in text_of(staff.get(detail))
    assert url not in text_of(looker.get(detail))
    Instance.objects.update(removed_at=timezone.now())
    assert url not in text_of(staff.get(detail))


def test_who_may_not_set_the_webhook_may_not_rotate_its_secret(
    managed: Instance, staff_with: StaffWith, fake_vzaps: FakeVZaps
) -> None:
    others = ("view", "add", "change", "delete", "pair", "restart", "bill")
    client = staff_with(*(f"{name}_instance" for name in others))
    assert client.post(page("instance_rotate", managed.pk)).status_code == 403
    assert fake_vzaps.calls == []


def test_a_webhook_of_somebody_elses_cannot_be_forced(
    instance: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    url = page("instance_rotate", instance.pk)
    assert "its secret cannot be changed here" in text_of(browser.get(url))
    assert "This site did not set the webhook" in said(browser.post(url))
    assert fake_vzaps.calls == []


@pytest.mark.parametrize("name", ["instance_webhook", "instance_add"])
def test_beside_what_comes_in_masses_stands_what_to_expect(
    name: str, instance: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    html = text_of(browser.get(page(name, *([instance.pk] if name == "instance_webhook" else []))))
    assert "HistorySync: After each pairing, the account's history in parts of up to megabytes." in html
    assert "ChatPresence: One event whenever any contact types or stops" in html
    assert "All: Every type, also HistorySync, Presence, ChatPresence." in html
