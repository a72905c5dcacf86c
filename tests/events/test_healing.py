"""What VZaps failed to deliver is taken in from its log, as far as it can be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from django_vzaps import services
from django_vzaps.client.answers.webhooks import WebhookLogPage
from django_vzaps.events import MessageEvent, healing, on
from django_vzaps.models import (
    Account,
    Event,
    EventSource,
    FailedDelivery,
    HealingOutcome,
    HealingRun,
    Instance,
    Operation,
)
from django_vzaps.testing import FakeVZaps, events

pytestmark = pytest.mark.django_db(transaction=True)

Answers = Callable[..., None]


@pytest.fixture
def instance(fake_vzaps: FakeVZaps) -> Instance:
    """One that was made here, and so has a webhook that this site manages."""
    account = Account.objects.from_settings()
    assert account is not None
    instance = services.instances.create(account, name="Front desk", actor=None).instance
    assert instance is not None
    services.sessions.qr(instance)
    fake_vzaps.scan(instance.vzaps_id)
    Event.objects.all().delete()
    return Instance.objects.select_related("webhook", "account").get(pk=instance.pk)


@pytest.fixture
def seen() -> list[str]:
    found: list[str] = []

    @on("Message")
    def keep(event: MessageEvent) -> None:
        found.append(event.text)

    return found


@pytest.fixture
def log_says(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Have VZaps' log answer these pages to a search."""

    def log_says(*pages: Any) -> None:
        asked: list[int] = []

        def search(self: object, **filters: Any) -> WebhookLogPage:
            asked.append(filters.get("page", 1))
            return WebhookLogPage.of(pages[min(asked[-1], len(pages)) - 1])

        monkeypatch.setattr("django_vzaps.client.resources.webhooks.Webhooks.search_logs", search)

    return log_says


def outcomes() -> list[str]:
    return list(FailedDelivery.objects.order_by("pk").values_list("outcome", flat=True))


def test_what_was_lost_is_recovered_once(fake_vzaps: FakeVZaps, instance: Instance, seen: list[str]) -> None:
    fake_vzaps.faults.webhooks.lose(2)
    fake_vzaps.receive(instance.vzaps_id, "one")
    fake_vzaps.receive(instance.vzaps_id, "two")
    fake_vzaps.receive(instance.vzaps_id, "three")
    assert seen == ["three"]

    run = healing.heal(instance)
    assert run is not None
    assert (run.missing, run.recovered, run.present, run.unrecoverable, run.problems) == (2, 2, 0, 0, "")
    assert sorted(seen) == ["one", "three", "two"]
    assert set(Event.objects.filter(source=EventSource.DELIVERY_LOG).values_list("origin_id", flat=True)) == set(
        FailedDelivery.objects.values_list("log_id", flat=True)
    )
    assert healing.heal(instance) is None, "nothing is new"
    assert len(seen) == 3
    instance.webhook.refresh_from_db()
    assert instance.webhook.healed_at is not None


def test_what_arrived_after_all_only_counts(fake_vzaps: FakeVZaps, instance: Instance, seen: list[str]) -> None:
    fake_vzaps.receive(instance.vzaps_id, "one")
    fake_vzaps.logs(instance.vzaps_id)[-1].status = "failed"  # our answer came too late
    run = healing.heal(instance)
    assert run is not None
    assert (run.missing, run.recovered, run.present) == (1, 0, 1)
    assert seen == ["one"]
    assert Event.objects.get(message_id__gt="").duplicates == 1


