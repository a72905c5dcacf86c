"""Times are ISO 8601 in UTC, whatever the site's are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from django_vzaps.models import Account, Instance
from tests.api.conftest import ROOT
from tests.api.rows import make, operation
from tests.api.test_instances import LIST, NOON, url


@pytest.mark.parametrize(("zone", "is_aware"), [("Asia/Kathmandu", True), ("Asia/Kathmandu", False), ("UTC", False)])
def test_times_are_utc_whatever_the_sites_are(
    zone: str, is_aware: bool, api: APIClient, account: Account, settings: Any
) -> None:
    settings.TIME_ZONE, settings.USE_TZ = zone, is_aware
    at = NOON if is_aware else timezone.make_naive(NOON, timezone.get_default_timezone())
    make(account, "desk", synced_at=at, first_seen_at=at, last_event_at=at.replace(microsecond=0))
    shown = api.get(LIST).json()["results"][0]
    assert (shown["synced_at"], shown["last_event_at"]) == ("2025-11-25T12:00:00.123456Z", "2025-11-25T12:00:00Z")


@pytest.mark.parametrize("is_aware", [True, False])
def test_times_that_are_asked_for_are_utc_too(
    is_aware: bool, api: APIClient, instance: Instance, settings: Any
) -> None:
    settings.TIME_ZONE, settings.USE_TZ = "Asia/Kathmandu", is_aware
    api.post(url(instance, "restart/"))
    started = datetime.fromisoformat(api.get(f"{ROOT}operations/").json()["results"][0]["started_at"])
    assert abs(started - datetime.now(UTC)) < timedelta(minutes=1)

    def found(**query: str) -> int:
        return len(api.get(f"{ROOT}operations/", query).json()["results"])

    later, sooner = started + timedelta(seconds=1), started - timedelta(seconds=1)
    assert (found(started_after=sooner.isoformat()), found(started_after=later.isoformat())) == (1, 0)
    # Without an offset it is UTC, and with another one it is what it says.
    assert found(started_before=later.replace(tzinfo=None).isoformat()) == 1
    assert found(started_before=sooner.replace(tzinfo=None).isoformat()) == 0
    east = later.astimezone(timezone.get_fixed_timezone(345)).isoformat()
    assert found(started_before=east) == 1
    for extreme in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "1970-01-01", "2026-11-25T12:00:00Z"):
        assert api.get(f"{ROOT}operations/", {"started_after": extreme}).status_code == 200
    assert found(started_after="9999-12-31") == found(started_before="0001-01-01") == 0


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "2026-13-45T00:00", 7])
def test_a_time_that_utc_does_not_have_is_not_known(moment: Any, api: APIClient, instance: Instance) -> None:
    row = operation(instance, effect={"cancel_at": moment})
    assert api.get(f"{ROOT}operations/{row.pk}/").json()["effect"]["cancel_at"] is None
