"""The broker and the database go away and come back."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from django_vzaps.models import FailedDelivery, HealingOutcome, Instance
from django_vzaps.testing import LogEntry, wait_until
from tests.chaos.conftest import NewSite
from tests.chaos.processes import Gate, Redis, reserved_port
from tests.chaos.site import CALM, CONCURRENCY, Site
from tests.chaos.storm import deliver, message

pytestmark = [pytest.mark.redis, pytest.mark.postgres]

REDIS_SERVER = shutil.which("redis-server") or ""


@pytest.fixture
def port() -> Iterator[int]:
    with reserved_port() as port:
        yield port


@pytest.fixture
def broker(port: int, tmp_path: Path) -> Iterator[Redis]:
    broker = Redis(REDIS_SERVER, port, log=tmp_path / "redis.log")
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def gate(port: int) -> Iterator[Gate]:
    """The only way to PostgreSQL that the site has."""
    server = connection.settings_dict
    gate = Gate(port, (server["HOST"], int(server["PORT"] or 5432)))
    gate.open()
    yield gate
    gate.shut()


@pytest.mark.skipif(not REDIS_SERVER, reason="redis-server is not on the PATH, and this test stops one of its own")
def test_events_are_accepted_while_the_broker_is_down_and_handled_when_it_is_back(
    new_site: NewSite, broker: Redis
) -> None:
    site = new_site(broker_url=broker.url)
    instances = site.add_instances(2)
    site.start(site.web, site.worker, site.beat)
    numbers = iter(range(1000))

    def post(count: int) -> None:
        for number in [next(numbers) for _ in range(count)]:
            statuses = [deliver(site.webhook(instance), message(number)) for instance in instances]
            assert statuses == [200] * len(instances)

    post(10)
    broker.kill()
    post(30)
    broker.start()
    site.wait_until_handled(2 * 40)

    broker.send(signal.SIGSTOP)
    post(30)
    broker.send(signal.SIGCONT)
    site.wait_until_handled(2 * 70)

    for instance in instances:
        assert list(site.outcomes(instance).values()) == [CALM] * 70


def test_what_a_database_that_was_down_did_not_take_is_healed_from_the_delivery_log(
    new_site: NewSite, gate: Gate
) -> None:
    site = new_site(database_port=gate.port)
    instances = site.add_instances(2)
    site.start(site.web, site.worker, site.beat)

    emit(site, instances, range(40))
    assert wait_until(lambda: sum(log.status == "delivered" for log in logs(site, instances)) >= 20, 20)
    gate.shut()
    emit(site, instances, range(40, 60))
    assert site.fake.wait_for_deliveries(30)
    assert [site.fake.logs(instance.vzaps_id)[-1].response_code for instance in instances] == [503, 503]
    gate.open()
    emit(site, instances, range(60, 80))
    assert site.fake.wait_for_deliveries(30)

    failed = [log for log in logs(site, instances) if log.status == "failed"]
    assert len(failed) >= 2 * 20
    assert {log.response_code for log in failed} == {503}
    site.manage("vzaps_heal")
    assert set(FailedDelivery.objects.values_list("log_id", flat=True)) == {log.id for log in failed}
    assert not FailedDelivery.objects.filter(outcome=HealingOutcome.UNRECOVERABLE).exists()
    site.wait_until_handled(2 * 80)
    outcomes = [outcome for instance in instances for outcome in site.outcomes(instance).values()]
    assert len(outcomes) == 2 * 80
    others = [outcome for outcome in outcomes if outcome != CALM]
    assert [outcome for outcome in others if not outcome.is_interrupted] == []
    assert len(others) <= CONCURRENCY


def emit(site: Site, instances: list[Instance], numbers: range) -> None:
    for number in numbers:
        for instance in instances:
            site.fake.emit(instance.vzaps_id, message(number))


def logs(site: Site, instances: list[Instance]) -> list[LogEntry]:
    return [log for instance in instances for log in site.fake.logs(instance.vzaps_id)]
