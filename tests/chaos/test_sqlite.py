"""Web, worker and beat on one SQLite file, all busy at once."""

from __future__ import annotations

import re

import pytest

from django_vzaps.schedules import BEAT_SCHEDULE
from tests.chaos.conftest import NewSite
from tests.chaos.site import CALM
from tests.chaos.storm import Storm, message

# Whatever the suite runs on, this runs on SQLite: once is enough.
pytestmark = [pytest.mark.redis, pytest.mark.postgres]

INSTANCES, EACH = 5, 100


def test_500_events_on_sqlite_are_handled_without_a_lock_error(new_site: NewSite) -> None:
    site = new_site(sqlite=True)
    instances = site.add_instances(INSTANCES)
    site.start(site.web, site.worker, site.beat)

    with Storm((site.webhook(instance), message(number)) for number in range(EACH) for instance in instances) as storm:
        pass
    site.wait_until_handled(INSTANCES * EACH)

    assert storm.repeated == 0
    for instance in instances:
        assert list(site.outcomes(instance).values()) == [CALM] * EACH
    for process in (site.web, site.worker, site.beat):
        log = process.log.read_text()
        assert "database is locked" not in log
        assert "OperationalError" not in log
    worked = site.worker.log.read_text()
    for entry in BEAT_SCHEDULE.values():
        assert re.search(rf"Task {entry['task']}\[\S+\] succeeded", worked)
