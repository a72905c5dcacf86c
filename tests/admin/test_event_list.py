"""The list of events: what is found, how it is filtered, and the chart above it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_vzaps.admin.events import chart, reading
from django_vzaps.models import Account, Event, EventState, HandlerRun, HandlerRunState, Instance
from django_vzaps.search import events
from tests.admin.conftest import StaffWith, page, said, text_of
from tests.admin.rows import listing

NOW = datetime(2031, 5, 4, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def make(instance: Instance, **columns: Any) -> Event:
    return Event.objects.create(instance=instance, **{"type": "Message", "payload": "{}", **columns})


@pytest.fixture
def other(account: Account) -> Instance:
    return Instance.objects.create(account=account, vzaps_id="VZOTHER", name="Back office", phone="5521999990000")


@pytest.fixture
def at_half_past_twelve(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    yield
    cache.clear()


def listed(browser: Client, **query: Any) -> list[int]:
    return [event.pk for event in listing(browser, "event", **query).result_list]


def test_the_newest_are_first_however_they_are_filtered(instance: Instance, browser: Client) -> None:
    now = timezone.now()
    older, newer = (make(instance, received_at=now - number * HOUR, state="done") for number in (2, 1))
    failed = make(instance, received_at=now - 90 * timedelta(minutes=1), state="failed")
    assert listed(browser) == [failed.pk, newer.pk, older.pk]
    assert listed(browser, type="Message")[-1] == older.pk
    assert listed(browser, received="day") == [newer.pk, failed.pk, older.pk]
    assert listed(browser, state="done") == [newer.pk, older.pk]
    assert listed(browser, state="done", received="hour") == []


def test_a_state_that_only_a_newer_version_knows_is_left_out_of_nothing(instance: Instance, browser: Client) -> None:
    states = ["aaa", "eee", "fff", "jjj", "nnn", "qqq", "zzz"]
    events = [make(instance, state=state) for state in states]
    assert set(listed(browser, received="day")) == {event.pk for event in events}
    response = browser.get(page("event_changelist"), {"state": "zzz"})
    assert [event.pk for event in response.context["cl"].result_list] == [events[-1].pk]
    assert "state: <bdi>zzz</bdi>" in text_of(response)


def test_a_type_that_is_not_listed_can_be_filtered_by(instance: Instance, browser: Client) -> None:
    new = make(instance, type="NewsletterJoin")
    make(instance)
    response = browser.get(page("event_changelist"), {"type": "NewsletterJoin"})
    assert [event.pk for event in response.context["cl"].result_list] == [new.pk]
    assert re.search(r'<li class="selected">\s*<a[^>]*>NewsletterJoin</a>', text_of(response))


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("+55 (11) 99999-0000", "phone"),
        ("0055 11 99999.0000", "phone"),
        ("5511999990000", "phone"),
        ("551199", "phone"),
        ("5511999990000:7@s.whatsapp.net", "phone"),
        ("123456789012345@lid", "lid"),
        ("123456789012345", "lid"),
        ("120363041234567890", "group"),
        ("3EB0C0", "id"),
        ("12345678901234567890", "digits"),
        ("  3EB0C0  ", "id"),
    ],
)
def test_a_search_finds_what_people_type(instance: Instance, browser: Client, written: str, found: str) -> None:
    events = {
        "phone": make(instance, chat="5511999990000@s.whatsapp.net", message_id="A"),
        "lid": make(instance, chat="123456789012345@lid", message_id="B"),
        "group": make(instance, chat="120363041234567890@g.us", message_id="C"),
        "id": make(instance, chat="1@lid", message_id="3EB0C0"),
        "digits": make(instance, chat="2@lid", message_id="12345678901234567890"),
        "other": make(instance, chat="5521888880000@s.whatsapp.net", message_id="3EB0C01"),
    }
    assert listed(browser, q=written) == [events[found].pk]


def test_an_event_is_found_by_its_number(instance: Instance, browser: Client) -> None:
    one, _other = make(instance), make(instance)
    assert listed(browser, q=f"#{one.pk}") == [one.pk]
    assert listed(browser, q="#999999999999999999") == []


@pytest.mark.parametrize("text", ["\0", "%", "_", "\\", "'; --", "#", "+", "@", "x" * 10_000, "\u202e", "٣٤"])
def test_odd_searches_find_nothing_and_break_nothing(instance: Instance, browser: Client, text: str) -> None:
    make(instance, chat="5511999990000@s.whatsapp.net", message_id="3EB0C0")
    assert browser.get(page("event_changelist"), {"q": text}).status_code == 200
    if text.strip("\0"):
        assert listed(browser, q=text) == []


def test_a_broad_search_shows_the_newest(instance: Instance, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading.KeyPaginator, "most", 2)
    now = timezone.now()
    pks = [make(instance, chat=f"5511{n}@lid", state="done", received_at=now - n * HOUR).pk for n in range(4)]
    response = browser.get(page("event_changelist"), {"q": "5511"})
    assert [event.pk for event in response.context["cl"].result_list] == pks[:2]
    assert "There are more than 2" in text_of(response)


@pytest.mark.parametrize("query", [{"q": "5511"}, {"type": "Message"}])
@pytest.mark.parametrize(("most", "counted"), [(3, 3), (100, 5)])
def test_what_is_found_is_counted_and_paged_to(
    most: int, counted: int, query: dict[str, Any], instance: Instance, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading.KeyPaginator, "most", most)
    monkeypatch.setattr(admin.site._registry[Event], "list_per_page", 2)
    now = timezone.now()
    pks = [
        make(instance, chat=f"5511{n}@lid", state="failed" if n % 2 else "done", received_at=now - n * HOUR).pk
        for n in range(4, -1, -1)
    ][::-1]
    make(instance, type="Presence", chat="5521@lid")
    for number in (1, 2):
        cl = listing(browser, "event", **query, p=number)
        assert [event.pk for event in cl.result_list] == pks[2 * number - 2 : min(2 * number, most)]
        assert (cl.result_count, cl.paginator.is_capped) == (counted, most == counted)
    assert browser.get(page("event_changelist"), {**query, "p": 4}).status_code == 302


@pytest.mark.postgres
def test_only_the_newest_of_a_broad_search_are_read_on_postgresql(instance: Instance) -> None:
    for n in range(6):
        make(instance, chat=f"5511{n}@lid", state="done", received_at=NOW + n * HOUR)
    rows = Event.objects.filter(events.wanted("5511"))
    keys, count = reading.searched(rows, most=5, needed=2)
    assert (keys, count) == (list(rows.order_by("-received_at").values_list("pk", flat=True)[:2]), 5)


def test_from_and_until_are_read_in_the_readers_time_zone(instance: Instance, browser: Client, settings: Any) -> None:
    settings.TIME_ZONE = "America/Sao_Paulo"
    at = datetime(2031, 1, 5, 15, 0, tzinfo=UTC)  # noon there
    event = make(instance, received_at=at)
    make(instance, received_at=at - 2 * HOUR)
    make(instance, received_at=at + 2 * HOUR)
    query = {"received_from": "2031-01-05T11:30", "received_until": "2031-01-05T12:30"}
    response = browser.get(page("event_changelist"), query)
    assert [row.pk for row in response.context["cl"].result_list] == [event.pk]
    html = text_of(response)
    assert 'name="received_from" value="2031-01-05T11:30"' in html
    assert "Jan. 5, 2031, 11:30 a.m. to Jan. 5, 2031, 12:30 p.m." in html
    timezone.deactivate()


@pytest.mark.parametrize("text", ["yesterday", "0001-01-01T00:00", "9999-12-31T23:59", "2031-02-30T00:00", "<b>"])
def test_what_is_no_time_filters_nothing_and_is_said(instance: Instance, browser: Client, text: str) -> None:
    make(instance)
    response = browser.get(page("event_changelist"), {"received_from": text})
    assert len(response.context["cl"].result_list) == 1
    assert "That is no date and time" in text_of(response)


def test_active_filters_are_shown_and_each_comes_off_alone(instance: Instance, browser: Client) -> None:
    make(instance, state="failed", message_id="3EB0")
    query: dict[str, Any] = {"state": "failed", "type": "Message", "received": "day", "q": "3EB0"}
    query["instance__id__exact"] = instance.pk
    html = text_of(browser.get(page("event_changelist"), query))
    strip = html[html.index('class="vzaps-active"') : html.index("Show all events")]
    assert len(re.findall("<li>", strip)) == 5
    for name in query:
        (without,) = [
            link for link in re.findall(r'href="\?([^"]*)"', strip) if f"{name}=" not in link and link.count("=") == 4
        ]
        assert {part.partition("=")[0] for part in without.split("&")} == query.keys() - {name}
    assert 'class="vzaps-active"' not in text_of(browser.get(page("event_changelist")))


def test_forms_in_the_filters_keep_the_others(instance: Instance, browser: Client) -> None:
    html = text_of(browser.get(page("event_changelist"), {"type": "Message", "q": "3EB0"}))
    assert len(re.findall('<input type="hidden" name="type" value="Message">', html)) >= 2


@pytest.mark.parametrize("text", ["VZOTHER", "+55 21 99999-0000", "Back"])
def test_an_instance_is_looked_for_by_what_people_know(
    instance: Instance, other: Instance, browser: Client, text: str
) -> None:
    response = browser.get(page("event_changelist"), {"of": text, "state": "failed"})
    assert response["Location"] == f"{page('event_changelist')}?state=failed&instance__id__exact={other.pk}"


def test_a_search_for_an_instance_says_what_is_missing(instance: Instance, other: Instance, browser: Client) -> None:
    Instance.objects.create(account=other.account, vzaps_id="VZ3", name="Back <b>door")
    response = browser.get(page("event_changelist"), {"of": "Back", "state": "failed"})
    assert "Which one?" in said(response)
    html = browser.get(response["Location"]).content.decode()
    assert f"?state=failed&amp;instance__id__exact={other.pk}" in html.replace("&instance", "&amp;instance")
    assert "Back &lt;b&gt;door" in html
    assert "No instance has the VZaps id" in said(browser.get(page("event_changelist"), {"of": "nowhere"}))
    assert browser.get(page("event_changelist"), {"of": " "}).status_code == 302


@pytest.mark.parametrize("value", ["x", "-1", "99999999999999999999"])
def test_a_number_that_is_none_is_refused(instance: Instance, browser: Client, value: str) -> None:
    assert browser.get(page("event_changelist"), {"instance__id__exact": value}).status_code == 302


def test_a_row_says_how_it_went(instance: Instance, browser: Client) -> None:
    now = timezone.now()
    event = make(
        instance,
        state="failed",
        occurred_at=now - 3 * HOUR,
        received_at=now,
        duplicates=2,
        message_id="3EB0" + "F" * 60,
    )
    for number, state in enumerate([HandlerRunState.DONE, HandlerRunState.DONE, HandlerRunState.FAILED]):
        HandlerRun.objects.create(event=event, handler=f"shop.{number}", state=state)
    html = text_of(browser.get(page("event_changelist")))
    assert "handlers: 2 done, 1 failed" in html
    assert "happened 3\xa0hours before" in html
    assert "came 2 times more" in html
    assert event.message_id in html


def test_as_many_statements_for_many_rows_with_everything_at_once(
    instance: Instance, other: Instance, staff_with: StaffWith, settings: Any
) -> None:
    client = staff_with("view_event", "replay_event")
    plain: dict[str, Any] = {}
    full = {"state": "done", "type": "Message", "received": "day", "instance__id__exact": other.pk, "q": "5511"}

    def statements(query: dict[str, Any]) -> int:
        cache.clear()
        with CaptureQueriesContext(connection) as captured:
            assert client.get(page("event_changelist"), query).status_code == 200
        return len(captured)

    for scope in ("", lambda user, rows: rows.filter(vzaps_id="VZOTHER")):
        settings.VZAPS = {**settings.VZAPS, "INSTANCE_SCOPE": scope}
        counts = []
        for _ in range(2):
            for _ in range(6):
                event = make(other, chat="5511@lid", state="done")
                HandlerRun.objects.create(event=event, handler="shop", state="done")
            counts.append([statements(query) for query in (plain, full)])
        assert counts[0] == counts[1]
        assert max(counts[1]) <= 7


def test_a_page_further_on_is_paged_to(instance: Instance, browser: Client) -> None:
    Event.objects.bulk_create(Event(instance=instance, type="Message", payload="{}", state="done") for _ in range(150))
    first, second = listed(browser, state="done"), listed(browser, state="done", p=2)
    assert (len(first), len(second)) == (100, 50)
    assert not set(first) & set(second)
    assert browser.get(page("event_changelist"), {"p": 9}).status_code == 302


# The chart.


def bars(browser: Client, **query: Any) -> list[tuple[str, str]]:
    """What the table beside the chart says that is not nothing, from the first hour to the last."""
    html = text_of(browser.get(page("event_changelist"), query))
    table = html[html.index("vzaps-chart") : html.index("</figure>")]
    rows = re.findall(r"<td>([^<]*)</td><td>([^<]*)</td>", table)
    assert rows
    return rows


@pytest.mark.usefixtures("at_half_past_twelve")
def test_the_chart_counts_by_the_hour(instance: Instance, browser: Client) -> None:
    for minutes, state in ((10, "done"), (20, "failed"), (40, "done"), (23 * 60, "done"), (24 * 60, "done")):
        make(instance, received_at=NOW - timedelta(minutes=minutes), state=state)
    found = bars(browser)
    assert len(found) == 24
    assert found[-1] == ("2", "1")
    assert found[-2] == ("1", "0")
    assert found[0] == ("1", "0"), "what came before is not in it"
    html = text_of(browser.get(page("event_changelist")))
    assert "Events: 4, of which failed: 1." in html
    assert "received_from=2031-05-04T12%3A00" in html
    assert "style=" not in html[html.index("<figure") : html.index("</figure>")]


@pytest.mark.usefixtures("at_half_past_twelve")
def test_the_chart_keeps_to_the_readers_hours(instance: Instance, browser: Client, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Kolkata"  # half an hour off
    make(instance, received_at=NOW - timedelta(minutes=1))
    html = text_of(browser.get(page("event_changelist")))
    assert "4 May 17:00 – 4 May 18:00" in html  # noqa: RUF001
    timezone.deactivate()


@pytest.mark.usefixtures("at_half_past_twelve")
def test_the_chart_follows_instance_and_time_and_nothing_else(
    instance: Instance, other: Instance, browser: Client
) -> None:
    make(instance, received_at=NOW - timedelta(minutes=10), state="done")
    make(other, received_at=NOW - timedelta(minutes=10), state="done")
    assert bars(browser)[-1] == ("2", "0")
    assert bars(browser, instance__id__exact=other.pk)[-1] == ("1", "0")
    assert bars(browser, state="failed")[-1] == ("2", "0")
    week = bars(browser, received="week")
    assert len(week) in (28, 29)
    assert week[-1] == ("2", "0")
    assert len(bars(browser, received="hour")) in (12, 13)
    past = bars(browser, received_from="2031-05-01T00:00", received_until="2031-05-02T00:00")
    assert len(past) == 24
    assert set(past) == {("0", "0")}
    assert len(bars(browser, received_from="1990-01-01T00:00")) in (60, 61), "no more bars than can be seen"
    assert bars(browser, received_from="2040-01-01T00:00", received_until="2030-01-01T00:00")


@pytest.mark.usefixtures("at_half_past_twelve")
def test_the_chart_counts_no_further_than_it_shows(
    instance: Instance, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chart, "MOST_COUNTED", 2)
    for _ in range(4):
        make(instance, received_at=NOW - timedelta(minutes=1), state="failed")
    assert bars(browser)[-1] == ("2 or more", "2 or more")


@pytest.mark.usefixtures("at_half_past_twelve")
def test_the_chart_is_counted_once_a_minute(
    instance: Instance, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(instance, received_at=NOW - timedelta(minutes=1))
    assert bars(browser)[-1] == ("1", "0")
    make(instance, received_at=NOW - timedelta(minutes=1))
    assert bars(browser)[-1] == ("1", "0")
    monkeypatch.setattr(cache, "get", broken)
    monkeypatch.setattr(cache, "set", broken)
    assert bars(browser)[-1] == ("2", "0"), "a cache that fails only costs time"


def broken(*args: object) -> None:
    raise ConnectionError


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Lisbon"])
def test_days_are_the_readers_also_when_clocks_change(
    instance: Instance, browser: Client, settings: Any, zone: str
) -> None:
    settings.TIME_ZONE = zone
    html = text_of(
        browser.get(
            page("event_changelist"), {"received_from": "2025-10-20T00:00", "received_until": "2025-11-10T00:00"}
        )
    )
    labels = re.findall(r'<th scope="row"><a[^>]*>([^<]*)</a>', html)
    assert len(labels) == 21
    assert all(label.count("00:00") == 2 for label in labels)
    timezone.deactivate()


# Scope.


@pytest.fixture
def mine(instance: Instance, other: Instance, settings: Any) -> tuple[Event, Event]:
    """An event that may be seen, and one of an instance that is somebody else's."""
    settings.VZAPS = {**settings.VZAPS, "INSTANCE_SCOPE": lambda user, rows: rows.exclude(vzaps_id="VZOTHER")}
    return tuple(make(each, state="failed", message_id="3EB0", type="Message") for each in (instance, other))  # type: ignore[return-value]


