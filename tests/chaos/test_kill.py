"""``kill -9`` of web and worker in the middle of a storm."""

from __future__ import annotations

import random

import pytest
from django.db import connection

from django_vzaps.models import Event, EventState
from django_vzaps.testing import wait_until
from tests.chaos.conftest import NewSite
from tests.chaos.site import CALM, CONCURRENCY, Outcome, Site
from tests.chaos.storm import Storm, message

pytestmark = [
    pytest.mark.redis,
    pytest.mark.skipif(connection.vendor == "sqlite", reason="needs PostgreSQL or MariaDB"),
]

INSTANCES, EACH, COPIES = 4, 50, 3
#: Where a handler waits for its worker to be killed, for one message of the storm each, and what is left of that one.
INSIDE = {
    "after keep": CALM,
    "before send": Outcome(EventState.FAILED, {"keep": "done", "send": "interrupted"}, {"keep": 1}),
    "after send": Outcome(EventState.FAILED, {"keep": "done", "send": "interrupted"}, {"keep": 1, "send": 1}),
}


def test_a_storm_with_kills_ends_as_a_calm_run(new_site: NewSite) -> None:
    site = new_site()
    calm, *stormy = site.add_instances(1 + INSTANCES)
    site.start(site.web, site.worker, site.beat)
    messages = {number: message(number) for number in range(EACH)}
    with Storm((site.webhook(calm), body) for body in messages.values()):
        pass
    site.wait_until_handled(EACH)
    assert list(site.outcomes(calm).values()) == [CALM] * EACH

    fatal = {instance.pk: (EACH // 2, where) for instance, where in zip(stormy, INSIDE, strict=False)}
    deliveries = []
    for instance in stormy:
        number, text = fatal.get(instance.pk, (0, "hello"))
        for body in {**messages, number: message(number, text)}.values():
            deliveries += [(site.webhook(instance), body)] * COPIES
    random.Random(1).shuffle(deliveries)
    with Storm(deliveries) as storm:
        kill_in_the_middle(site, storm, len(deliveries))
    site.wait_until_handled(EACH * (1 + INSTANCES))

    assert storm.repeated
    interrupted = 0
    for instance in stormy:
        outcomes = site.outcomes(instance)
        assert outcomes.keys() == site.outcomes(calm).keys()
        if instance.pk in fatal:
            number, where = fatal[instance.pk]
            assert outcomes.pop(message(number)["event"]["info"]["id"]) == INSIDE[where]
        others = [outcome for outcome in outcomes.values() if outcome != CALM]
        assert [outcome for outcome in others if not outcome.is_interrupted] == []
        interrupted += len(others)
    # Whoever was at work beside the handler that waited.
    assert interrupted <= len(INSIDE) * (CONCURRENCY - 1)
    assert min(Event.objects.exclude(instance=calm).values_list("duplicates", flat=True)) >= COPIES - 1


def kill_in_the_middle(site: Site, storm: Storm, deliveries: int) -> None:
    """Kill the web three times on the way, and the worker whenever one of its handlers waits for that."""
    web_kills = [deliveries * part // 4 for part in (1, 2, 3)]
    worker_kills: set[str] = set()

    def waiting() -> set[str]:
        return {where for where in INSIDE if (site.folder / where).exists()} - worker_kills

    def is_far_enough() -> bool:
        return bool(web_kills) and storm.accepted >= web_kills[0]

    while web_kills or len(worker_kills) < len(INSIDE):
        assert wait_until(lambda: bool(waiting()) or is_far_enough(), 30)
        if waiting():
            site.worker.kill()
            worker_kills.update(waiting())
            site.start(site.worker)
        if is_far_enough():
            del web_kills[0]
            site.kill_web()
            site.start(site.web)
