from __future__ import annotations

import base64
import re

import pytest

from django_vzaps.testing import FakeInstance, FakeVZaps, qr
from tests.testing.conftest import Caller, Inbox


@pytest.fixture
def instance(fake: FakeVZaps) -> FakeInstance:
    return fake.add_instance(webhook="https://hooks.example.test/x", events=["Connected", "Disconnected"])


def qr_of(ask: Caller, instance: FakeInstance) -> dict[str, str]:
    data: dict[str, str] = ask.json("GET", f"/instances/{instance.id}/session/qr")["data"]
    return data


def status_of(ask: Caller, instance: FakeInstance) -> dict[str, object]:
    data: dict[str, object] = ask.json("GET", f"/instances/{instance.id}/session/status")["data"]
    return data


def test_the_qr_code_is_a_png_of_a_size_that_a_camera_can_read(ask: Caller, instance: FakeInstance) -> None:
    code = qr_of(ask, instance)["qr_code"]
    prefix, _, content = code.partition(",")
    image = base64.b64decode(content)
    assert prefix == "data:image/png;base64"
    assert image.startswith(b"\x89PNG\r\n")
    assert int.from_bytes(image[16:20]) >= 300


def test_the_code_stays_for_60_s_then_changes_every_20_s_six_in_all(
    fake: FakeVZaps, ask: Caller, instance: FakeInstance
) -> None:
    seen = []
    for _ in range(16):  # every 10 s: 0, 10, ... 150
        seen.append(qr_of(ask, instance)["qr_code"])
        fake.clock.advance(10)
    runs = [seen.count(code) for code in dict.fromkeys(seen)]
    assert runs == [6, 2, 2, 2, 2, 2]
    assert qr_of(ask, instance) == {"status": "timeout", "pairing_status": "timeout", "error": "timeout"}
    again = qr_of(ask, instance)["qr_code"]
    assert again not in seen


def test_a_scan_pairs_and_says_connected(fake: FakeVZaps, ask: Caller, inbox: Inbox, instance: FakeInstance) -> None:
    assert status_of(ask, instance) == {"connected": False}
    qr_of(ask, instance)
    fake.scan(instance.id, phone="5521988887777", push_name="Clinic")
    status = status_of(ask, instance)
    assert next(iter(status)) == "connected"
    assert status["phone"] == "5521988887777"
    assert status["whatsapp_jid"] == "5521988887777@s.whatsapp.net"
    assert status["push_name"] == "Clinic"
    assert "" not in status.values()
    assert "qr_code" not in qr_of(ask, instance)
    assert qr_of(ask, instance)["phone"] == "5521988887777"
    assert inbox.got == [{"type": "Connected"}]
    shown = ask.json("POST", "/instances/get", {"id": instance.id})
    assert (shown["connected"], shown["whatsapp_push_name"]) == (True, "Clinic")


def test_nothing_is_scanned_where_no_code_shows(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    with pytest.raises(ValueError, match="no QR code"):
        fake.scan(instance.id)
    qr_of(ask, instance)
    fake.clock.advance(qr.ATTEMPT_SECONDS)
    with pytest.raises(ValueError, match="no QR code"):
        fake.scan(instance.id)


def test_a_pair_code_is_two_groups_of_four(fake: FakeVZaps, ask: Caller, instance: FakeInstance) -> None:
    path = f"/instances/{instance.id}/session/paircode/"
    code = ask.json("GET", f"{path}5521988887777")["data"]["LinkingCode"]
    assert re.fullmatch(r"[A-Z]{4}-[0-9]{4}", code)
    assert ask.error("GET", f"{path}%2B5521988887777") == (400, "validation_error")
    fake.scan(instance.id)
    assert ask.error("GET", f"{path}5521988887777") == (409, "already_paired")


def test_disconnect_unlinks_and_says_so_once(
    fake: FakeVZaps, ask: Caller, inbox: Inbox, instance: FakeInstance
) -> None:
    qr_of(ask, instance)
    fake.scan(instance.id)
    for _ in range(2):
        answer = ask.json("POST", f"/instances/{instance.id}/session/disconnect")
        assert answer["instance_id"] == instance.id
    assert status_of(ask, instance) == {"connected": False}
    assert inbox.types == ["Connected", "Disconnected"]
    assert "qr_code" in qr_of(ask, instance)


def test_a_phone_that_unlinks_does_the_same(fake: FakeVZaps, inbox: Inbox) -> None:
    instance = fake.add_instance(connected=True, webhook="https://hooks.example.test/x", events=["All"])
    fake.disconnect(instance.id)
    assert inbox.types == ["Disconnected"]
    assert instance.phone == ""


def test_a_dropped_connection_is_silent_and_asking_for_a_qr_mends_it(
    fake: FakeVZaps, ask: Caller, inbox: Inbox, instance: FakeInstance
) -> None:
    qr_of(ask, instance)
    fake.scan(instance.id)
    fake.drop_connection(instance.id)
    assert inbox.types == ["Connected"]
    assert status_of(ask, instance) == {"connected": False}
    assert qr_of(ask, instance)["status"] == "connected"
    assert inbox.types == ["Connected", "Connected"]
