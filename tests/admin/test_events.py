from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.cache import cache
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_vzaps.events import InboundEvent, dispatch, handlers, on
from django_vzaps.models import Event, EventState, HandlerRun, HandlerRunState, Instance
from tests.admin.conftest import StaffWith, page, said, text_of
from tests.admin.rows import listing

EVIL = "<script>alert(1)</script>"


def make(instance: Instance, **columns: object) -> Event:
    return Event.objects.create(instance=instance, **{"type": "Message", "payload": "{}", **columns})


def test_shows_what_arrived_and_what_became_of_it(instance: Instance, browser: Client) -> None:
    event = make(instance, payload='{"event":{"text":"olá"}}', state=EventState.FAILED)
    HandlerRun.objects.create(event=event, handler="shop.answer", state=HandlerRunState.FAILED, error="No stock")
    html = text_of(browser.get(page("event_change", event.pk)))
    assert '"text": <bdi>"olá"</bdi>' in html
    assert "shop.answer" in html
    assert "No stock" in html
    assert 'name="_save"' not in html


def test_a_payload_that_is_no_json_is_shown_as_it_is(instance: Instance, browser: Client) -> None:
    event = make(instance, payload="not json", state=EventState.UNPARSED, type="")
    assert "not json" in text_of(browser.get(page("event_change", event.pk)))


def test_an_enormous_payload_is_cut(instance: Instance, browser: Client) -> None:
    event = make(instance, payload=json.dumps({"text": "x" * 300_000, "more": ["word " * 9] * 9000}))
    response = browser.get(page("event_change", event.pk))
    assert len(response.content) < 150_000
    assert "characters more" in text_of(response)


def test_a_strangers_words_stay_words(instance: Instance, browser: Client) -> None:
    event = make(
        instance, type=EVIL, chat=EVIL, message_id=EVIL, source=EVIL[:16], state=EVIL[:16], payload=json.dumps(EVIL)
    )
    HandlerRun.objects.create(event=event, handler=EVIL, error=EVIL)
    for url in (
        page("event_changelist"),
        page("event_change", event.pk),
        page("instance_change", instance.pk),
    ):
        html = browser.get(url).content.decode()
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert" in html


def test_the_list_reads_no_payloads_and_always_as_many_rows(instance: Instance, browser: Client) -> None:
    def statements() -> list[str]:
        cache.clear()
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(page("event_changelist")).status_code == 200
        return [query["sql"] for query in captured]

    make(instance)
    few = statements()
    for _ in range(20):
        make(instance)
    many = statements()
    assert len(many) == len(few)
    assert not any('"payload"' in sql or "`payload`" in sql for sql in many)


def test_finds_by_message_and_by_chat(instance: Instance, browser: Client) -> None:
    make(instance, message_id="3EB0C0", chat="5511999990000@s.whatsapp.net")
    make(instance, message_id="3EB0C1", chat="5521888880000@s.whatsapp.net", type="ReadReceipt", state=EventState.DONE)

    def found(**query: str) -> set[str]:
        return {row.message_id for row in listing(browser, "event", **query).result_list}

    assert found(q="3EB0C0") == {"3EB0C0"}
    assert found(q="55218888") == {"3EB0C1"}
    assert found(state="done") == {"3EB0C1"}
    assert found(type="Message") == {"3EB0C0"}
    assert found(instance__id__exact=str(instance.pk)) == {"3EB0C0", "3EB0C1"}


def test_an_instance_page_shows_events_to_those_who_may_see_them(instance: Instance, staff_with: StaffWith) -> None:
    event = make(instance)
    url = page("instance_change", instance.pk)
    assert page("event_change", event.pk) in text_of(staff_with("view_instance", "view_event").get(url))
    assert page("event_change", event.pk) not in text_of(staff_with("view_instance").get(url))


def test_who_may_see_events_sees_what_became_of_them(instance: Instance, staff_with: StaffWith) -> None:
    event = make(instance)
    HandlerRun.objects.create(event=event, handler="shop.answer")
    assert "shop.answer" in text_of(staff_with("view_event").get(page("event_change", event.pk)))


def filled_in(browser: Client, *events: Event, what: str = "failed") -> dict[str, str]:
    """The form for these events as it is sent."""
    return form_in(browser.get(page("event_replay"), {"ids": ",".join(str(event.pk) for event in events)}), what=what)


def form_in(response: Any, *, what: str) -> dict[str, str]:
    hidden = re.findall(r'<input type="hidden" name="(ids|calls)" value="([^"]*)">', text_of(response))
    assert len(hidden) == 2
    return {**dict(hidden), "what": what}


def handled_by(monkeypatch: pytest.MonkeyPatch, *, fail: bool = False) -> list[int]:
    """Register a handler for this test only; the events it was called with."""
    monkeypatch.setattr(handlers, "_registered", {})
    seen: list[int] = []

    @on("Message")
    def keep(event: InboundEvent) -> None:
        seen.append(event.record.pk)
        if fail:
            raise ValueError

    return seen


