from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_vzaps.models import Event, FailedDelivery, HealingOutcome, HealingRun, Instance
from tests.admin.conftest import StaffWith, page, text_of


def report(instance: Instance, count: int = 1) -> HealingRun:
    run = HealingRun.objects.create(instance=instance, missing=count, recovered=count, problems="Page 2 was not read")
    for number in range(count):
        event = Event.objects.create(instance=instance, type="Message", payload="{}")
        FailedDelivery.objects.create(
            instance=instance, run=run, log_id=f"{run.pk}-{number}", outcome="recovered", event=event
        )
    return run


def test_a_report_leads_to_its_deliveries_and_they_to_their_events(instance: Instance, browser: Client) -> None:
    run, other = report(instance), report(instance)
    assert "Page 2 was not read" in text_of(browser.get(page("healingrun_changelist"), {"needs": "problems"}))
    html = text_of(browser.get(page("healingrun_change", run.pk)))
    link = f"{page('faileddelivery_changelist')}?run__id__exact={run.pk}"
    assert link in html
    deliveries = text_of(browser.get(link))
    assert f"{run.pk}-0" in deliveries
    assert f"{other.pk}-0" not in deliveries
    assert page("event_change", run.deliveries.get().event_id) in deliveries


def test_the_filter_shows_what_needs_a_person(instance: Instance, browser: Client) -> None:
    runs = {
        "recovered": HealingRun.objects.create(instance=instance, missing=1, recovered=1),
        "unrecoverable": HealingRun.objects.create(instance=instance, missing=1, unrecoverable=1),
        "problems": HealingRun.objects.create(instance=instance, problems="Page 2 was not read"),
    }
    for wanted in ("unrecoverable", "problems"):
        html = text_of(browser.get(page("healingrun_changelist"), {"needs": wanted}))
        for name, run in runs.items():
            assert (page("healingrun_change", run.pk) in html) == (name == wanted)


def test_a_lasting_problem_shows_since_when_and_when_last(instance: Instance, browser: Client) -> None:
    since, last = datetime(2031, 5, 4, 12, tzinfo=UTC), datetime(2031, 6, 7, 12, tzinfo=UTC)
    HealingRun.objects.create(instance=instance, problems="Page 2 was not read", started_at=since, seen_at=last)
    html = text_of(browser.get(page("healingrun_changelist")))
    assert "May 4, 2031" in html
    assert "June 7, 2031" in html


def test_what_is_left_alone_and_what_is_tried_again_is_shown(instance: Instance, browser: Client) -> None:
    run = HealingRun.objects.create(instance=instance, missing=1, unrecoverable=1)
    left = FailedDelivery.objects.create(instance=instance, log_id="old", outcome=HealingOutcome.LEFT)
    again = FailedDelivery.objects.create(
        instance=instance,
        run=run,
        log_id="lost",
        outcome=HealingOutcome.UNRECOVERABLE,
        retry_at=datetime(2031, 5, 4, 12, tzinfo=UTC),
    )
    assert "left alone" in text_of(browser.get(page("faileddelivery_changelist")))
    assert "left alone" in text_of(browser.get(page("faileddelivery_change", left.pk)))
    assert "May 4, 2031" in text_of(browser.get(page("faileddelivery_change", again.pk)))


def test_the_lists_ask_the_same_however_long_they_are(instance: Instance, browser: Client) -> None:
    counts = []
    for size in (1, 20):
        report(instance, size)
        for name in ("healingrun_changelist", "faileddelivery_changelist"):
            browser.get(page(name))
            with CaptureQueriesContext(connection) as queries:
                browser.get(page(name))
            counts.append(len(queries))
    assert counts[:2] == counts[2:]


def test_who_may_not_see_them_does_not(instance: Instance, staff_with: StaffWith) -> None:
    report(instance)
    assert staff_with("view_instance").get(page("healingrun_changelist")).status_code == 403
    assert staff_with("view_healingrun").get(page("healingrun_changelist")).status_code == 200


def test_what_is_out_of_scope_is_not_there(instance: Instance, browser: Client, settings: Any) -> None:
    other = Instance.objects.create(account=instance.account, vzaps_id="VZOTHER", name="Back office")
    mine, theirs = report(instance), report(other)
    settings.VZAPS = {**settings.VZAPS, "INSTANCE_SCOPE": lambda user, rows: rows.exclude(vzaps_id="VZOTHER")}
    for name, seen, unseen in (
        ("healingrun", mine, theirs),
        ("faileddelivery", mine.deliveries.get(), theirs.deliveries.get()),
    ):
        html = text_of(browser.get(page(f"{name}_changelist")))
        assert page(f"{name}_change", seen.pk) in html
        assert page(f"{name}_change", unseen.pk) not in html
        assert "Back office" not in html
        assert browser.get(page(f"{name}_change", seen.pk)).status_code == 200
        assert browser.get(page(f"{name}_change", unseen.pk)).status_code == 404
