"""Pages for people, served by the HTTP mount: the phones at ``/phone``, and the hosted checkout."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from django_vzaps.testing import html
from django_vzaps.testing.routes import billing, sessions
from django_vzaps.testing.state import FakeInstance
from django_vzaps.testing.wire import Answer

if TYPE_CHECKING:
    from django_vzaps.testing.fake import FakeVZaps

PERSON_PHONE = "5511955550123"
PERSON_NAME = "Ana Souza"
"""Who writes on the phone page."""


def page_for(fake: FakeVZaps, method: str, target: str, body: bytes) -> Answer | None:
    """The page at a path; None where the path belongs to the API."""
    path = [unquote(part) for part in urlsplit(target).path.strip("/").split("/")]
    if path == [""] and method == "GET":
        return Answer.redirect("/phone")
    if path[0] not in {"phone", "checkout"}:
        return None
    return (_phone if path[0] == "phone" else _checkout)(fake, method, path[1:], body)


def _phone(fake: FakeVZaps, method: str, path: list[str], body: bytes) -> Answer:
    if not path:
        return _index(fake) if method == "GET" else _not_allowed()
    instance = fake.instances.get(path[0])
    if instance is None:
        return _not_found("There is no such phone.")
    if len(path) == 1:
        return _one(fake, instance) if method == "GET" else _not_allowed()
    act = {"scan": _scan, "send": _send, "unlink": _unlink, "drop": _drop}.get(path[1])
    if act is None or len(path) > 2:
        return _not_found("There is nothing here.")
    if method != "POST":
        return _not_allowed()
    act(fake, instance, body)
    return Answer.redirect(f"/phone/{instance.id}")


def _index(fake: FakeVZaps) -> Answer:
    with fake.lock:
        instances = list(fake.instances.values())
        shown = {item.id: code for item in instances if (code := sessions.current_qr(fake, item))}
        return Answer.html(html.index(instances, shown))


def _one(fake: FakeVZaps, instance: FakeInstance) -> Answer:
    with fake.lock:
        return Answer.html(html.phone(instance, sessions.current_qr(fake, instance), PERSON_NAME, PERSON_PHONE))


def _scan(fake: FakeVZaps, instance: FakeInstance, _body: bytes) -> None:
    with fake.lock:
        if sessions.current_qr(fake, instance) is not None:
            fake.scan(instance.id)


def _send(fake: FakeVZaps, instance: FakeInstance, body: bytes) -> None:
    text = parse_qs(body.decode("utf-8", "replace")).get("text", [""])[0].strip()
    with fake.lock:
        if text and instance.connected:
            # Who answers has read what was written before.
            fake.read_messages(instance.id, PERSON_PHONE)
            fake.receive(instance.id, text, sender=PERSON_PHONE, push_name=PERSON_NAME)


def _unlink(fake: FakeVZaps, instance: FakeInstance, _body: bytes) -> None:
    fake.disconnect(instance.id)


def _drop(fake: FakeVZaps, instance: FakeInstance, _body: bytes) -> None:
    fake.drop_connection(instance.id)


def _checkout(fake: FakeVZaps, method: str, path: list[str], _body: bytes) -> Answer:
    checkout = fake.checkouts.get(path[0]) if path else None
    instance = fake.instances.get(checkout.instance_id) if checkout else None
    if checkout is None or instance is None or len(path) > 2:
        return _not_found("There is no such checkout.")
    if len(path) == 1:
        return Answer.html(html.checkout(instance, checkout)) if method == "GET" else _not_allowed()
    if path[1] != "pay":
        return _not_found("There is nothing here.")
    if method != "POST":
        return _not_allowed()
    with fake.lock:
        billing.pay(fake, checkout)
    return Answer.redirect(f"/checkout/{checkout.session_id}")


def _not_found(sentence: str) -> Answer:
    return Answer.html(html.notice("Not found", sentence), 404)


def _not_allowed() -> Answer:
    return Answer.html(html.notice("Not allowed", "This page does not take that method."), 405)
