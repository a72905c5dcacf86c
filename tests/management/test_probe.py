from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_vzaps.models import Account, Event, Instance
from django_vzaps.testing import FakeVZaps
from tests.known import known
from tests.management.conftest import Run

pytestmark = pytest.mark.django_db


@pytest.fixture
def instance(fake_vzaps: FakeVZaps, account: Account) -> Instance:
    """One that is connected, as far as was known an hour ago."""
    instance = known(fake_vzaps, account, connected=True)
    Instance.objects.update(connection_asked_at=timezone.now() - timedelta(hours=1))
    return instance


def test_a_round_is_reported_for_each_account(fake_vzaps: FakeVZaps, instance: Instance, run: Run) -> None:
    Account.objects.create(name="branch", client_token="x", client_secret="y")
    fake_vzaps.drop_connection(instance.vzaps_id)

    said = run("vzaps_probe")

    assert not said.failure
    assert "branch: 0 asked, 0 connected, 0 not connected, 0 failed; 0 left for later." in said.out
    assert "default: 1 asked, 0 connected, 1 not connected, 0 failed; 0 left for later." in said.out


def test_a_long_round_says_how_far_it_is(fake_vzaps: FakeVZaps, instance: Instance, run: Run) -> None:
    assert "default: 1 of 1" in run("vzaps_probe", terminal=True).err


def test_who_is_too_silent_is_found_too(fake_vzaps: FakeVZaps, instance: Instance, run: Run) -> None:
    now = timezone.now()
    Instance.objects.update(
        connection_asked_at=now,
        connection_changed_at=None,
        last_event_at=now - timedelta(days=1),
        usual_silence=timedelta(hours=1),
        silence_learned_at=now,
    )
    other = known(fake_vzaps, instance.account)
    for hours in range(30):
        Event.objects.store(
            instance_id=other.pk, type="Message", payload="{}", received_at=now - timedelta(hours=hours, seconds=1)
        )
    Event.objects.update(state="done")

    said = run("vzaps_probe")

    assert "default: 1 asked, 1 connected" in said.out
    assert Instance.objects.suspiciously_silent().get() == instance


def test_vzaps_that_fails_is_a_failure_and_says_why(fake_vzaps: FakeVZaps, instance: Instance, run: Run) -> None:
    fake_vzaps.faults.add("session_status", status=429, times=None)

    said = run("vzaps_probe")

    assert "1 asked, 0 connected, 0 not connected, 1 failed; 1 left for later." in said.out
    assert "VZaps asks to slow down" in said.err
    assert "VZaps fails for this account and is left alone until 20" in said.err
    assert said.failure == "VZaps could not be asked about every instance of: default."

    calls = len(fake_vzaps.calls_to("session_status"))
    assert run("vzaps_probe").failure
    assert run("vzaps_probe", "--instance", instance.vzaps_id).failure
    assert len(fake_vzaps.calls_to("session_status")) == calls
    fake_vzaps.faults.clear()
    assert not run("vzaps_probe", "--instance", instance.vzaps_id, "--even-if-paused").failure


def test_one_instance_is_asked_about_whatever_its_age(fake_vzaps: FakeVZaps, instance: Instance, run: Run) -> None:
    other = known(fake_vzaps, instance.account, connected=True)
    assert not run("vzaps_probe").failure

    said = run("vzaps_probe", "--instance", other.vzaps_id)

    assert "default: 1 asked, 1 connected" in said.out
    assert [call.path.split("/")[2] for call in fake_vzaps.calls_to("session_status")][1:] == [other.vzaps_id]


@pytest.mark.parametrize("why", ["unknown", "gone", "another account"])
def test_an_instance_that_is_not_there_is_an_error(
    fake_vzaps: FakeVZaps, instance: Instance, run: Run, why: str
) -> None:
    arguments = ["--instance", instance.vzaps_id]
    match why:
        case "unknown":
            arguments = ["--instance", "VZ-nobody"]
        case "gone":
            Instance.objects.update(removed_at=timezone.now())
        case "another account":
            Account.objects.create(name="other")
            arguments += ["--account", "other"]

    assert run("vzaps_probe", *arguments).failure.startswith(f"There is no instance “{arguments[1]}”.")
    assert not fake_vzaps.calls


def test_where_the_setting_forbids_probes_it_says_so(
    fake_vzaps: FakeVZaps, instance: Instance, run: Run, settings: Any
) -> None:
    settings.VZAPS = {**settings.VZAPS, "PROBES_PER_MINUTE": 0}

    said = run("vzaps_probe")

    assert "VZAPS['PROBES_PER_MINUTE'] is 0" in said.out
    assert not said.failure
    assert not fake_vzaps.calls
