from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import resolve
from django.utils import timezone

from django_vzaps.admin.operations import settling
from django_vzaps.models import Batch, BatchKind, Instance, Operation, OperationKind, OperationOutcome
from django_vzaps.services import ChangeFailed, operations
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import StaffWith, browser_of, page, said, text_of
from tests.admin.rows import listing


@pytest.fixture
def unknown(instance: Instance, browser: Client, fake_vzaps: FakeVZaps) -> Operation:
    """A subscription whose answer was lost, and that VZaps does not show yet."""
    fake_vzaps.faults.add("subscribe", drop=True)
    fake_vzaps.billing_lag = 2
    browser.post(page("instance_subscribe", instance.pk), {"idempotency_key": str(uuid.uuid4())})
    LogEntry.objects.all().delete()
    return Operation.objects.get()


def made(instance: Instance | None, **columns: Any) -> Operation:
    return Operation.objects.create(
        **{
            "kind": OperationKind.RESTART,
            "outcome": OperationOutcome.SUCCEEDED,
            "instance": instance,
            "account": instance.account if instance else None,
            "deadline": timezone.now() + timedelta(minutes=1),
            **columns,
        }
    )


def listed(browser: Client, **query: Any) -> list[Operation]:
    return list(listing(browser, "operation", **query).result_list)


def headline(browser: Client, operation: Operation) -> str:
    found = re.search(
        r'<p class="vzaps-headline">(.*?)</p>', text_of(browser.get(page("operation_change", operation.pk)))
    )
    assert found is not None
    return found[1]


# Settling


def test_says_that_the_outcome_is_unknown_and_what_to_do(unknown: Operation, browser: Client) -> None:
    html = text_of(browser.get(page("operation_change", unknown.pk)))
    assert "It is not known whether the card was charged." in html
    assert "“Find out” reads VZaps and changes nothing there." in html
    assert page("operation_settle", unknown.pk) in html
    assert page("operation_decide", unknown.pk) in html
    assert page("instance_billing_result", unknown.instance_id, unknown.pk) in html


def test_find_out_reads_until_it_is_known(unknown: Operation, browser: Client, fake_vzaps: FakeVZaps) -> None:
    url = page("operation_settle", unknown.pk)
    words = [said(browser.post(url)) for _ in range(3)]
    assert "does not say how it ended" in words[0]
    assert "Settled. Outcome: succeeded." in words[-1]
    html = text_of(browser.get(page("operation_change", unknown.pk)))
    assert url not in html
    assert len(fake_vzaps.calls_to("subscribe")) == 1
    assert LogEntry.objects.filter(change_message__startswith="Subscribe: succeeded").count() == 1


