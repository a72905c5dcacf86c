from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient
from rest_framework.throttling import SimpleRateThrottle

from django_vzaps.api.throttling import PairingThrottle
from django_vzaps.models import Instance
from django_vzaps.testing import FakeVZaps
from tests.api.conftest import ROOT, problem, program_of


class Clock:
    """Time as throttles see it."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(SimpleRateThrottle, "timer", staticmethod(clock))
    return clock


def rates(settings: Any, **given: str | None) -> None:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": given}


def pair(client: APIClient, instance: Instance) -> Any:
    return client.get(f"{ROOT}instances/{instance.vzaps_id}/session/qr/")


def bill(client: APIClient, instance: Instance) -> Any:
    return client.post(f"{ROOT}instances/{instance.vzaps_id}/resume-subscription/")


def refused_after(ask: Any, client: APIClient, instance: Instance, *, most: int = 150) -> int:
    """How many requests are let through."""
    for number in range(most):
        if ask(client, instance).status_code == 429:
            return number
    return most


@pytest.mark.parametrize(("ask", "count"), [(pair, 120), (bill, 30)])
def test_pairing_and_billing_have_rates_of_their_own(
    ask: Any, count: int, api: APIClient, instance: Instance, clock: Clock
) -> None:
    assert refused_after(ask, api, instance) == count
    other = {pair: bill, bill: pair}[ask]
    assert other(api, instance).status_code != 429
    assert ask(program_of(User.objects.create_superuser("other")), instance).status_code != 429


def test_who_is_refused_is_told_when_to_come_again(
    api: APIClient, instance: Instance, clock: Clock, settings: Any, fake_vzaps: FakeVZaps
) -> None:
    rates(settings, vzaps_billing="2/min")
    bill(api, instance)
    clock.now += 20.5
    bill(api, instance)
    fake_vzaps.calls.clear()
    response = bill(api, instance)
    body = problem(response, "throttled")
    assert (response.status_code, response["Retry-After"], body["retry_after"]) == (429, "40", 40)
    assert fake_vzaps.calls == []
    clock.now += 40
    assert bill(api, instance).status_code == 409


def test_the_projects_rates_count(api: APIClient, instance: Instance, clock: Clock, settings: Any) -> None:
    rates(settings, vzaps_billing="1/hour", vzaps_pairing="3/s")
    assert (refused_after(bill, api, instance), refused_after(pair, api, instance)) == (1, 3)


def test_the_project_may_switch_them_off(
    api: APIClient, instance: Instance, clock: Clock, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PairingThrottle, "default_rate", "1/min")
    rates(settings, vzaps_pairing=None)
    assert refused_after(pair, api, instance, most=3) == 3
    rates(settings)
    assert refused_after(pair, api, instance, most=3) == 1


def test_nothing_else_has_a_rate_that_nobody_set(
    api: APIClient, instance: Instance, clock: Clock, settings: Any
) -> None:
    rates(settings, vzaps_pairing="1/min", vzaps_billing="1/min")
    root = f"{ROOT}instances/{instance.vzaps_id}/"
    for path in ("", "subscription/", "session/"):
        assert {api.get(root + path).status_code for _number in range(3)} == {200}
