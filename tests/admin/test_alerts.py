"""Alerts: the list, one of them, and where else in the console they are told of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_vzaps.admin.instances import strip
from django_vzaps.models import Account, Alert, Instance
from django_vzaps.services.alerts import words
from tests.admin.conftest import StaffWith, page, text_of
from tests.admin.rows import ago, counts, listing, make, names, shown

LIST = "alert_changelist"


@pytest.fixture
def desk(account: Account) -> Instance:
    return make(account, "desk")


@pytest.fixture
def raised(desk: Instance, account: Account) -> dict[str, Alert]:
    """One about an instance, one about an account, one about the site; and one that is over."""
    return {
        "down": Alert.objects.create(kind="disconnected", instance=desk, since=ago(hours=5), raised_at=ago(hours=4)),
        "over": Alert.objects.create(kind="webhook_drift", instance=desk, resolved_at=timezone.now()),
        "account": Alert.objects.create(kind="credentials_rejected", account=account),
        "site": Alert.objects.create(kind="events_waiting"),
    }


def listed(client: Client, raised: dict[str, Alert], **query: str) -> list[str]:
    """The names of those on the page."""
    known = {alert.pk: name for name, alert in raised.items()}
    return [known[row.pk] for row in listing(client, "alert", **query).result_list]


def cells(client: Client, alert: Alert) -> str:
    """What the list says of one."""
    html = text_of(client.get(page(LIST), {"state": "all"}))
    return html.partition(f'href="{page("alert_change", alert.pk)}')[2].partition("</tr>")[0]


def test_what_is_open_comes_first_and_what_is_over_when_asked_for(browser: Client, raised: dict[str, Alert]) -> None:
    assert listed(browser, raised) == ["site", "account", "down"]
    assert listed(browser, raised, state="resolved") == ["over"]
    assert listed(browser, raised, state="all") == ["site", "account", "over", "down"]
    assert listed(browser, raised, kind="disconnected") == ["down"]
    assert listed(browser, raised, kind="disconnected", state="resolved") == []
    assert listed(browser, raised, instance__id__exact=str(raised["down"].instance_id), state="all") == ["over", "down"]


def test_a_row_says_what_is_so_since_when_and_leads_to_where_it_is_put_right(
    browser: Client, raised: dict[str, Alert]
) -> None:
    down = cells(browser, raised["down"])
    assert words.title(raised["down"]) in down
    assert f'<a href="{words.link(raised["down"])}">' in down
    assert "5\xa0hours ago" in down
    assert "4\xa0hours ago" in down
    assert ">open<" in down
    assert ">open<" not in cells(browser, raised["over"])
    assert "the whole site" in cells(browser, raised["site"])


def test_the_page_of_one_says_what_it_means_and_what_to_do(
    browser: Client, raised: dict[str, Alert], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "meaning", lambda _alert: "It neither sends nor receives.")
    monkeypatch.setattr(words, "advice", lambda _alert: "Pair <it> again.")
    html = text_of(browser.get(page("alert_change", raised["down"].pk)))
    assert words.title(raised["down"]) in html
    assert "It neither sends nor receives." in html
    assert "Pair <it> again." in html
    assert f'<a href="{words.link(raised["down"])}">Go where it is put right</a>' in html
    over = text_of(browser.get(page("alert_change", raised["over"].pk)))
    assert "It is over." in over
    assert "It neither sends nor receives." not in over
    assert "Pair <it> again." not in over
    assert f"#{raised['over'].pk} webhook differs" in over


def test_the_page_of_what_is_over_says_why_where_that_is_no_good_news(
    browser: Client, raised: dict[str, Alert]
) -> None:
    Instance.objects.update(removed_at=timezone.now())
    assert "It is over. The instance is gone from VZaps." in text_of(
        browser.get(page("alert_change", raised["over"].pk))
    )
    assert "The instance is gone from VZaps." not in text_of(browser.get(page("alert_change", raised["down"].pk)))


def test_a_strangers_words_in_a_title_stay_words(
    browser: Client, raised: dict[str, Alert], monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = "<script>alert(1)</script>" + "W" * 5_000
    monkeypatch.setattr(words, "title", lambda _alert: hostile)
    for url in (
        page(LIST),
        page("alert_change", raised["down"].pk),
        page("instance_change", raised["down"].instance_id),
    ):
        html = browser.get(url).content.decode()
        assert "<script>alert(1)" not in html
        assert "&lt;script&gt;alert(1)" in html
    assert "W" * 201 not in browser.get(page(LIST)).content.decode()


def test_a_scope_shows_those_about_what_one_sees(
    raised: dict[str, Alert], desk: Instance, staff_with: StaffWith, settings: Any
) -> None:
    settings.VZAPS = {**settings.VZAPS, "INSTANCE_SCOPE": "tests.admin.rows.theirs"}
    client = staff_with("view_alert", "view_instance")
    assert listed(client, raised) == []
    assert "open alerts" not in counts(client)
    for alert in raised.values():
        assert client.get(page("alert_change", alert.pk)).status_code == 404
    Instance.objects.filter(pk=desk.pk).update(owner=User.objects.get())
    assert listed(client, raised) == ["account", "down"]
    assert counts(client)["open alerts"] == "2"
    assert client.get(page("alert_change", raised["site"].pk)).status_code == 404


def test_the_list_of_instances_counts_what_is_open_and_leads_there(
    browser: Client, desk: Instance, raised: dict[str, Alert]
) -> None:
    assert counts(browser)["open alerts"] == "3"
    assert f'href="{page(LIST)}"><b>3</b> <span>open alerts</span>' in text_of(browser.get(page("instance_changelist")))
    Alert.objects.update(resolved_at=timezone.now())
    assert "open alerts" not in counts(browser)


def test_whoever_may_not_see_alerts_is_not_told_of_any(
    raised: dict[str, Alert], desk: Instance, staff_with: StaffWith
) -> None:
    client = staff_with("view_instance")
    assert "open alerts" not in counts(client)
    assert "Open alerts" not in text_of(client.get(page("instance_change", desk.pk)))


def test_the_count_takes_no_query_of_its_own_and_ends_somewhere(
    browser: Client, desk: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            shown(browser)
        return len(captured)

    before = queries()
    Alert.objects.bulk_create(Alert(kind="disconnected", instance=desk) for _number in range(30))
    assert queries() == before
    monkeypatch.setattr(strip, "MOST", 20)
    assert counts(browser)["open alerts"] == "20+"


def test_as_many_queries_for_many_alerts_as_for_few(browser: Client, desk: Instance, account: Account) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(page(LIST)).status_code == 200
        return len(captured)

    def fill(count: int) -> None:
        for number in range(count):
            Alert.objects.create(kind="disconnected", instance=make(account, f"{number} of {count}"))
            Alert.objects.create(kind="credentials_rejected", account=account)

    fill(2)
    few = queries()
    assert few <= 5
    fill(20)
    assert queries() == few


def test_the_page_of_an_instance_begins_with_what_is_open(
    browser: Client, raised: dict[str, Alert], desk: Instance
) -> None:
    html = text_of(browser.get(page("instance_change", desk.pk)))
    section = html.partition('class="vzaps-alerts"')[2].partition("</section>")[0]
    assert words.title(raised["down"]) in section
    assert "5\xa0hours ago" in section
    assert page("alert_change", raised["down"].pk) in section
    assert page("alert_change", raised["over"].pk) not in section
    assert html.index("vzaps-alerts") < html.index("vzaps-section")
    Alert.objects.update(resolved_at=timezone.now())
    assert "vzaps-alerts" not in text_of(browser.get(page("instance_change", desk.pk)))


# Silence


def silent(account: Account, name: str, **columns: Any) -> Instance:
    """One called connected a minute ago, of which nothing came for five hours where forty minutes are usual."""
    since = ago(hours=5)
    told = {
        "connected": True,
        "connection_asked_at": ago(minutes=1),
        "connection_source": "api",
        "last_event_at": since,
        "silent_since": since,
        "usual_silence": timedelta(minutes=40),
    }
    return make(account, name, **told | columns)


def test_who_is_silent_for_too_long_is_doubted(browser: Client, account: Account) -> None:
    silent(account, "silent")
    silent(account, "asleep", connection_asked_at=ago(days=1))
    silent(account, "talking", last_event_at=timezone.now())
    silent(account, "down", connected=False, phone="5511")
    assert names(browser, connection="doubtful") == {"silent", "asleep"}

    def cell(name: str) -> str:
        html = text_of(browser.get(page("instance_changelist"), {"q": name}))
        return html.partition('class="field-connection')[2].partition("</td>")[0]

    assert ">doubtful<" in cell("silent")
    assert "no event for 5\xa0hours, usually at most 40\xa0minutes" in cell("silent")
    assert "confirmed" in cell("silent")
    assert ">stale<" in cell("asleep")
    assert "no event for 5\xa0hours" in cell("asleep")
    for name in ("talking", "down"):
        assert "no event for" not in cell(name)
    url = page("instance_change", Instance.objects.get(name="silent").pk)
    assert "usually at most 40\xa0minutes" in text_of(browser.get(url))


# Accounts


@pytest.mark.parametrize("is_paused", [True, False])
def test_an_account_that_fails_says_since_when_why_and_until_when_it_is_left_alone(
    is_paused: bool, browser: Client, account: Account
) -> None:
    urls = (page("account_changelist"), page("account_change", account.pk))
    assert all("failing since" not in text_of(browser.get(url)) for url in urls)
    until = timezone.now() + timedelta(minutes=5 if is_paused else -5)
    Account.objects.update(failing_since=ago(hours=3), failure_kind="unreachable", failures=9, paused_until=until)
    for url in urls:
        html = text_of(browser.get(url))
        assert "failing since <time" in html
        assert "3\xa0hours ago" in html
        assert "VZaps cannot be reached." in html
        assert ("VZaps is left alone until" in html) == is_paused
