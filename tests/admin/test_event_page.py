"""The page of one event: what became of it in words, what it says, and a payload that is safe to look at."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from django_vzaps.admin.events import payload
from django_vzaps.events import inbound
from django_vzaps.models import (
    Account,
    Event,
    EventState,
    HandlerRun,
    HandlerRunState,
    Instance,
    Operation,
    OperationKind,
)
from django_vzaps.testing import events
from tests.admin.conftest import StaffWith, page, said, text_of
from tests.admin.test_event_list import HOUR, make

Run = dict[str, Any]


def page_of(browser: Client, event: Event) -> str:
    response = browser.get(page("event_change", event.pk))
    assert response.status_code == 200
    return text_of(response)


def story(html: str) -> str:
    (found,) = re.findall(r'<div class="vzaps-story">(.*?)</div>', html, re.DOTALL)
    return re.sub(r"<[^>]+>", "", found)


def shown(body: Any, **columns: Any) -> str:
    """The payload as it is seen on the page, tags taken away."""
    text = body if isinstance(body, str) else json.dumps(body)
    html = payload.shown(Event(payload=text, **columns))
    assert html is not None
    return unescape(re.sub(r"<[^>]+>", "", html))


@pytest.mark.parametrize(
    ("columns", "runs", "words"),
    [
        ({"state": "pending"}, [], ["waits to be handled"]),
        ({"state": "pending", "received_at": -HOUR}, [], ["waits to be handled", "Celery worker"]),
        ({"state": "pending"}, [{"state": "started", "started_at": -HOUR}], ["is at work, since", "1\xa0hour ago"]),
        (
            {"state": "pending", "retry_at": HOUR},
            [{"state": "failed", "attempts": 2, "error": "Traceback:\n  x\nLookupError: no stock\n"}],
            ["failed after 2 attempts: LookupError: no stock", "It is tried again at"],
        ),
        ({"state": "pending", "retry_at": HOUR}, [], ["held back until"]),
        ({"state": "pending"}, [{"state": "waiting"}], ["Somebody asked for a replay"]),
        ({"state": "done"}, [{"state": "done"}], ["1 handler has handled it"]),
        ({"state": "done"}, [{"state": "done"}, {"state": "skipped"}], ["left out by a replay"]),
        (
            {"state": "failed"},
            [{"state": "failed", "attempts": 1, "error": ""}],
            ["failed after 1 attempt: no reason was given", "Mend the cause, then press “Replay”"],
        ),
        (
            {"state": "failed"},
            [{"state": "interrupted"}],
            ["it may have reached outside", "choose what was interrupted too"],
        ),
        ({"state": "failed"}, [], ["could not even be offered to handlers"]),
        ({"state": "ignored"}, [], ["No handler of this project wanted it", "vzaps_handlers"]),
        ({"state": "ignored", "revision_of_id": 1}, [], ["another copy of a message"]),
        ({"state": "unparsed", "payload": "x"}, [], ["no JSON object"]),
        ({"state": "misdirected"}, [], ["names another instance"]),
        ({"state": "transcended"}, [], ["newer version"]),
    ],
)
def test_says_what_happened(
    instance: Instance, browser: Client, columns: dict[str, Any], runs: list[Run], words: list[str]
) -> None:
    now = timezone.now()

    def dated(values: dict[str, Any]) -> dict[str, Any]:
        return {name: now + each if isinstance(each, timedelta) else each for name, each in values.items()}

    event = make(instance, **dated(columns))
    for number, run in enumerate(runs):
        HandlerRun.objects.create(event=event, handler=f"shop.{number}", **dated(run))
    found = story(page_of(browser, event))
    for each in words:
        assert each in found


def test_advises_only_what_the_reader_may_do(instance: Instance, staff_with: StaffWith) -> None:
    event = make(instance, state=EventState.FAILED)
    found = story(page_of(staff_with("view_event"), event))
    assert "press Replay" not in found
    assert "somebody with the permission to replay" in found


def test_a_long_error_is_folded_under_its_last_line(instance: Instance, browser: Client) -> None:
    event = make(instance, state=EventState.FAILED)
    error = "Traceback (most recent call last):\n" + "  File x\n" * 50 + "<b>Error</b>: token=secret\u202e"
    HandlerRun.objects.create(event=event, handler="shop.answer", state=HandlerRunState.FAILED, error=error)
    html = browser.get(page("event_change", event.pk)).content.decode()
    folded = html[html.index('<details class="vzaps-error">') :]
    assert folded.index("<summary><bdi>&lt;b&gt;Error&lt;/b&gt;") < folded.index("Traceback")


def test_a_message_is_summed_up(instance: Instance, browser: Client) -> None:
    body = events.message("order <script>", push_name="\u202e<b>Bia</b>", sender="5511988887777", media="image")
    html = browser.get(page("event_change", make(instance, payload=json.dumps(body)).pk)).content.decode()
    summary = html[html.index("vzaps-summary") :]
    summary = summary[: summary.index("</dl>")]
    assert '<bdi class="vzaps-long">5511988887777</bdi>' in summary
    assert "&lt;b&gt;Bia&lt;/b&gt;</bdi>" in summary
    assert "order &lt;script&gt;</bdi>" in summary
    assert "image/jpeg" in summary


def test_a_message_from_the_number_itself_and_one_in_a_group(instance: Instance, browser: Client) -> None:
    mine = events.message("hi", from_me=True, recipient="5511900000001")
    html = page_of(browser, make(instance, payload=json.dumps(mine)))
    assert "this number itself" in html
    assert "<dt>To</dt><dd>" in html
    group = events.message("hi", group=True)
    assert "<dt>Group</dt>" in page_of(browser, make(instance, payload=json.dumps(group)))


def test_a_text_of_ten_thousand_characters_is_cut_and_stands_in_the_payload(
    instance: Instance, browser: Client
) -> None:
    text = "palavra " * 1250
    html = page_of(browser, make(instance, payload=json.dumps(events.message(text))))
    assert "9400 characters more: show all in the payload" in html
    assert html.count(text.strip()) == 1


@pytest.mark.parametrize(
    ("body", "event_type", "words"),
    [
        (events.read_receipt(["3EB0A", "3EB0B"], "Read"), "ReadReceipt", ["read", "3EB0A", "3EB0B"]),
        (events.read_receipt([f"ID{n}" for n in range(50)]), "ReadReceipt", ["delivered", "and 30 more"]),
        ({**events.read_receipt([]), "state": "Strange<b>"}, "ReadReceipt", ["Strange<b>"]),
        (events.connected(), "Connected", ["came up"]),
        (events.disconnected("logged out"), "Disconnected", ["went down", "logged out"]),
        (events.presence(), "Presence", []),
        ([1], "Message", []),
    ],
)
def test_other_types_are_summed_up_as_far_as_they_are_known(
    instance: Instance, browser: Client, body: Any, event_type: str, words: list[str]
) -> None:
    html = page_of(browser, make(instance, type=event_type, payload=json.dumps(body)))
    for word in words:
        assert word in html


def test_files_and_the_ways_to_them_are_only_named() -> None:
    media = events.message("hi", media="image", media_url="https://media.example.com/x?sig=1")
    content = media["event"]["message"]["image_message"]
    content["jpeg_thumbnail"] = "/9j/4AAQ" * 400
    text = shown(media)
    for hidden in (
        content["media_key"],
        content["url"],
        content["direct_path"],
        content["file_sha256"],
        "/9j/",
        "sig=",
    ):
        assert hidden not in text
    assert "the way to a file: image, 20.0\xa0KB" in text
    assert "the key to a file" in text
    assert '"jpeg_thumbnail": image, 2.3\xa0KB' in text
    assert '"mimetype": "image/jpeg"' in text


def test_whatsapps_own_spelling_hides_as_much() -> None:
    media = events.message("hi", media="audio")
    spelled = events.in_whatsapp_casing(media)
    content = media["event"]["message"]["audio_message"]
    text = shown(spelled)
    for name in ("url", "direct_path", "media_key", "file_sha256", "file_enc_sha256"):
        assert content[name] not in text


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("blob", "data:image/png;base64," + "QUJD" * 900, "image, 2.7\xa0KB"),
        ("blob", "QUJDxyz9" * 200, "binary data"),
        ("bytes", list(range(200)), "binary data, 200\xa0bytes"),
        ("media_key", {"0": 1, "1": 2}, "the key to a file"),
        ("picture", "https://pps.whatsapp.net/v/t61?oe=1", "the way to a file"),
    ],
)
def test_what_looks_like_a_file_is_one(name: str, value: Any, words: str) -> None:
    text = shown({"type": "Message", "event": {name: value}})
    assert words in text
    assert len(text) < 200


@pytest.mark.parametrize(
    "value",
    ["https://example.com/shop?item=3", "w" * 400, "PEDIDO" * 60, "a1B2 " * 100, [1, 2, 3], {"length": 3}],
)
def test_what_people_wrote_is_none(value: Any) -> None:
    text = shown({"type": "Message", "event": {"message": {"conversation": value}}})
    assert json.dumps(value, indent=2).splitlines()[-1].strip() in text


def test_secrets_that_got_into_the_table_are_not_shown() -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"
    hook = "https://x.example/vzaps/webhook/7d444840-9dc0-11d1-b245-5ffdce74fad2/s3cr3t"
    body = {
        "type": "Connected",
        "token": "tok-1",
        "json_data": json.dumps({"instance_token": "tok-2", "qrcode": "2@abc"}),
        "event": {"note": f"Bearer {token}", "header": token, "url": hook},
    }
    text = shown(body)
    for secret in ("tok-1", "tok-2", "2@abc", token, "s3cr3t"):
        assert secret not in text
    assert "tok-3" not in shown('{"token": "tok-3", broken')
    assert token not in shown(f"not json {token}")


@pytest.mark.parametrize(
    "text",
    [
        '"<script>alert(1)</script>"',
        '{"<script>alert(1)</script>": 1}',
        '["\\u202eevil", "\\u0000", "\\ud800", "\\u2028"]',
        "[" * 900 + "]" * 900,
        "[" * 100_000,
        '{"a":' * 900 + "1" + "}" * 900,
        "1e999",
        "-0",
        "9" * 5_000,
        "not json <script>alert(1)</script> \u202e",
        "null",
        "[]",
        '{"type": "Message", "event": null}',
        json.dumps({"k" * 100_000: "v"}),
        json.dumps({str(n): n for n in range(5_000)}),
        json.dumps([["x" * 50] * 50] * 200),
        json.dumps("ä" * 500_000),
    ],
)
def test_hostile_payloads_are_shown_short_and_as_words(instance: Instance, browser: Client, text: str) -> None:
    event = make(instance, payload=text)
    response = browser.get(page("event_change", event.pk))
    html = response.content.decode()
    assert response.status_code == 200
    assert len(html) < 400_000
    assert "<script>alert" not in html
    assert "\u202e" not in html
    assert "\0" not in html


def test_two_megabytes_take_no_longer_than_a_page() -> None:
    body = events.history_sync(conversations=[{"id": f"{n}@lid", "text": "olá " * 20} for n in range(20_000)])
    text = json.dumps(body)
    assert len(text) > 2_000_000
    began = time.perf_counter()
    found = shown(text, type="HistorySync")
    assert time.perf_counter() - began < 3
    assert len(found) < 150_000
    assert "19500 more" in found or "too long to be shown" in found


def test_what_was_cut_says_how_much() -> None:
    assert "10000 characters more" in shown({"text": "a b " * 7_500})
    assert "100 more" in shown([0.5] * 600)
    assert "nested too deeply" in shown(json.loads("[" * 60 + "]" * 60))


@pytest.mark.parametrize(
    ("setting", "event_type", "words"),
    [
        ({"EVENT_PAYLOAD_DAYS": 30}, "Message", "kept for 30 days"),
        ({"EVENT_PAYLOAD_DAYS": 0}, "Message", "The payload was erased"),
        ({}, "HistorySync", "No payload is kept of this type"),
    ],
)
def test_a_payload_that_is_gone_is_said_to_be(
    instance: Instance, browser: Client, settings: Any, setting: dict[str, Any], event_type: str, words: str
) -> None:
    settings.VZAPS = {**settings.VZAPS, **setting}
    assert words in page_of(browser, make(instance, type=event_type, payload="", state="done"))


def test_an_unparsed_payload_is_unfolded(instance: Instance, browser: Client) -> None:
    event = make(instance, payload="not json", state=EventState.UNPARSED, type="")
    assert re.search(r"<details open>\s*<summary>As it was received", page_of(browser, event))
    assert "<details open>" not in page_of(browser, make(instance))


def test_the_instances_other_events_are_one_step_away(instance: Instance, account: Account, browser: Client) -> None:
    states = ["done", "failed", "pending", "ignored"]
    mine = [make(instance, state=state, lane=lane) for state, lane in zip(states, ["main", "bulk"] * 2, strict=True)]
    waiting = make(instance, state="pending", retry_at=timezone.now() + HOUR)
    make(Instance.objects.create(account=account, vzaps_id="VZOTHER"))
    last = make(instance, state="done")
    found = [*mine, waiting, last]
    for number, event in enumerate(found):
        html = page_of(browser, event)
        before = re.findall(r'href="([^"]+)" rel="prev"', html)
        after = re.findall(r'href="([^"]+)" rel="next"', html)
        assert before == ([page("event_change", found[number - 1].pk)] if number else [])
        assert after == ([page("event_change", found[number + 1].pk)] if event is not last else [])


def test_copies_of_a_message_lead_to_each_other(instance: Instance, browser: Client) -> None:
    first = make(instance, message_id="3EB0", state="done")
    copy = make(instance, message_id="3EB0", state="ignored", revision_of=first)
    assert page("event_change", copy.pk) in page_of(browser, first)
    html = page_of(browser, copy)
    assert f'<a href="{page("event_change", first.pk)}">#{first.pk}</a>' in html
    pk = first.pk
    first.delete()
    assert f"another copy of #{pk}" in page_of(browser, copy)


def test_a_reply_leads_to_its_operation(instance: Instance, browser: Client, staff_with: StaffWith) -> None:
    event = make(instance, state="done")
    HandlerRun.objects.create(event=event, handler="shop.answer", state="done", replays=1)
    keys = inbound.reply_keys(event.pk, "shop.answer", replays=1)
    replies = [
        Operation.objects.create(
            kind=OperationKind.SEND_TEXT,
            instance=instance,
            account=instance.account,
            deadline=timezone.now(),
            idempotency_key=key,
        )
        for key in (keys[0], keys[-1])
    ]
    html = page_of(browser, event)
    for reply in replies:
        assert page("operation_change", reply.pk) in html
    assert page("operation_change", replies[0].pk) not in page_of(staff_with("view_event"), event)


def test_times_say_how_late_it_came(instance: Instance, browser: Client) -> None:
    at = datetime(2031, 5, 4, 12, tzinfo=UTC)
    assert "arrived 2\xa0hours later" in page_of(browser, make(instance, received_at=at, occurred_at=at - 2 * HOUR))
    assert "a clock is wrong" in page_of(browser, make(instance, received_at=at, occurred_at=at + 2 * HOUR))
    assert "within a minute" in page_of(browser, make(instance, received_at=at, occurred_at=at))


def test_a_replay_in_which_all_is_left_out_says_why(instance: Instance, browser: Client) -> None:
    pending = make(instance, state="pending")
    unparsed = make(instance, state="unparsed", payload="x")
    form = {"ids": f"{pending.pk},{unparsed.pk}", "calls": "0", "what": "failed"}
    text = said(browser.post(page("event_replay"), form))
    assert "No event is handled again." in text
    assert "Left out, waiting to be handled anyway: 1." in text
    assert "Left out, could not be parsed: 1." in text


def test_one_replayed_event_is_shown_afterwards(instance: Instance, browser: Client) -> None:
    event = make(instance, state="unparsed", payload="x")
    form = {"ids": event.pk, "calls": "0", "what": "failed"}
    assert browser.post(page("event_replay"), form)["Location"] == page("event_change", event.pk)


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_nothing_else_can_be_done_to_a_replay(instance: Instance, browser: Client, method: str) -> None:
    assert getattr(browser, method)(page("event_replay")).status_code == 405