@pytest.mark.parametrize("lookup", ["payload__startswith", "payload__contains", "payload__regex"])
def test_what_is_masked_is_not_guessed_by_filtering(instance: Instance, browser: Client, lookup: str) -> None:
    Event.objects.create(instance=instance, payload='{"mediaKey": "a"}')
    assert browser.get(page("event_changelist"), {lookup: "{"}).status_code == 400


def test_what_is_out_of_scope_is_not_there(mine: tuple[Event, Event], browser: Client) -> None:
    seen, unseen = mine
    for query in ({}, {"q": "3EB0"}, {"state": "failed"}, {"received": "day"}, {"type": "Message"}):
        assert listed(browser, **query) == [seen.pk]
    assert listed(browser, instance__id__exact=unseen.instance_id) == []
    assert "Back office" not in text_of(
        browser.get(page("event_changelist"), {"instance__id__exact": unseen.instance_id})
    )
    assert bars(browser)[-1] == ("1", "1")
    assert "No instance has" in said(browser.get(page("event_changelist"), {"of": "VZOTHER"}))
    assert browser.get(page("event_change", unseen.pk)).status_code == 404
    assert browser.get(page("event_history", unseen.pk)).status_code in (302, 404)


def test_what_is_out_of_scope_is_not_replayed(mine: tuple[Event, Event], browser: Client) -> None:
    seen, unseen = mine
    assert browser.get(page("event_replay"), {"ids": unseen.pk}).status_code == 404
    assert browser.post(page("event_replay"), {"ids": unseen.pk, "calls": "0", "what": "failed"}).status_code == 404
    browser.post(page("event_replay"), {"ids": f"{seen.pk},{unseen.pk}", "calls": "0", "what": "again"})
    unseen.refresh_from_db()
    assert unseen.state == EventState.FAILED
    chosen = {"action": "replay_selected", "_selected_action": [seen.pk, unseen.pk]}
    assert f'name="ids" value="{seen.pk}"' in text_of(browser.post(page("event_changelist"), chosen))


def test_each_person_has_a_chart_of_their_own(
    instance: Instance, other: Instance, staff_with: StaffWith, settings: Any
) -> None:
    settings.VZAPS = {
        **settings.VZAPS,
        "INSTANCE_SCOPE": lambda user, rows: rows.filter(vzaps_id="VZOTHER") if user.pk % 2 else rows.none(),
    }
    make(other)
    clients = [staff_with("view_event") for _ in range(2)]
    found = {client.session["_auth_user_id"]: bars(client)[-1][0] for client in clients}
    assert {int(pk) % 2: count for pk, count in found.items()} == {1: "1", 0: "0"}


def test_a_selection_across_pages_is_replayed_up_to_a_hundred(instance: Instance, browser: Client) -> None:
    Event.objects.bulk_create(Event(instance=instance, type="Message", payload="{}", state="failed") for _ in range(99))
    for count in (100, 101):
        make(instance, state="failed")
        chosen = {
            "action": "replay_selected",
            "_selected_action": [Event.objects.latest("pk").pk],
            "select_across": "1",
        }
        response = browser.post(page("event_changelist") + "?state=failed", chosen)
        assert (response.status_code == 200) == (count == 100)
