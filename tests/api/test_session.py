"""Pairing an instance with a phone, step by step, as a program does it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from django_vzaps.models import Instance, Operation, Pairing
from django_vzaps.testing import FakeVZaps
from tests.api.conftest import ROOT, problem, program_of

PHONE = {"phone": "+55 (11) 99999-0000"}


class Session:
    """A program that pairs one instance."""

    def __init__(self, client: APIClient, instance: Instance) -> None:
        self.client, self.url = client, f"{ROOT}instances/{instance.vzaps_id}/session/"

    def begin(self, **body: Any) -> Any:
        return self.client.post(f"{self.url}qr/", body, format="json")

    def look(self, watch: str = "") -> Any:
        response = self.client.get(f"{self.url}qr/", {"watch": watch} if watch else {})
        assert response.status_code == 200, response.content
        return response.json()

    def stop(self, watch: str) -> Any:
        return self.client.delete(f"{self.url}qr/?watch={watch}")

    def ask_code(self, **body: Any) -> Any:
        return self.client.post(f"{self.url}pair-code/", PHONE | body, format="json")


@pytest.fixture
def session(api: APIClient, instance: Instance) -> Session:
    return Session(api, instance)


@pytest.fixture
def other(instance: Instance) -> Session:
    return Session(program_of(User.objects.create_superuser("other")), instance)


def asked(fake: FakeVZaps) -> list[str | None]:
    return [call.route for call in fake.calls if call.route != "token"]


def test_looking_begins_nothing(session: Session, fake_vzaps: FakeVZaps) -> None:
    shown = session.look()
    assert (shown["phase"], shown["is_live"], shown["may_begin"], shown["watch"]) == ("idle", False, True, None)
    assert session.look("something-made-up-here")["phase"] == "idle"
    assert fake_vzaps.calls == []


def test_a_code_is_scanned(session: Session, instance: Instance, fake_vzaps: FakeVZaps) -> None:
    response = session.begin()
    assert response.status_code == 200
    begun = response.json()
    assert (begun["phase"], begun["is_live"], begun["number"], begun["look_again_after"]) == ("scan", True, 1, 3)
    assert begun["qr_code"].startswith("data:image/png;base64,")
    assert begun["until"] > begun["changes_at"] > timezone.now().isoformat()
    assert session.look(begun["watch"])["qr_code"] == begun["qr_code"]
    fake_vzaps.scan(instance.vzaps_id, phone="5511988887777")
    ended = session.look(begun["watch"])
    assert (ended["phase"], ended["is_live"], ended["qr_code"], ended["look_again_after"]) == (
        "connected",
        False,
        None,
        None,
    )
    known = session.client.get(session.url).json()
    assert (known["state"], known["source"], known["phone"]) == ("connected", "api", "5511988887777")
    assert asked(fake_vzaps).count("qr") == 1


def test_looking_often_asks_for_no_more_codes(session: Session, fake_vzaps: FakeVZaps) -> None:
    watch = session.begin().json()["watch"]
    for _number in range(5):
        session.look(watch)
    assert asked(fake_vzaps).count("qr") == 1


def test_who_did_not_begin_asks_nothing_and_sees_no_code(
    session: Session, other: Session, fake_vzaps: FakeVZaps
) -> None:
    watch = session.begin().json()["watch"]
    fake_vzaps.calls.clear()
    for guessed in ("", watch, "something-made-up-here"):
        shown = other.look(guessed)
        assert (shown["phase"], shown["qr_code"], shown["user"]) == ("watched", None, "operator")
    assert session.look("another-page-of-mine")["qr_code"] is None
    assert other.stop(watch).status_code == 204
    assert fake_vzaps.calls == []
    assert session.look(watch)["is_live"]


def test_another_is_told_and_may_take_over(session: Session, other: Session, fake_vzaps: FakeVZaps) -> None:
    watch = session.begin().json()["watch"]
    refused = problem(other.begin(), "pairing-in-progress")
    assert (refused["status"], "take_over" in refused["detail"]) == (409, True)
    problem(other.ask_code(), "pairing-in-progress")
    assert session.look(watch)["is_live"]
    taken = other.begin(take_over=True).json()
    assert taken["is_live"]
    assert taken["watch"] != watch
    lost = session.look(watch)
    assert (lost["phase"], lost["qr_code"], lost["user"]) == ("watched", None, "other")
    assert asked(fake_vzaps).count("qr") == 1
    assert asked(fake_vzaps).count("pair_code") == 0


def test_the_same_watch_goes_on(session: Session) -> None:
    watch = session.begin().json()["watch"]
    Pairing.objects.update(until=timezone.now() + timedelta(seconds=5))
    again = session.begin(watch=watch).json()
    assert again["watch"] == watch
    assert again["until"] > (timezone.now() + timedelta(minutes=2)).isoformat()


def test_whoever_stops_is_no_longer_in_the_way(session: Session, other: Session) -> None:
    watch = session.begin().json()["watch"]
    assert session.stop(watch).status_code == 204
    assert session.look(watch)["phase"] == "idle"
    assert Pairing.objects.get().code is None
    assert other.begin().status_code == 200


def test_the_time_runs_out(session: Session, fake_vzaps: FakeVZaps) -> None:
    watch = session.begin().json()["watch"]
    Pairing.objects.update(until=timezone.now() - timedelta(seconds=1))
    fake_vzaps.calls.clear()
    shown = session.look(watch)
    assert (shown["phase"], shown["is_live"], shown["may_begin"], shown["qr_code"]) == ("expired", False, True, None)
    assert fake_vzaps.calls == []


def test_a_code_is_typed(session: Session, instance: Instance, fake_vzaps: FakeVZaps) -> None:
    response = session.ask_code()
    assert response.status_code == 200
    given = response.json()
    assert set(given) == {"code", "watch"}
    shown = session.look(given["watch"])
    assert (shown["phase"], shown["is_live"], shown["qr_code"]) == ("typing", True, None)
    fake_vzaps.scan(instance.vzaps_id, phone="5511999990000")
    assert session.look(given["watch"])["phase"] == "connected"
    # Whoever has a code to type needs no QR code, and asking for one begins anew.
    assert asked(fake_vzaps).count("qr") == 0
    operation = Operation.objects.get()
    assert operation.parameters == {"phone": "5511999990000"}
    assert given["code"] not in str(session.client.get(f"{ROOT}operations/{operation.pk}/").json())


def test_a_code_that_is_not_given_out_leaves_nothing_behind(
    session: Session, other: Session, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.faults.add("pair_code", status=422)
    refused = problem(session.ask_code(), "vzaps-refused")
    assert refused["operation"]["outcome"] == "failed"
    assert other.begin().status_code == 200


def test_what_is_in_the_way_is_said(session: Session, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("session_status", status=403, times=None)
    shown = session.begin().json()
    assert (shown["phase"], shown["is_live"]) == ("error", False)
    assert "VZaps refused" in shown["message"]


def test_status_asks_vzaps_now(session: Session, instance: Instance, fake_vzaps: FakeVZaps) -> None:
    remote = fake_vzaps.instances[instance.vzaps_id]
    remote.connected, remote.phone = True, "5511988887777"
    before = session.client.get(session.url).json()
    assert fake_vzaps.calls == []
    after = session.client.post(f"{session.url}status/").json()
    assert (before["state"], after["state"], after["phone"]) == ("never_paired", "connected", "5511988887777")
    assert after["confirmed_at"] > before["confirmed_at"]
    assert after["profile"]["profile_url"] == f"https://wa.me/{remote.phone}"
    assert asked(fake_vzaps) == ["session_status"]
    assert session.client.get(session.url).json() == after


def test_disconnect_is_noted(session: Session, instance: Instance, fake_vzaps: FakeVZaps) -> None:
    watch = session.begin().json()["watch"]
    fake_vzaps.scan(instance.vzaps_id)
    session.look(watch)
    ended = session.client.post(f"{session.url}disconnect/")
    assert (ended.status_code, ended.json()["kind"]) == (200, "session.disconnect")
    assert session.client.get(session.url).json()["state"] == "disconnected"
