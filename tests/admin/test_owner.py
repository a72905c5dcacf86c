"""Whose an instance is: said here, and to VZaps not at all."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.test import Client

from django_vzaps.models import Instance, Operation
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import StaffWith, page, said, text_of


def test_it_is_given_and_taken(instance: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    bia = User.objects.create_user("bia")
    url = page("instance_owner", instance.pk)
    response = browser.post(url, {"owner": "bia"})
    assert response["Location"] == page("instance_change", instance.pk)
    assert "The owner is now: bia." in said(response)
    instance.refresh_from_db()
    assert instance.owner == bia
    assert LogEntry.objects.get().change_message == "Owner: bia."
    assert 'value="bia"' in text_of(browser.get(url))
    browser.post(url, {"owner": ""})
    instance.refresh_from_db()
    assert instance.owner is None
    assert fake_vzaps.calls == []
    assert not Operation.objects.exists()


def test_a_name_that_is_nobodys_is_said(instance: Instance, browser: Client) -> None:
    response = browser.post(page("instance_owner", instance.pk), {"owner": "<b>nobody"})
    assert "There is no user of this name." in text_of(response)
    assert "<b>nobody" not in response.content.decode()
    instance.refresh_from_db()
    assert instance.owner is None


def test_a_thousand_users_are_not_listed(
    instance: Instance, browser: Client, django_assert_max_num_queries: Any
) -> None:
    User.objects.bulk_create(User(username=f"user{number}") for number in range(1_000))
    with django_assert_max_num_queries(5):
        assert "user999" not in text_of(browser.get(page("instance_owner", instance.pk)))


def test_the_same_owner_is_no_change(instance: Instance, browser: Client) -> None:
    assert "nothing was changed" in said(browser.post(page("instance_owner", instance.pk), {"owner": ""}))
    assert not LogEntry.objects.exists()


def theirs(user: User, instances: QuerySet[Instance]) -> QuerySet[Instance]:
    return instances if user.is_superuser else instances.filter(owner=user.pk)


def test_who_gives_it_away_sees_it_no_more(instance: Instance, staff_with: StaffWith, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "INSTANCE_SCOPE": "tests.admin.test_owner.theirs"}
    client = staff_with("view_instance", "change_instance")
    Instance.objects.update(owner=User.objects.get(username="staff0"))
    User.objects.create_user("bia")
    response = client.post(page("instance_owner", instance.pk), {"owner": "bia"})
    assert response["Location"] == page("instance_changelist")
    assert client.get(page("instance_owner", instance.pk)).status_code == 404


def test_who_may_not_change_may_not_give(instance: Instance, staff_with: StaffWith) -> None:
    url = page("instance_owner", instance.pk)
    others = ("view", "add", "delete", "pair", "restart", "bill", "set_webhook", "send", "reveal_token")
    client = staff_with(*(f"{name}_instance" for name in others))
    assert client.get(url).status_code == 403
    assert client.post(url, {"owner": ""}).status_code == 403
    assert url not in text_of(client.get(page("instance_change", instance.pk)))