def test_find_out_says_when_it_cannot_read(unknown: Operation, browser: Client, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("get", status=403, times=None)
    assert "VZaps refused" in said(browser.post(page("operation_settle", unknown.pk)))


@pytest.mark.parametrize(("word", "outcome"), [("yes", OperationOutcome.SUCCEEDED), ("no", OperationOutcome.FAILED)])
def test_a_person_decides(word: str, outcome: str, unknown: Operation, browser: Client, operator: User) -> None:
    url = page("operation_decide", unknown.pk)
    assert "charges it a second time" in text_of(browser.get(url))
    unknown.refresh_from_db()
    assert unknown.lock is not None
    browser.post(url, {"carried_out": word})
    unknown.refresh_from_db()
    assert [unknown.outcome, unknown.settled_by] == [outcome, operator]
    # What was charged is locked until VZaps shows it.
    assert (unknown.lock is None) == (word == "no")
    assert LogEntry.objects.get().user == operator
    html = text_of(browser.get(page("operation_change", unknown.pk)))
    assert "operator said that the card was" in html


def test_a_second_click_is_not_saying_it_once_more(unknown: Operation, browser: Client, fake_vzaps: FakeVZaps) -> None:
    url = page("operation_decide", unknown.pk)
    hidden = re.search(r'name="phase" value="([^"]+)"', browser.get(url).content.decode())
    assert hidden is not None
    form = {"phase": hidden[1], "carried_out": "yes"}

    answers = [browser.post(url, form) for _ in range(2)]

    assert "Noted. Outcome: succeeded." in said(answers[0])
    assert "This has changed since you looked at it. Nothing was noted" in said(answers[1])
    unknown.refresh_from_db()
    assert unknown.lock is not None
    assert unknown.instance_id is not None
    browser.post(page("instance_subscribe", unknown.instance_id), {"idempotency_key": str(uuid.uuid4())})
    assert len(fake_vzaps.calls_to("subscribe")) == 1


def test_of_two_clicks_at_the_same_moment_one_counts(unknown: Operation, operator: User) -> None:
    at_once = [Operation.objects.get(pk=unknown.pk) for _ in range(2)]
    operations.decide(at_once[0], carried_out=True, actor=operator)
    with pytest.raises(ChangeFailed, match="changed since you looked"):
        operations.decide(at_once[1], carried_out=True, actor=operator)
    unknown.refresh_from_db()
    assert unknown.lock is not None


def test_neither_yes_nor_no_decides_nothing(unknown: Operation, browser: Client) -> None:
    assert browser.post(page("operation_decide", unknown.pk), {"carried_out": "perhaps"}).status_code == 200
    unknown.refresh_from_db()
    assert unknown.lock is not None


def test_what_is_settled_cannot_be_decided(unknown: Operation, browser: Client) -> None:
    url = page("operation_decide", unknown.pk)
    browser.post(url, {"carried_out": "no"})
    assert "settled already" in said(browser.post(url, {"carried_out": "yes"}))
    assert "there is nothing to decide" in text_of(browser.get(url))
    unknown.refresh_from_db()
    assert unknown.outcome == OperationOutcome.FAILED


def test_what_ran_out_of_time_can_be_found_out(instance: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    overdue = made(instance, outcome=OperationOutcome.RUNNING, deadline=timezone.now() - timedelta(seconds=1))
    assert headline(browser, overdue) == "“restart instance” never came to an end."
    html = text_of(browser.get(page("operation_change", overdue.pk)))
    assert page("operation_decide", overdue.pk) not in html
    browser.post(page("operation_settle", overdue.pk))
    assert headline(browser, overdue) == "It is not known whether “restart instance” was carried out."
    html = text_of(browser.get(page("operation_change", overdue.pk)))
    # A restart leaves nothing to read: only a person can tell.
    assert page("operation_settle", overdue.pk) not in html
    assert page("operation_decide", overdue.pk) in html
    assert fake_vzaps.calls == []


def test_what_still_runs_is_left_alone(instance: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    running = made(instance, kind=OperationKind.CANCEL, outcome=OperationOutcome.RUNNING)
    html = text_of(browser.get(page("operation_change", running.pk)))
    assert page("operation_settle", running.pk) not in html
    browser.post(page("operation_settle", running.pk))
    running.refresh_from_db()
    assert running.outcome == OperationOutcome.RUNNING
    assert fake_vzaps.calls == []


def test_the_selected_are_found_out_together(unknown: Operation, browser: Client, fake_vzaps: FakeVZaps) -> None:
    settled = made(unknown.instance)
    lost = made(unknown.instance, outcome=OperationOutcome.UNKNOWN)

    def find_out(*chosen: Operation) -> str:
        form = {"action": "find_out", "_selected_action": [operation.pk for operation in chosen]}
        return said(browser.post(page("operation_changelist"), form))

    fake_vzaps.calls.clear()
    assert "All of them are settled" in find_out(settled)
    assert fake_vzaps.calls == []
    fake_vzaps.instances[unknown.instance.vzaps_id].stale_reads = 0  # type: ignore[union-attr]
    words = find_out(settled, lost, unknown)
    assert "1 operation is settled." in words
    assert "Reading did not tell of 1" in words
    assert [call.route for call in fake_vzaps.calls] == ["get"]
    assert LogEntry.objects.count() == 1


def test_one_that_cannot_be_read_does_not_keep_the_others_back(
    unknown: Operation, browser: Client, fake_vzaps: FakeVZaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = made(unknown.instance, outcome=OperationOutcome.UNKNOWN)
    form = {"action": "find_out", "_selected_action": [lost.pk, unknown.pk]}
    fake_vzaps.faults.add("get", status=403, times=None)
    words = said(browser.post(page("operation_changelist"), form))
    assert f"{unknown}:" in words
    assert "Reading did not tell of 2" in words
    monkeypatch.setattr(settling, "PATIENCE", -1.0)
    assert "2 were not looked at" in said(browser.post(page("operation_changelist"), form))


def test_who_may_not_settle_is_not_offered_to(unknown: Operation, staff_with: StaffWith) -> None:
    looker = staff_with("view_operation")
    assert 'value="find_out"' not in text_of(looker.get(page("operation_changelist")))
    html = text_of(looker.get(page("operation_change", unknown.pk)))
    for name in ("operation_settle", "operation_decide"):
        assert page(name, unknown.pk) not in html
    assert "/billing/" not in html
    assert 'value="find_out"' in text_of(
        staff_with("view_operation", "change_instance").get(page("operation_changelist"))
    )


def test_the_list_opens_no_transaction() -> None:
    # Its action reads VZaps, also where the project wraps every request in one.
    assert resolve(page("operation_changelist")).func._non_atomic_requests  # type: ignore[attr-defined]


# In words

UNKNOWN, FAILED, DONE = OperationOutcome.UNKNOWN, OperationOutcome.FAILED, OperationOutcome.SUCCEEDED


@pytest.mark.parametrize(
    ("columns", "sentences"),
    [
        ({"outcome": "running"}, ["is being carried out", "VZaps has not answered yet."]),
        ({"outcome": DONE}, ["“restart instance” was carried out, VZaps says."]),
        ({"outcome": DONE, "confirmed_at": "now"}, ["was carried out, and VZaps shows it."]),
        ({"outcome": DONE, "lock": "x"}, ["does not show its effect yet"]),
        ({"outcome": FAILED, "error": "Too <b>hot</b>"}, ["was not carried out", "Too <b>hot</b>", "can be asked for"]),
        ({"outcome": FAILED, "settled_by": True}, ["operator said that", "was not carried out."]),
        ({"outcome": DONE, "settled_by": True}, ["operator said that", "nothing that was read"]),
        ({"outcome": UNKNOWN}, ["Restarting it again does no harm.", "VZaps shows nothing by which"]),
        ({"outcome": UNKNOWN, "kind": "instance.create"}, ["could make a second one", "“Find out” reads VZaps"]),
        ({"outcome": UNKNOWN, "kind": "message.send_text"}, ["could send it twice"]),
        ({"outcome": UNKNOWN, "kind": "delivery.retry"}, ["it is taken in once"]),
        ({"outcome": UNKNOWN, "kind": "session.pair_code"}, ["Ask for another one."]),
        ({"outcome": UNKNOWN, "kind": "instance.delete"}, ["“Find out” reads VZaps"]),
        ({"outcome": DONE, "kind": "subscription.subscribe"}, ["Nothing that was read afterwards showed it."]),
        ({"outcome": "running", "kind": "subscription.cancel"}, ["“cancel subscription” is being carried out."]),
        ({"outcome": DONE, "kind": "subscription.resume"}, ["“resume subscription” was carried out, VZaps says."]),
        ({"outcome": FAILED, "kind": "subscription.cancel"}, ["Not cancelled", "goes on being charged"]),
        ({"outcome": "paused", "kind": "newer.kind"}, ["“newer.kind”: paused."]),
    ],
)
def test_a_sentence_on_top_says_what_happened(
    columns: dict[str, Any], sentences: list[str], instance: Instance, browser: Client, operator: User
) -> None:
    if "settled_by" in columns:
        columns = columns | {"settled_by": operator}
    if "confirmed_at" in columns:
        columns = columns | {"confirmed_at": timezone.now()}
    response = browser.get(page("operation_change", made(instance, **columns).pk))
    for sentence in sentences:
        assert sentence in text_of(response), sentence
    assert b"<b>hot" not in response.content


def test_the_page_leads_to_what_went_before_and_came_after(instance: Instance, browser: Client, operator: User) -> None:
    operations = [made(instance, actor=operator) for _ in range(9)]
    other = made(None)
    html = text_of(browser.get(page("operation_change", operations[4].pk)))
    shown = [operation for operation in operations if f'<a href="{page("operation_change", operation.pk)}"' in html]
    assert shown == operations[1:4] + operations[5:8]
    assert f"?instance__id__exact={instance.pk}" in html
    assert "Before and after" not in text_of(browser.get(page("operation_change", other.pk)))


def test_nobody_edits_what_happened(unknown: Operation, browser: Client) -> None:
    assert browser.post(page("operation_change", unknown.pk), {"outcome": "failed"}).status_code == 403
    assert browser.post(page("operation_delete", unknown.pk), {"post": "yes"}).status_code == 403
    assert 'name="_save"' not in text_of(browser.get(page("operation_change", unknown.pk)))


def test_hashes_of_secrets_are_not_shown(instance: Instance, browser: Client) -> None:
    form = {"account": instance.account_id, "name": "New one", "events": ["Message"]}
    browser.post(page("instance_add"), {**form, "idempotency_key": str(uuid.uuid4())})
    operation = Operation.objects.get()
    assert operation.baseline["webhook"]["secret_hash"] not in text_of(
        browser.get(page("operation_change", operation.pk))
    )


# The list


def test_the_list_says_who_when_how_long_and_with_what(instance: Instance, browser: Client, operator: User) -> None:
    began = timezone.now() - timedelta(hours=3)
    batch = Batch.objects.create(kind=BatchKind.RESTART)
    made(instance, actor=operator, started_at=began, finished_at=began + timedelta(seconds=1.5), batch=batch)
    made(None, started_at=began, finished_at=began + timedelta(minutes=3, seconds=5))
    made(instance, started_at=began, finished_at=began + timedelta(seconds=75), outcome=FAILED, settled_by=operator)
    made(instance, started_at=began, finished_at=began + timedelta(milliseconds=120))
    html = text_of(browser.get(page("operation_changelist")))
    spans = ("120 ms", "1.5 s", "75 s", "3\xa0minutes", "3\xa0hours ago")
    for words in ("operator", "the system", "a person's word", *spans):
        assert words in html, words
    assert f'href="{page("operation_changelist")}?batch__id__exact={batch.pk}"' in html
    assert len(listed(browser, batch__id__exact=batch.pk)) == 1


def test_the_list_filters_and_costs_the_same_for_many(instance: Instance, browser: Client, operator: User) -> None:
    def cost(**query: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            browser.get(page("operation_changelist"), query)
        return len(captured)

    made(instance, outcome=UNKNOWN, actor=operator)
    few = cost()
    for _ in range(20):
        made(instance, outcome=FAILED, actor=operator, batch=Batch.objects.create(kind=BatchKind.RESTART))
    assert cost() == few
    assert few <= 7
    assert len(listed(browser)) == 21
    assert len(listed(browser, outcome="unknown")) == 1
    assert len(listed(browser, outcome="failed", kind=OperationKind.RESTART)) == 20
    assert len(listed(browser, kind=OperationKind.DELETE)) == 0


def test_whose_permissions_are_looked_up_may_search_with_few_queries(instance: Instance, staff_with: StaffWith) -> None:
    client = staff_with("view_operation")
    operation = made(instance)
    with CaptureQueriesContext(connection) as captured:
        assert listed(client, q=instance.name) == [operation]
    assert len(captured) <= 7


def test_filters_by_time_actor_and_what_runs_too_long(instance: Instance, browser: Client, operator: User) -> None:
    now = timezone.now()
    mine = made(instance, actor=operator, started_at=now - timedelta(minutes=5))
    old = made(instance, started_at=now - timedelta(days=3))
    running = made(instance, outcome="running", started_at=now - timedelta(hours=2))
    overdue = made(instance, outcome="running", deadline=now, started_at=now - timedelta(days=30))
    assert listed(browser, started="hour") == [mine]
    assert listed(browser, started="day") == [running, mine]
    assert listed(browser, started="week") == [running, old, mine]
    assert len(listed(browser, started="nonsense")) == 4
    assert listed(browser, by="me") == [mine]
    assert listed(browser, by="system") == [overdue, running, old]
    assert listed(browser, outcome="overdue") == [overdue]
    assert listed(browser, outcome="running") == [overdue, running]


def test_what_needs_a_look_is_counted_above(instance: Instance, browser: Client) -> None:
    made(instance, outcome=UNKNOWN)
    made(instance, outcome="running", deadline=timezone.now())
    for _ in range(101):
        made(instance, outcome=FAILED)
    html = text_of(browser.get(page("operation_changelist"), {"outcome": "unknown"}))
    assert 'href="?" aria-current="true">Unknown outcome <strong>1<' in html
    assert 'href="?outcome=overdue">Running too long <strong>1<' in html
    assert 'href="?outcome=failed">Failed <strong>99+<' in html


def test_search_finds_by_name_id_and_request(
    instance: Instance, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Instance.objects.create(account=instance.account, vzaps_id="VZOTHER", name="Back office")
    here, there = made(instance, request_id="req-1"), made(other, request_id="req-2")
    for term, found in {
        "Front": [here],
        " front desk": [here],
        "back": [there],
        "bAcK oFF": [there],
        "desk": [],
        "VZOTHER": [there],
        "req-1": [here],
        "req-": [],
    }.items():
        assert listed(browser, q=term) == found, term
        with monkeypatch.context() as patched:
            patched.setattr("django_vzaps.admin.operations.FEW", 0)
            assert listed(browser, q=term) == found, term


@pytest.mark.postgres
def test_a_search_reads_no_table_from_end_to_end(instance: Instance, browser: Client) -> None:
    made(instance, request_id="req-1")
    with connection.cursor() as cursor:
        # These tables are small enough for it to pay all the same; on a large site it does not.
        cursor.execute("SET LOCAL enable_seqscan = off")
        for term in ("front", "VZOTHER", "req-1", "nothing"):
            with CaptureQueriesContext(connection) as captured:
                listed(browser, q=term)
            ours = [each["sql"] for each in captured if "name_folded" in each["sql"] or "request_id" in each["sql"]]
            assert len(ours) >= 2
            for sql in ours:
                cursor.execute(f"EXPLAIN {sql}")
                assert not [line for (line,) in cursor.fetchall() if "Seq Scan" in line], sql


def test_a_name_that_many_begin_with_loses_none(
    instance: Instance, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [Instance.objects.create(account=instance.account, vzaps_id=f"VZ{n}", name=f"Store {n}") for n in range(4)]
    operations = [made(other) for other in others]
    monkeypatch.setattr("django_vzaps.admin.operations.FEW", 1)
    assert listed(browser, q="store") == operations[::-1]


# Who may see what


def own(user: Any, queryset: Any) -> Any:
    return queryset.filter(owner=user)


def test_out_of_scope_there_is_nothing(
    unknown: Operation, fake_vzaps: FakeVZaps, settings: Any, operator: User
) -> None:
    stranger = User.objects.create_superuser("stranger")
    orphans = {user: made(None, actor=user, kind=OperationKind.CREATE) for user in (operator, stranger)}
    systems = made(None)
    browser = browser_of(stranger)
    assert set(listed(browser)) == {unknown, systems, *orphans.values()}
    settings.VZAPS = settings.VZAPS | {"INSTANCE_SCOPE": own}
    fake_vzaps.calls.clear()
    assert listed(browser) == [orphans[stranger]]
    assert "Unknown outcome <strong>0<" in text_of(browser.get(page("operation_changelist")))
    for name in ("change", "history", "decide"):
        assert browser.get(page(f"operation_{name}", unknown.pk)).status_code == 404
    assert browser.post(page("operation_settle", unknown.pk)).status_code == 404
    assert browser.post(page("operation_decide", unknown.pk), {"carried_out": "no"}).status_code == 404
    browser.post(page("operation_changelist"), {"action": "find_out", "_selected_action": [unknown.pk]})
    assert fake_vzaps.calls == []
    assert browser.get(page("operation_change", orphans[stranger].pk)).status_code == 200
    assert browser.get(page("operation_change", systems.pk)).status_code == 404
    Instance.objects.update(owner=stranger)
    assert listed(browser) == [orphans[stranger], unknown]
