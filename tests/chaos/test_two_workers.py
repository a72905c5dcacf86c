"""Two workers of different kinds share the queues; one is killed in the middle of everything, and the other ends it."""

from __future__ import annotations

import json
from typing import Final

import pytest
from django.db import connection
from django.utils import timezone

from django_vzaps.events import storing
from django_vzaps.models import Account, Batch, BatchItemState, EventState, Instance
from django_vzaps.schedules import TASK_ROUTES
from django_vzaps.testing import wait_until
from django_vzaps.testing.faults import Predicate
from django_vzaps.testing.wire import Request
from tests.chaos.conftest import NewSite
from tests.chaos.site import CALM, Outcome, Site
from tests.chaos.storm import message

pytestmark = pytest.mark.skipif(connection.vendor == "sqlite", reason="needs PostgreSQL or MariaDB")

KNOWN, UNKNOWN, EVENTS = 4, 246, 6
FATAL: Final = 2
"""The message whose handler waits to be killed."""
#: Longer than the worker lives that waits for the answer, in seconds.
HELD: Final = 25
POOLS: Final = {"prefork": ("--concurrency", "4"), "threads": ("--pool", "threads", "--concurrency", "4")}


def the_other_one_ends_it(site: Site, killed: str, heir: str) -> None:
    instances = site.add_instances(KNOWN)
    for number in range(UNKNOWN):
        site.fake.add_instance(name=f"Branch {number}")
    site.fake.calls.clear()
    held_instance, eventful = instances[1], instances[2]
    site.fake.faults.add(is_restart_of(held_instance), delay=HELD)
    site.fake.faults.add(is_second_page, delay=HELD)
    batch = Batch.objects.create(kind="restart", by_system=True, total=KNOWN)
    for instance in instances:
        batch.items.create(instance=instance)
    for number in range(EVENTS):
        body = json.dumps(message(number, "after send" if number == FATAL else "hello")).encode()
        storing.receive(body, instance_id=eventful.pk, vzaps_id=eventful.vzaps_id)

    queues = ("--queues", ",".join(f"{site.environment['CHAOS_PREFIX']}{queue}" for queue in queue_names()))
    first, second = (site.add_worker(f"worker-{pool}", *POOLS[pool], *queues) for pool in (killed, heir))
    site.start(first, site.beat)
    assert wait_until(lambda: is_in_the_middle(site, held_instance), 15)
    site.start(second)
    first.kill()
    # So long ago that nobody waits for the one who died; the other leases of the site are short.
    Batch.objects.update(lease_until=timezone.now())
    assert wait_until(lambda: is_done(batch), 15)
    site.wait_until_handled(EVENTS)

    restarts = [call.instance_id for call in site.fake.calls_to("restart")]
    assert sorted(restarts) == sorted(instance.vzaps_id for instance in instances)
    states = [item.state for item in batch.items.order_by("pk")]
    succeeded = BatchItemState.SUCCEEDED
    assert states == [succeeded, BatchItemState.UNKNOWN, succeeded, succeeded]
    assert Instance.objects.present().count() == KNOWN + UNKNOWN
    assert Account.objects.get().sync_error == ""
    outcomes = site.outcomes(eventful)
    killed_inside = Outcome(EventState.FAILED, {"keep": "done", "send": "interrupted"}, {"keep": 1, "send": 1})
    assert outcomes.pop(message(FATAL)["event"]["info"]["id"]) == killed_inside
    assert list(outcomes.values()) == [CALM] * (EVENTS - 1)


def queue_names() -> set[str]:
    return {route["queue"] for route in TASK_ROUTES.values()}


def is_restart_of(instance: Instance) -> Predicate:
    return lambda request: request.route == "restart" and request.instance_id == instance.vzaps_id


def is_second_page(request: Request) -> bool:
    return request.route == "list" and request.data.get("page") == 2


def is_in_the_middle(site: Site, held: Instance) -> bool:
    """Whether a batch, a sync and a handler wait, each for something that takes long."""
    restarting = any(call.instance_id == held.vzaps_id for call in site.fake.calls_to("restart"))
    listing = any((call.body or {}).get("page") == 2 for call in site.fake.calls_to("list"))
    return restarting and listing and (site.folder / "after send").exists()


def is_done(batch: Batch) -> bool:
    batch.refresh_from_db()
    return batch.finished_at is not None and Account.objects.filter(synced_at__isnull=False).exists()


@pytest.mark.redis
def test_threads_end_what_killed_processes_began_on_redis(new_site: NewSite) -> None:
    site = new_site(environment={"CHAOS_ROUTES": "1", "CHAOS_SCHEDULE": "vzaps-sweep vzaps-sync"})
    the_other_one_ends_it(site, "prefork", "threads")


@pytest.mark.rabbitmq
def test_processes_end_what_killed_threads_began_on_rabbitmq(new_site: NewSite, rabbitmq_url: str) -> None:
    site = new_site(
        broker_url=rabbitmq_url, environment={"CHAOS_ROUTES": "1", "CHAOS_SCHEDULE": "vzaps-sweep vzaps-sync"}
    )
    the_other_one_ends_it(site, "threads", "prefork")
