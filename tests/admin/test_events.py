from __future__ import annotations

import json

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_vzaps.models import Event, EventState, HandlerRun, HandlerRunState, Instance
from tests.admin.conftest import StaffWith, page, text_of

EVIL = "<script>alert(1)</script>"


def make(instance: Instance, **columns: object) -> Event:
    return Event.objects.create(instance=instance, **{"type": "Message", "payload": "{}", **columns})


def test_shows_what_arrived_and_what_became_of_it(instance: Instance, browser: Client) -> None:
    event = make(instance, payload='{"event":{"text":"olá"}}', state=EventState.FAILED)
    HandlerRun.objects.create(event=event, handler="shop.answer", state=HandlerRunState.FAILED, error="No stock")
    html = text_of(browser.get(page("event_change", event.pk)))
    assert '"text": "olá"' in html
    assert "shop.answer" in html
    assert "No stock" in html
    assert 'name="_save"' not in html


def test_a_payload_that_is_no_json_is_shown_as_it_is(instance: Instance, browser: Client) -> None:
    event = make(instance, payload="not json", state=EventState.UNPARSED, type="")
    assert "not json" in text_of(browser.get(page("event_change", event.pk)))


def test_an_enormous_payload_is_cut(instance: Instance, browser: Client) -> None:
    event = make(instance, payload=json.dumps({"text": "x" * 300_000}))
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
        return {row.message_id for row in browser.get(page("event_changelist"), query).context["cl"].result_list}

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
