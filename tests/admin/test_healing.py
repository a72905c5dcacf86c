from __future__ import annotations

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_vzaps.models import Event, FailedDelivery, HealingRun, Instance
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
