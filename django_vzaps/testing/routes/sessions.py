"""Pairing with a phone, and the session that follows (API.md section 4).

Asking for a QR code starts an attempt: one code for 60 s, then five for 20 s each. When all six have passed unscanned,
one answer says ``timeout``; the next question starts a new attempt.
"""

from __future__ import annotations

import secrets
import string
from typing import TYPE_CHECKING, Any

from django_vzaps.testing import events, qr
from django_vzaps.testing.routes.table import route
from django_vzaps.testing.routes.tokens import instance_of
from django_vzaps.testing.state import FakeInstance
from django_vzaps.testing.wire import Answer, Refusal, Request

if TYPE_CHECKING:
    from django_vzaps.testing.fake import FakeVZaps


@route("session_status", "GET", "/instances/{id}/session/status")
def status(fake: FakeVZaps, request: Request) -> Answer:
    """Whether the session is up, and whose it is. Empty fields are left out."""
    instance = instance_of(fake, request)
    if not instance.connected:
        return _envelope({"connected": False})
    profile = {
        "phone": instance.phone,
        "whatsapp_jid": instance.whatsapp_jid,
        "push_name": instance.push_name,
        "profile_picture_id": f"{instance.number + 100_000}",
        "profile_url": f"https://wa.me/{instance.phone}",
    }
    shown = {key: value for key, value in profile.items() if value} if fake.variants.session_profile else {}
    return _envelope({"connected": True} | shown)


@route("qr", "GET", "/instances/{id}/session/qr")
def show_qr(fake: FakeVZaps, request: Request) -> Answer:
    """The code to scan now. A paired instance has none; asking brings its session back up."""
    instance = instance_of(fake, request)
    if instance.phone:
        come_back(fake, instance)
        return _envelope({"status": "connected", "phone": instance.phone, "pairing_status": "connected"})
    if instance.pairing_since is None:
        start_pairing(fake, instance)
    image = current_qr(fake, instance)
    if image is None:
        instance.pairing_since = None
        return _envelope({"status": "timeout", "pairing_status": "timeout", "error": "timeout"})
    if not fake.variants.qr_data_url:
        image = image.removeprefix("data:image/png;base64,")
    return _envelope({fake.variants.qr_key: image, "pairing_status": "waiting"})


@route("pair_code", "GET", "/instances/{id}/session/paircode/{phone}")
def pair_code(fake: FakeVZaps, request: Request) -> Answer:
    """A code to type into the phone instead of scanning."""
    instance = instance_of(fake, request)
    if not request.parameters["phone"].isascii() or not request.parameters["phone"].isdigit():
        raise Refusal(400, "validation_error", "The phone number must be digits only.")
    if instance.phone:
        raise Refusal(409, "already_paired", "The instance is paired already.")
    if instance.pairing_since is None or current_qr(fake, instance) is None:
        start_pairing(fake, instance)
    code = "".join(secrets.choice(string.ascii_uppercase) for _ in range(4)) + f"-{secrets.randbelow(10_000):04d}"
    return _envelope({fake.variants.pair_code_key: code})


@route("disconnect", "POST", "/instances/{id}/session/disconnect")
def disconnect(fake: FakeVZaps, request: Request) -> Answer:
    """Unlink the phone; after it the instance has to be paired again. Undocumented whether it does as much."""
    instance = instance_of(fake, request)
    unlink(fake, instance)
    return Answer.json({"instance_id": instance.id, "status": "disconnected", "details": "Session disconnected."})


def start_pairing(fake: FakeVZaps, instance: FakeInstance) -> None:
    """Begin an attempt with fresh codes."""
    instance.pairing_since = fake.clock()
    instance.pairing_attempts += 1


def current_qr(fake: FakeVZaps, instance: FakeInstance) -> str | None:
    """The code an instance shows at this moment, as a data URL; None where it shows none."""
    if instance.pairing_since is None:
        return None
    number = qr.code_number(fake.clock() - instance.pairing_since)
    if number is None:
        return None
    return qr.png_data_url(qr.qr_text(f"{instance.token} {instance.pairing_attempts} {number}"))


def pair(fake: FakeVZaps, instance: FakeInstance, phone: str, push_name: str) -> None:
    """A phone has scanned the code."""
    instance.phone, instance.push_name, instance.pairing_since = phone, push_name, None
    come_back(fake, instance)


def come_back(fake: FakeVZaps, instance: FakeInstance) -> None:
    """Bring a paired instance's session up, if it is not."""
    if instance.phone and not instance.connected:
        instance.connected, instance.connected_at = True, fake.clock()
        instance.updated_at = fake.clock()
        fake.deliveries.add(instance, events.connected())


def unlink(fake: FakeVZaps, instance: FakeInstance) -> None:
    """End the session and forget the phone."""
    was_connected = instance.connected
    instance.connected, instance.connected_at, instance.phone, instance.push_name = False, None, "", ""
    instance.pairing_since, instance.updated_at = None, fake.clock()
    if was_connected:
        fake.deliveries.add(instance, events.disconnected())


def _envelope(data: dict[str, Any]) -> Answer:
    return Answer.json({"code": 200, "success": True, "data": data})
