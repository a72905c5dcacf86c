from __future__ import annotations

import uuid

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_vzaps.models import Instance, Operation, OperationKind, OperationOutcome
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import page, said, text_of


@pytest.fixture
def unknown(instance: Instance, browser: Client, fake_vzaps: FakeVZaps) -> Operation:
    """A subscription whose answer was lost, and that VZaps does not show yet."""
    fake_vzaps.faults.add("subscribe", drop=True)
    fake_vzaps.billing_lag = 2
    browser.post(page("instance_subscribe", instance.pk), {"idempotency_key": str(uuid.uuid4())})
    LogEntry.objects.all().delete()
    return Operation.objects.get()


def test_says_that_the_outcome_is_unknown_and_what_to_do(unknown: Operation, browser: Client) -> None:
    html = text_of(browser.get(page("operation_change", unknown.pk)))
    assert "The answer from VZaps never came" in html
    assert page("operation_settle", unknown.pk) in html
    assert page("operation_decide", unknown.pk) in html


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


def test_the_list_filters_and_costs_the_same_for_many(instance: Instance, browser: Client, operator: User) -> None:
    def listed(**query: str) -> tuple[int, int]:
        with CaptureQueriesContext(connection) as captured:
            rows = list(browser.get(page("operation_changelist"), query).context["cl"].result_list)
        return len(rows), len(captured)

    def make(outcome: str) -> None:
        Operation.objects.create(
            kind=OperationKind.RESTART,
            outcome=outcome,
            instance=instance,
            account=instance.account,
            actor=operator,
            deadline=timezone.now(),
        )

    make(OperationOutcome.UNKNOWN)
    _rows, few = listed()
    for _ in range(20):
        make(OperationOutcome.FAILED)
    assert listed() == (21, few)
    assert listed(outcome="unknown")[0] == 1
    assert listed(outcome="failed", kind=OperationKind.RESTART)[0] == 20
    assert listed(kind=OperationKind.DELETE)[0] == 0


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
