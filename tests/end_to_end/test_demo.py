"""The main job, as a newcomer meets it: ``manage.py demo`` and what it says one should try."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
import vzaps

from tests.end_to_end.conftest import MANAGE, Demo, demo_environment, eventually
from tests.end_to_end.pages import Page, Visitor

INSTANCES = "/admin/django_vzaps/instance/"
NAME = "Front desk of the demo"


def test_the_main_job_from_the_first_click_to_ctrl_c(demo: Demo) -> None:
    admin, phone = Visitor(demo.site), Visitor(demo.fake)
    log_in(admin)

    detail = create(admin)
    assert NAME in detail.text

    confirmation = admin.open(f"{detail.path.removesuffix('change/')}subscribe/")
    paid = admin.submit(confirmation, confirmation.form(has="idempotency_key"))
    assert "Subscribed: VZaps shows the subscription." in paid.text

    line = pair(admin, phone, detail)
    detail = admin.open(detail.path)
    assert 'vzaps-good">connected<' in detail.text

    conversation = phone.open(line)
    conversation = phone.submit(conversation, conversation.form(has="text"), text="ping")
    assert "ping" in conversation.text
    eventually(lambda: ">pong<" in phone.open(line).text)
    events = f"/admin/django_vzaps/event/?instance__id__exact={pk_of(detail)}&type=Message"
    eventually(lambda: re.search(r"Message #\d+.*?>done<", admin.open(events).text, re.DOTALL))

    create_with_the_sdk(demo.fake, "Made elsewhere")
    assert "1 new" in demo.manage("vzaps_sync")
    assert "Made elsewhere" in admin.open(f"{INSTANCES}?q=Made+elsewhere").text
    assert "wrong" not in demo.manage("vzaps_check")

    assert "Billing Centro: subscription is past due" in demo.manage("vzaps_alerts")
    mails = Path(demo.environment["EXAMPLE_VAR"], "mails")
    assert f"are files in {mails}" in demo.log.read_text()
    assert any("Billing Centro: subscription is past due" in mail.read_text() for mail in mails.iterdir())

    demo.stop(signal.SIGINT)
    assert "Traceback" not in demo.log.read_text()


@pytest.mark.parametrize("option", ["--port", "--fake-port"])
def test_a_taken_port_is_named_with_the_option_that_changes_it(option: str, tmp_path: Path) -> None:
    other = {"--port": "--fake-port", "--fake-port": "--port"}[option]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(  # noqa: S603
            [sys.executable, MANAGE, "demo", option, port, other, "0"],
            env=demo_environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr.strip() == f"CommandError: Port {port} is taken. Choose another one with {option}."


def log_in(admin: Visitor) -> None:
    page = admin.open("/")
    page = admin.submit(page, page.form(has="password"), username="admin", password="admin")
    assert page.path == "/admin/"


def create(admin: Visitor) -> Page:
    page = admin.open(f"{INSTANCES}add/")
    form = page.form(has="events")
    detail = admin.submit(page, form, name=NAME, account=form.choices["account"]["default"])
    assert "is created on VZaps" in detail.text
    return detail


def pair(admin: Visitor, phone: Visitor, detail: Page) -> str:
    """Show the QR code, scan it, and see the pairing page notice; returns the path of its phone page."""
    page = admin.submit(detail, detail.form(action="/pair/"))
    poll = re.search(r'data-poll-url="([^"]+)"', page.text)
    assert poll
    token = page.form(action="/pair/").fields["csrfmiddlewaretoken"][0]

    def ask(**values: str) -> dict[str, Any]:
        headers = {"X-CSRFToken": token, "Referer": page.url}
        answer = admin.session.post(urljoin(page.url, poll[1]), data=values, headers=headers, timeout=20)
        assert "no-store" in answer.headers["Cache-Control"]
        found: dict[str, Any] = answer.json()
        return found

    shown = eventually(lambda: (answer := ask(qr="1"))["phase"] == "scan" and answer)
    assert shown["qr"].startswith("data:image/png;base64,")
    phones = phone.open("/phone")
    line = re.search(rf'<a href="(/phone/VZ\w+)"><strong>{NAME}</strong>', phones.text)
    assert line
    phone.submit(phones, phones.form(action=f"{line[1]}/scan"))
    assert eventually(lambda: (answer := ask())["phase"] == "connected" and answer)["over"]
    return line[1]


def pk_of(detail: Page) -> str:
    return detail.path.removeprefix(INSTANCES).partition("/")[0]


def create_with_the_sdk(fake: str, name: str) -> None:
    with (
        httpx.Client(base_url=fake, trust_env=False) as http,
        vzaps.VZapsClient(
            client_token="demo-client-token", client_secret="demo-client-secret", http_client=http
        ) as client,
    ):
        client.instances.create(name=name)
