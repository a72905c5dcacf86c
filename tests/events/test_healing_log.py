"""A delivery log of which little is documented: its pages, and what it calls things."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from django_vzaps.client import WebhookLog
from django_vzaps.events import MessageEvent, on
from django_vzaps.models import Event, FailedDelivery, HealingOutcome, Instance
from django_vzaps.services import deliveries
from django_vzaps.testing import FakeVZaps, events
from tests.events.delivery_log import Log, look, managed_instance, row

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def instance(fake_vzaps: FakeVZaps) -> Instance:
    return managed_instance(fake_vzaps)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    return Log().put_in_place(monkeypatch)


@pytest.fixture
def seen() -> list[str]:
    found: list[str] = []

    @on("Message")
    def keep(event: MessageEvent) -> None:
        found.append(event.text)

    return found


def page_of(rows: int, first: int = 0, **beside: Any) -> dict[str, Any]:
    return {"content": [row(f"whl_{number}") for number in range(first, first + rows)], **beside}


@pytest.mark.parametrize("beside", [{}, {"count": 5, "has_next": True}, {"totalElements": 10}, {"total_pages": 2}])
@pytest.mark.parametrize("after", ["nothing", "the first page", "the last page"])
def test_every_page_is_read_whether_or_not_it_is_said_how_many_there_are(
    instance: Instance, log: Log, seen: list[str], beside: dict[str, Any], after: str
) -> None:
    log.says(page_of(5, **beside), page_of(5, 5, **beside))
    log.after = {"nothing": {"content": [], **beside}, "the first page": log.pages[0], "the last page": log.pages[1]}[
        after
    ]
    run = look(instance)
    assert run is not None
    assert (run.recovered, run.problems) == (10, "")
    assert len(seen) == 10
    assert log.asked == ([1, 2] if "total_pages" in beside or "totalElements" in beside else [1, 2, 3])

    log.forget_calls()
    assert look(instance) is None
    assert len(log.asked) <= 3
    assert not log.fetched


@pytest.mark.parametrize(("omitted", "calls"), [(set(), 2), ({"total", "total_pages"}, 3)])
def test_many_that_were_lost_cost_a_call_a_page(
    fake_vzaps: FakeVZaps, instance: Instance, seen: list[str], omitted: set[str], calls: int
) -> None:
    fake_vzaps.variants.omit_from_list = omitted
    fake_vzaps.faults.webhooks.lose(25)
    for number in range(25):
        fake_vzaps.receive(instance.vzaps_id, str(number))
    assert look(instance)
    assert sorted(seen, key=int) == [str(number) for number in range(25)]
    assert [call.route for call in fake_vzaps.calls if call.route.startswith("log")] == ["logs_search"] * calls


@pytest.mark.parametrize("beside", [{}, {"total": 0}, {"total": 500, "total_pages": 25}])
def test_an_empty_first_page_is_all_there_is(instance: Instance, log: Log, beside: dict[str, Any]) -> None:
    log.says({"content": [], **beside})
    assert look(instance) is None
    assert log.asked == [1]


@pytest.mark.parametrize("beside", [{"total": 7}, {"total_pages": 3}])
@pytest.mark.parametrize("repeats", [True, False])
def test_a_log_that_pages_in_no_known_way_is_read_once_and_said(
    instance: Instance, log: Log, beside: dict[str, Any], repeats: bool
) -> None:
    log.says(page_of(1, **beside))
    log.after = page_of(1, **beside) if repeats else {"content": [], **beside}
    run = look(instance)
    assert run is not None
    assert run.missing == 1
    assert "does not show it" in run.problems
    assert log.asked == [1, 2]


def test_a_log_that_got_shorter_meanwhile_is_no_problem(instance: Instance, log: Log) -> None:
    log.says(page_of(20, total=21))
    log.after = {"content": [], "total": 20}
    run = look(instance)
    assert run is not None
    assert run.problems == ""


def test_a_log_without_an_end_is_read_to_a_bound_and_that_is_said(instance: Instance, log: Log) -> None:
    log.says(*(page_of(1, number) for number in range(deliveries.MOST_PAGES + 5)))
    run = look(instance)
    assert run is not None
    assert run.recovered == deliveries.MOST_PAGES == len(log.asked)
    assert f"up to page {deliveries.MOST_PAGES}" in run.problems


def test_rows_without_an_id_count_as_read(instance: Instance, log: Log) -> None:
    nameless = {"status": "failed", "payload": events.message()}
    log.says(
        {"content": [row("one"), nameless], "total": 4},
        {"content": [nameless, row("two")], "total": 4},
    )
    run = look(instance)
    assert run is not None
    assert log.asked == [1, 2], "no further page is asked for"
    assert run.recovered == 2
    assert run.problems.count("1 delivery has no id") == 2


def test_rows_without_an_id_alone_are_not_read_over_and_over(instance: Instance, log: Log) -> None:
    log.says({"content": [{"status": "failed"}]})
    log.after = log.pages[0]
    assert look(instance)
    assert log.asked == [1]


PAYLOADS, ROWS, IDS = ["payload", "request_body", "body", "data"], ["content", "items", "logs"], ["id", "logId", "uuid"]


# Every pair of names; each is looked up without a thought for the others.
@pytest.mark.parametrize(
    ("payload", "rows", "name"),
    [
        (payload, rows, IDS[(first + second) % 3])
        for first, payload in enumerate(PAYLOADS)
        for second, rows in enumerate(ROWS)
    ],
)
def test_other_names_are_understood(
    instance: Instance, log: Log, seen: list[str], payload: str, rows: str, name: str
) -> None:
    body = json.dumps({"json_data": events.message("hello")})
    log.says({"success": True, "data": {rows: [{name: "whl_1", payload: body}]}})
    assert look(instance)
    assert seen == ["hello"]


MESSAGE = events.message("hello")


@pytest.mark.parametrize(
    "beside",
    [
        {"message": json.dumps(MESSAGE)},
        {"sent": {"json_data": json.dumps(MESSAGE), "instance_id": ""}},
        {"request": {"url": "https://site.example/x", "headers": {"a": "b"}, "body": json.dumps(MESSAGE)}},
        {"payload": {"url": "https://site.example/x", "body": MESSAGE}},
        {"event": MESSAGE},
        {"payload": {}, "content": "application/json", "event_body": MESSAGE},
    ],
)
def test_an_event_under_an_unknown_name_is_found(
    instance: Instance, log: Log, seen: list[str], beside: dict[str, Any]
) -> None:
    log.lists({"id": "whl_1", "status": "failed"} | beside)
    assert look(instance)
    assert seen == ["hello"]
    assert not log.fetched
    assert "site.example" not in Event.objects.get().payload


def test_only_the_payload_of_a_log_shows_what_was_said() -> None:
    for name in ("payload", "anything"):
        log = WebhookLog.of({"id": "whl_1", name: {"url": "https://site.example/SECRET", "body": MESSAGE}})
        assert log.payload == MESSAGE
        assert "hello" not in str(log.raw) + repr(log)


def test_what_is_no_event_is_not_taken_for_one(instance: Instance, log: Log) -> None:
    beside = {"error": {"type": "timeout"}, "meta": {"event": "Message", "type": "sent"}, "type": "Message"}
    log.lists({"id": "whl_1", "created_at": timezone.now().isoformat(), **beside})
    log.kept["whl_1"] = beside
    assert look(instance)
    assert FailedDelivery.objects.get().outcome == HealingOutcome.UNRECOVERABLE
    assert not Event.objects.exists()


_junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.sampled_from(["{", '{"event": {}}']),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "status", "payload", "content", "total", "event", "x"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)


@examples(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=_junk)
def test_no_answer_breaks_it(instance: Instance, log: Log, answer: Any) -> None:
    log.says(answer)
    run = look(instance)
    assert run is None or run.finished_at or run.problems


def test_what_needs_no_help_is_left(instance: Instance, log: Log) -> None:
    log.lists(*(row(word, status=word) for word in ("delivered", "SUCCESS", "pending")))
    assert look(instance) is None


def test_a_page_of_junk_is_said(instance: Instance, log: Log) -> None:
    log.says("nothing")
    run = look(instance)
    assert run is not None
    assert run.finished_at is None
