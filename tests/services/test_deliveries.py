"""VZaps' delivery log: searched page by page, delivered again once for each time that somebody asks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User

from django_vzaps.client.answers.webhooks import WebhookLogPage
from django_vzaps.client.resources.webhooks import Webhooks
from django_vzaps.models import Event, Instance, Operation, OperationKind, OperationOutcome
from django_vzaps.services import ChangeFailed, OutcomeUnknown, ReadFailed, ReadOnly, deliveries, operations, webhooks
from django_vzaps.testing import FakeVZaps, events


@pytest.fixture
def managed(fake_vzaps: FakeVZaps, instance: Instance) -> Instance:
    """One whose events come here."""
    webhooks.set(instance, actor=None)
    fake_vzaps.calls.clear()
    return instance


def fill(fake: FakeVZaps, instance: Instance, count: int) -> None:
    for number in range(count):
        fake.emit(instance.vzaps_id, events.message(f"text {number}"))


def test_all_or_the_failed_ones(fake_vzaps: FakeVZaps, managed: Instance) -> None:
    fill(fake_vzaps, managed, 1)
    fake_vzaps.faults.webhooks.lost, fake_vzaps.faults.webhooks.lost_logged = 1, True
    fill(fake_vzaps, managed, 1)
    everything = deliveries.search(managed)
    assert [(each.status, each.is_failed, each.event_type) for each in everything.deliveries] == [
        ("failed", True, "Message"),
        ("delivered", False, "Message"),
    ]
    (failed,) = deliveries.search(managed, status=deliveries.FAILED).deliveries
    assert (failed.attempts, failed.error, failed.response_code) == (1, "lost on demand", None)
    assert everything.deliveries[1].response_code == 200
    assert [call.body for call in fake_vzaps.calls_to("logs_search")] == [None, {"status": "failed"}]


def test_page_by_page(fake_vzaps: FakeVZaps, managed: Instance) -> None:
    fill(fake_vzaps, managed, 45)
    pages = [deliveries.search(managed, number=number) for number in (1, 2, 3)]
    assert [len(page.deliveries) for page in pages] == [20, 20, 5]
    assert [page.has_next for page in pages] == [True, True, False]
    assert {page.total for page in pages} == {45}


@pytest.mark.parametrize(
    ("omitted", "has_next"),
    [({"total"}, False), ({"total_pages"}, False), ({"total", "total_pages"}, True), ({"size", "total_pages"}, False)],
)
def test_without_totals_there_may_be_another_page(
    omitted: set[str], has_next: bool, fake_vzaps: FakeVZaps, managed: Instance
) -> None:
    fake_vzaps.variants.omit_from_list = omitted
    fill(fake_vzaps, managed, 3)
    assert deliveries.search(managed).has_next is has_next


def test_no_page_shows_the_secret_of_the_url(fake_vzaps: FakeVZaps, managed: Instance) -> None:
    fill(fake_vzaps, managed, 1)
    remote = fake_vzaps.instances[managed.vzaps_id]
    secret = remote.webhook.rpartition("/")[2]
    path = remote.webhook.removeprefix("https://hooks.example.test")
    remote.logs[0].error = f"POST {remote.webhook} failed, and so did {path}"
    page = deliveries.search(managed)
    assert secret not in repr(page)
    assert secret not in str(page.deliveries[0].error)
    assert "failed, and so did" in page.deliveries[0].error


def test_rows_in_words_of_any_other_kind(managed: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[dict[str, Any]] = [
        {"log_id": "a" * 500, "state": "\x00FAILED", "event": {"type": "Message"}, "attempts": [1, 2]},
        {"uuid": "b", "result": "x" * 500, "reason": "y" * 1000, "statusCode": "502", "eventName": "Connected"},
        {"nothing": "known"},
    ]
    monkeypatch.setattr(Webhooks, "search_logs", lambda *_, **__: WebhookLogPage.of({"items": rows}))
    page = deliveries.search(managed)
    first, second = page.deliveries
    assert (len(first.id), first.attempts, first.event_type, first.is_failed) == (128, 2, "", True)
    assert (second.event_type, second.response_code) == ("Connected", 502)
    assert (len(second.status), len(second.error)) == (64, 500)
    assert len(page.problems) == 1


def test_a_log_that_cannot_be_read_is_said(fake_vzaps: FakeVZaps, managed: Instance) -> None:
    fake_vzaps.faults.add("logs_search", status=404)
    with pytest.raises(ReadFailed, match="VZaps does not know this instance"):
        deliveries.search(managed)


def test_delivered_again_it_only_counts_here(fake_vzaps: FakeVZaps, managed: Instance, operator: User) -> None:
    fill(fake_vzaps, managed, 1)
    (entry,) = fake_vzaps.logs(managed.vzaps_id)
    operation = deliveries.retry(managed, entry.id, actor=operator)
    assert (operation.kind, operation.outcome) == (OperationKind.RETRY_DELIVERY, OperationOutcome.SUCCEEDED)
    assert (operation.actor, operation.parameters) == (operator, {"log_id": entry.id})
    assert operation.answer is not None
    assert operation.answer["status"] == "queued"
    assert Event.objects.get().duplicates == 1
    assert entry.attempts == 2


def test_what_was_lost_comes_in(fake_vzaps: FakeVZaps, managed: Instance) -> None:
    fake_vzaps.faults.webhooks.lost, fake_vzaps.faults.webhooks.lost_logged = 1, True
    fill(fake_vzaps, managed, 1)
    assert not Event.objects.exists()
    deliveries.retry(managed, fake_vzaps.logs(managed.vzaps_id)[0].id, actor=None)
    assert json.loads(Event.objects.get().payload)["type"] == "Message"


def test_a_second_click_sends_nothing(fake_vzaps: FakeVZaps, managed: Instance) -> None:
    fill(fake_vzaps, managed, 1)
    (entry,) = fake_vzaps.logs(managed.vzaps_id)
    first, second = (deliveries.retry(managed, entry.id, actor=None, idempotency_key="once") for _ in range(2))
    assert first == second
    assert len(fake_vzaps.calls_to("log_retry")) == 1


def test_one_that_vzaps_does_not_know_fails(fake_vzaps: FakeVZaps, managed: Instance) -> None:
    with pytest.raises(ChangeFailed):
        deliveries.retry(managed, "../../restart", actor=None)
    assert [call.route for call in fake_vzaps.calls if call.route != "token"] == ["log_retry"]
    assert Operation.objects.latest("pk").outcome == OperationOutcome.FAILED


def test_a_lost_answer_is_not_asked_for_twice(fake_vzaps: FakeVZaps, managed: Instance) -> None:
    fill(fake_vzaps, managed, 1)
    (entry,) = fake_vzaps.logs(managed.vzaps_id)
    fake_vzaps.faults.add("log_retry", drop=True)
    with pytest.raises(OutcomeUnknown):
        deliveries.retry(managed, entry.id, actor=None)
    assert len(fake_vzaps.calls_to("log_retry")) == 1
    # Reading does not tell: a person decides.
    operation = operations.settle(Operation.objects.latest("pk"))
    assert operation.outcome == OperationOutcome.UNKNOWN


def test_a_read_only_site_has_nothing_delivered_again(fake_vzaps: FakeVZaps, managed: Instance, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "READ_ONLY": True}
    with pytest.raises(ReadOnly):
        deliveries.retry(managed, "whl_00000001", actor=None)
    assert fake_vzaps.calls == []
