"""The time limit of a task, where Celery enforces it: in a process."""

from __future__ import annotations

import json

import pytest
from django.db import connection

from django_vzaps.events import storing
from django_vzaps.models import EventState
from tests.chaos.conftest import NewSite
from tests.chaos.site import CALM, Outcome
from tests.chaos.storm import message

pytestmark = [
    pytest.mark.redis,
    pytest.mark.skipif(connection.vendor == "sqlite", reason="needs PostgreSQL or MariaDB"),
]

#: What hangs, and what is left of it. A transactional handler is tried again, and does not hang a second time.
HANGING = {
    "after keep": CALM,
    "after send": Outcome(EventState.FAILED, {"keep": "done", "send": "interrupted"}, {"keep": 1, "send": 1}),
}
EVENTS = 3


def test_a_handler_that_hangs_is_stopped_and_its_worker_goes_on(new_site: NewSite) -> None:
    site = new_site(environment={"CHAOS_SOFT_LIMIT": "1"})
    instances = site.add_instances(len(HANGING))
    for instance, where in zip(instances, HANGING, strict=True):
        for number in range(EVENTS):
            body = json.dumps(message(number, "hello" if number else where)).encode()
            storing.receive(body, instance_id=instance.pk, vzaps_id=instance.vzaps_id)

    site.start(site.worker, site.beat)
    site.wait_until_handled(EVENTS * len(HANGING))

    for instance, outcome in zip(instances, HANGING.values(), strict=True):
        outcomes = site.outcomes(instance)
        assert outcomes.pop(message(0)["event"]["info"]["id"]) == outcome
        assert list(outcomes.values()) == [CALM] * (EVENTS - 1)
    log = site.worker.log.read_text()
    assert log.count("Soft time limit (1.0s) exceeded for django_vzaps.drain_instance") == len(HANGING)
    assert "WorkerLostError" not in log