def test_a_lost_connected_event_only_makes_us_ask(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    Instance.objects.update(connected=None, connection_asked_at=None)
    fake_vzaps.faults.webhooks.lose(1)
    fake_vzaps.disconnect(instance.vzaps_id)
    assert healing.heal(instance)
    instance.refresh_from_db()
    assert instance.connected is None
    assert instance.confirm_connection_at is not None


def test_what_the_log_does_not_hold_is_said(instance: Instance, log_says: Answers, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "WEBHOOK_MAX_BYTES": 1000}
    now = timezone.now().isoformat()
    log_says(
        {
            "content": [
                {"id": "large", "payload": events.message("x" * 1000), "created_at": now},
                {"id": "undated", "payload": {"type": "Connected"}},
                {"id": "odd", "payload": "not json", "created_at": now},
                {"status": "failed", "payload": {}},
            ]
        }
    )
    run = healing.heal(instance)
    assert run is not None
    assert outcomes() == [HealingOutcome.UNRECOVERABLE, HealingOutcome.UNRECOVERABLE, HealingOutcome.RECOVERED]
    assert "1 delivery has no id" in run.problems
    assert Event.objects.get().state == "unparsed"
    assert all(FailedDelivery.objects.filter(outcome="unrecoverable").values_list("detail", flat=True))


@pytest.mark.parametrize("payload", ["payload", "request_body", "body", "data"])
@pytest.mark.parametrize("rows", ["content", "items", "logs"])
@pytest.mark.parametrize("name", ["id", "logId", "uuid"])
def test_other_names_are_understood(
    instance: Instance, log_says: Answers, seen: list[str], payload: str, rows: str, name: str
) -> None:
    body = json.dumps({"json_data": events.message("hello")})
    log_says({"success": True, "data": {rows: [{name: "whl_1", payload: body}]}})
    assert healing.heal(instance)
    assert seen == ["hello"]


_junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "status", "payload", "content", "total", "x"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@examples(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=_junk)
def test_no_answer_breaks_it(instance: Instance, answer: Any) -> None:
    from unittest.mock import patch

    with patch(
        "django_vzaps.client.resources.webhooks.Webhooks.search_logs", lambda self, **filters: WebhookLogPage.of(answer)
    ):
        run = healing.heal(instance)
    assert run is None or run.finished_at or run.problems


def test_a_log_that_pages_in_no_known_way_is_read_once_and_said(instance: Instance, log_says: Answers) -> None:
    log_says({"content": [{"id": "one", "payload": {"type": "New", "n": 1}, "status": "failed"}], "total": 7})
    run = healing.heal(instance)
    assert run is not None
    assert run.missing == 1
    assert "answers the first again" in run.problems


def test_every_page_is_read(instance: Instance, log_says: Answers, seen: list[str]) -> None:
    log_says(
        {"content": [{"id": "one", "payload": events.message("one")}], "total_pages": 2},
        {"content": [{"id": "two", "payload": events.message("two")}], "total_pages": 2},
    )
    assert healing.heal(instance)
    assert seen == ["one", "two"]


def test_what_needs_no_help_is_left(instance: Instance, log_says: Answers) -> None:
    rows = [{"id": word, "status": word, "payload": events.message()} for word in ("delivered", "SUCCESS", "pending")]
    log_says({"content": rows})
    assert healing.heal(instance) is None


def test_what_was_meant_for_another_site_is_left(instance: Instance, log_says: Answers) -> None:
    long_ago = timezone.now() - timedelta(days=1)
    Operation.objects.update(started_at=timezone.now() - timedelta(hours=1))
    old = events.message("old", timestamp=long_ago.isoformat())
    log_says(
        {
            "content": [
                {"id": "dated", "payload": old, "created_at": long_ago.isoformat()},
                {"id": "undated", "payload": old},
            ]
        }
    )
    assert healing.heal(instance) is None
    assert not Event.objects.exists()


def test_a_webhook_of_somebody_elses_is_not_read(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    instance.webhook.desired_events = None
    instance.webhook.save()
    assert healing.heal_all().instances == 0
    assert not fake_vzaps.calls_to("logs_search")


def test_one_instance_does_not_stop_the_others_and_a_dead_service_does(
    fake_vzaps: FakeVZaps, instance: Instance
) -> None:
    other = services.instances.create(instance.account, name="Other", actor=None).instance
    assert other is not None
    fake_vzaps.faults.add("logs_search", status=404)
    summary = healing.heal_all()
    assert (summary.instances, summary.failed) == (2, 1)

    fake_vzaps.faults.add("logs_search", status=500, times=None)
    fake_vzaps.calls.clear()
    summary = healing.heal_all()
    assert (summary.instances, summary.failed) == (1, 1)
    assert HealingRun.objects.latest("pk").finished_at is None


def test_the_command_reports(fake_vzaps: FakeVZaps, instance: Instance) -> None:
    fake_vzaps.faults.webhooks.lose(1)
    fake_vzaps.receive(instance.vzaps_id, "one")
    out = StringIO()
    call_command("vzaps_heal", stdout=out)
    assert "Front desk: 1 missing, 1 recovered, 0 unrecoverable" in out.getvalue()
    assert "1 delivery logs read: 1 deliveries missing, 1 recovered" in out.getvalue()
    out = StringIO()
    call_command("vzaps_heal", instance=instance.vzaps_id, stdout=out)
    assert "0 deliveries missing" in out.getvalue()
    with pytest.raises(CommandError, match="There is no instance"):
        call_command("vzaps_heal", instance="VZ-nobody", stdout=StringIO())
    fake_vzaps.faults.add("logs_search", status=500, times=None)
    with pytest.raises(CommandError, match="Delivery logs that could not be read: 1"):
        call_command("vzaps_heal", stdout=StringIO())
