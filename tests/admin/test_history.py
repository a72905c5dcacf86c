"""The history of an instance: as a list, and on its page."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_vzaps.admin import display
from django_vzaps.admin.history import words
from django_vzaps.models import Account, Instance, InstanceChange
from tests.admin.conftest import StaffWith, page, text_of
from tests.admin.rows import ago, listing, make

LIST = "instancechange_changelist"


@pytest.fixture
def desk(account: Account) -> Instance:
    return make(account, "desk")


def changed(instance: Instance, field: str, old: Any, new: Any, **columns: Any) -> InstanceChange:
    told = {"source": "api"} | columns
    return InstanceChange.objects.create(instance=instance, field=field, old=old, new=new, **told)


def listed(client: Client, **query: Any) -> list[str]:
    return [change.new for change in listing(client, "instancechange", **query).result_list]


def test_a_row_says_what_changed_when_and_who_said_so(browser: Client, desk: Instance) -> None:
    changed(desk, "connected", True, False, source="webhook", at=ago(hours=2))
    row = text_of(browser.get(page(LIST))).partition("<tbody>")[2].partition("</tbody>")[0]
    for words_ in ("Connected", ">yes<", ">no<", ">desk<", ">webhook<", "2\xa0hours ago"):
        assert words_ in row


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("reject_calls", True, "yes"),
        ("reject_calls", False, "no"),
        ("connected", None, "–"),  # noqa: RUF001
        ("phone", "", "–"),  # noqa: RUF001
        ("labels", {}, "–"),  # noqa: RUF001
        ("labels", {"floor": "2"}, '{"floor": "2"}'),
        ("webhook_events", ["Message", "Connected"], "Message, Connected"),
        ("webhook_events", [{"odd": 1}], '[{"odd": 1}]'),
        ("subscription_state", "past_due", "past due"),
        ("subscription_state", "brand-new", "brand-new"),
        ("cancel_at", "2025-11-25 12:00:00+00:00", "Nov. 25, 2025, noon"),
        ("cancel_at", "some day", "some day"),
        ("name", "2025-11-25 12:00:00+00:00", "2025-11-25 12:00:00+00:00"),
        ("token", "********", "********"),
        ("account", "franchise", "franchise"),
        ("name", 0, "0"),
    ],
)
def test_a_value_is_in_words(field: str, value: Any, shown: str, browser: Client, desk: Instance) -> None:
    change = changed(desk, field, value, "other")
    for url in (page(LIST), page("instancechange_change", change.pk), page("instance_change", desk.pk)):
        assert f">{shown}<" in text_of(browser.get(url)), url


def test_a_moment_is_in_the_readers_time_zone(browser: Client, desk: Instance, settings: Any) -> None:
    settings.TIME_ZONE = "America/Sao_Paulo"
    changed(desk, "cancel_at", None, "2025-11-25 12:00:00+00:00")
    assert "Nov. 25, 2025, 9 a.m." in text_of(browser.get(page(LIST)))


def test_what_a_stranger_wrote_stays_words_is_short_in_lists_and_whole_on_its_page(
    browser: Client, desk: Instance
) -> None:
    hostile = "<script>alert(1)</script>\ud800" + "W" * 5_000
    change = changed(desk, "labels", {"\ud800": hostile}, [hostile])
    for url in (page(LIST), page("instance_change", desk.pk), page("instancechange_change", change.pk)):
        assert "<script>alert(1)" not in browser.get(url).content.decode()
    assert "W" * 100 not in browser.get(page(LIST)).content.decode()
    assert "W" * 5_000 in browser.get(page("instancechange_change", change.pk)).content.decode()


def test_the_list_is_filtered(browser: Client, desk: Instance, account: Account) -> None:
    changed(desk, "name", "0", "1")
    changed(desk, "phone", "1", "2", source="webhook")
    changed(make(account, "other"), "name", "2", "3")
    assert listed(browser) == ["3", "2", "1"]
    assert listed(browser, field="name") == ["3", "1"]
    assert listed(browser, source="webhook") == ["2"]
    assert listed(browser, instance__id__exact=desk.pk) == ["2", "1"]


def test_a_scope_hides_the_others(desk: Instance, account: Account, staff_with: StaffWith, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "INSTANCE_SCOPE": "tests.admin.rows.theirs"}
    client = staff_with("view_instancechange")
    mine, other = changed(desk, "name", "0", "mine"), changed(make(account, "other"), "name", "0", "other")
    assert listed(client) == []
    Instance.objects.filter(pk=desk.pk).update(owner=User.objects.get())
    assert listed(client) == ["mine"]
    assert listed(client, instance__id__exact=other.instance_id) == []
    assert client.get(page("instancechange_change", mine.pk)).status_code == 200
    assert client.get(page("instancechange_change", other.pk)).status_code == 404


def test_the_page_of_an_instance_has_the_newest_and_the_way_to_all(browser: Client, desk: Instance) -> None:
    html = text_of(browser.get(page("instance_change", desk.pk)))
    assert "Nothing has changed since it was first seen here." in html
    for number in range(12):
        changed(desk, "name", f"name {number}", f"name {number + 1}")
    html = text_of(browser.get(page("instance_change", desk.pk)))
    section = html.partition('id="newest-changes"')[2].partition("</section>")[0]
    assert section.count("<tr>") == 11
    assert ">name 12<" in section
    assert ">name 1<" not in section
    assert f'href="{page(LIST)}?instance__id__exact={desk.pk}"' in section


def test_whoever_may_not_see_changes_finds_none_on_the_page(desk: Instance, staff_with: StaffWith) -> None:
    changed(desk, "name", "old name", "new name")
    html = text_of(staff_with("view_instance").get(page("instance_change", desk.pk)))
    assert "newest-changes" not in html
    assert "old name" not in html


def test_as_many_queries_for_many_changes_as_for_few(browser: Client, account: Account, desk: Instance) -> None:
    urls = (page(LIST), page("instance_change", desk.pk))

    def queries() -> list[int]:
        found = []
        for url in urls:
            with CaptureQueriesContext(connection) as captured:
                assert browser.get(url).status_code == 200
            found.append(len(captured))
        return found

    changed(desk, "name", "a", "b")
    few = queries()
    assert few[0] <= 5
    for number in range(20):
        changed(make(account, f"other {number}"), "name", "a", "b")
        changed(desk, "name", "a", "b")
    assert queries() == few


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"connected": True}, "connected"),
        ({"connected": False, "phone": "5511"}, "disconnected"),
        ({"connected": False}, None),  # never paired
        ({"connected": None}, None),
    ],
)
def test_the_page_says_since_when_it_is_connected(
    columns: dict[str, Any], said: str | None, browser: Client, account: Account
) -> None:
    at = ago(days=3)
    row = make(account, "row", connection_changed_at=at, **columns)
    html = text_of(browser.get(page("instance_change", row.pk)))
    assert ("3\xa0days ago" in html) == (said is not None)
    if said:
        assert f">{said} since {display.moment(at)}" in html


def test_a_change_of_a_newer_version_is_shown_as_it_is(browser: Client, desk: Instance) -> None:
    changed(desk, "colour", "red", "blue", source="telepathy")
    html = text_of(browser.get(page(LIST)))
    assert all(word in html for word in ("Colour", ">red<", ">blue<", ">telepathy<"))
    assert words.value("colour", "red") == '<bdi class="vzaps-long">red</bdi>'