@pytest.mark.django_db(transaction=True)
def test_one_event_or_a_selection_is_replayed_after_a_look(
    instance: Instance, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = handled_by(monkeypatch)
    one, other = (make(instance, payload='{"type":"Message"}', state=EventState.FAILED) for _ in range(2))
    html = text_of(browser.get(page("event_change", one.pk)))
    assert f"{page('event_replay')}?ids={one.pk}" in html
    plan = text_of(browser.get(page("event_replay"), {"ids": one.pk}))
    assert "keep: 1" in plan
    assert seen == []
    chosen = {"action": "replay_selected", "_selected_action": [one.pk, other.pk]}
    assert f'value="{one.pk},{other.pk}"' in text_of(browser.post(page("event_changelist"), chosen))
    response = browser.post(page("event_replay"), filled_in(browser, one, other))
    assert said(response) == "2 events are handled again."
    assert seen == [one.pk, other.pk]
    assert LogEntry.objects.filter(object_id=str(one.pk)).exists()
    browser.post(page("event_replay"), filled_in(browser, one))
    assert seen == [one.pk, other.pk], "what is done is not done again"
    browser.post(page("event_replay"), filled_in(browser, one, what="again"))
    assert seen == [one.pk, other.pk, one.pk]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["failed", "again"])
def test_a_form_that_is_sent_twice_replays_once(
    instance: Instance, browser: Client, monkeypatch: pytest.MonkeyPatch, settings: Any, what: str
) -> None:
    settings.VZAPS = {**settings.VZAPS, "HANDLER_ATTEMPTS": 1}
    seen = handled_by(monkeypatch, fail=True)
    event = make(instance, payload='{"type":"Message"}', state=EventState.FAILED)
    form = filled_in(browser, event, what=what)
    browser.post(page("event_replay"), form)
    again = browser.post(page("event_replay"), form)
    assert "Nothing was run" in text_of(again)
    assert seen == [event.pk]
    browser.post(page("event_replay"), form_in(again, what=what))
    assert seen == [event.pk, event.pk], "the form that is shown then is as good as a new one"


@pytest.mark.django_db(transaction=True)
def test_events_of_which_a_form_is_not_do_not_matter_to_it(
    instance: Instance, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = handled_by(monkeypatch)
    one, other = (make(instance, payload='{"type":"Message"}', state=EventState.FAILED) for _ in range(2))
    form = filled_in(browser, one)
    browser.post(page("event_replay"), filled_in(browser, other))
    browser.post(page("event_replay"), form)
    assert seen == [other.pk, one.pk]


def test_what_is_left_out_has_no_history_of_a_replay(
    instance: Instance, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    handled_by(monkeypatch)
    failed = make(instance, payload='{"type":"Message"}', state=EventState.FAILED)
    unparsed = make(instance, payload="not json", type="", state=EventState.UNPARSED)
    browser.post(page("event_replay"), filled_in(browser, failed, unparsed, what="again"))
    assert [entry.object_id for entry in LogEntry.objects.all()] == [str(failed.pk)]


@pytest.mark.django_db(transaction=True)
def test_workers_are_woken_for_what_they_can_see(
    instance: Instance, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    handled_by(monkeypatch)
    woken: list[bool] = []
    monkeypatch.setattr(dispatch, "wake", lambda *queue: woken.append(connection.in_atomic_block))
    event = make(instance, payload='{"type":"Message"}', state=EventState.FAILED)
    browser.post(page("event_replay"), filled_in(browser, event))
    assert woken == [False]


def test_who_may_not_replay_is_not_offered_it(instance: Instance, staff_with: StaffWith) -> None:
    event = make(instance, state=EventState.FAILED)
    viewer = staff_with("view_event")
    assert page("event_replay") not in text_of(viewer.get(page("event_change", event.pk)))
    assert "replay_selected" not in text_of(viewer.get(page("event_changelist")))
    blind = staff_with("replay_event")
    for method in (viewer.get, viewer.post, blind.get, blind.post):
        assert method(page("event_replay"), {"ids": event.pk}).status_code == 403
    assert staff_with("view_event", "replay_event").get(page("event_replay"), {"ids": event.pk}).status_code == 200


def test_too_many_at_once_are_left_to_the_command(
    instance: Instance, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_vzaps.admin.events.replaying.MOST_REPLAYED", 1)
    pks = [make(instance, state=EventState.FAILED).pk for _ in range(2)]
    response = browser.post(page("event_changelist"), {"action": "replay_selected", "_selected_action": pks})
    assert "vzaps_replay" in said(response)


@pytest.mark.django_db(transaction=True)
def test_no_form_replays_more(instance: Instance, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = handled_by(monkeypatch)
    events = [make(instance, payload='{"type":"Message"}', state=EventState.FAILED) for _ in range(101)]
    form = filled_in(browser, events[0])
    browser.post(page("event_replay"), {**form, "ids": ",".join(str(event.pk) for event in events)})
    assert seen == [event.pk for event in events[:100]]
