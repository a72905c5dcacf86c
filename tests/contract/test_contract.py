"""The API does what its description says, whatever it is sent: schemathesis against the example project, running.

``tox run -e contract`` runs it. What its checks mean: https://schemathesis.readthedocs.io; what is set: the TOML file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import django_vzaps
from tests.end_to_end.conftest import Demo, eventually, running_demo
from tests.end_to_end.pages import Visitor

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[2]
#: The package that is tested comes before the checkout.
PATHS = [str(Path(django_vzaps.__file__).parents[1]), str(ROOT)]
CONFIG = Path(__file__).with_name("schemathesis.toml")
#: Made up credentials come with them, and VZaps refuses everything afterwards: they have a run of their own, the last.
ACCOUNTS = (
    "vzaps_accounts_create",
    "vzaps_accounts_partial_update",
    "vzaps_accounts_destroy",
    "vzaps_accounts_check_credentials",
)
INSTANCES = 64
SPARE = 16
LOSE_TRACK = """
from django.utils import timezone
from django_vzaps.models import *
Operation.objects.bulk_create(
    Operation(kind="instance.restart", instance=instance, outcome="unknown", deadline=timezone.now())
    for instance in Instance.objects.all()[:20]
)
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    settings = {"DJANGO_SETTINGS_MODULE": "tests.contract.settings", "PYTHONPATH": os.pathsep.join(PATHS)}
    with running_demo(tmp_path_factory.mktemp("demo"), "--count", str(INSTANCES), **settings) as demo:
        yield demo


@pytest.fixture(scope="module")
def environment(demo: Demo) -> dict[str, str]:
    """With what schemathesis has to know."""
    number = receive_messages(demo)
    demo.manage("shell", "--verbosity", "0", "-c", LOSE_TRACK)
    instances = ids(demo, "instances/?webhook=unchecked")
    known = {
        "vzaps_id": [*ids(demo, "instances/?webhook=ok"), *instances[SPARE:]],
        "spare": instances[:SPARE],
        "accounts": ids(demo, "accounts/"),
        "operations": ids(demo, "operations/"),
        "unknown": ids(demo, "operations/?outcome=unknown"),
        "events": ids(demo, "events/"),
        "public_id": [failed_batch(demo)],
        "number": ids(demo, "instances/?webhook=ok"),
        "log_id": ids(demo, f"instances/{number}/deliveries/?status=all"),
        "owner": ["admin"],
    }
    assert all(known.values()), known
    return {
        **os.environ,
        "CONTRACT_TOKEN": demo.token,
        "CONTRACT_IDS": json.dumps(known),
        "SCHEMATHESIS_HOOKS": "tests.contract.hooks",
        "PYTHONPATH": os.pathsep.join(PATHS),
    }


def receive_messages(demo: Demo) -> str:
    """Have somebody write to the number whose webhook is set, so that there are events; returns its id."""
    (number,) = ids(demo, "instances/?webhook=ok")
    phone = Visitor(demo.fake)
    for text in ("ping", "hello"):
        conversation = phone.open(f"/phone/{number}")
        phone.submit(conversation, conversation.form(has="text"), text=text)
    eventually(lambda: len(ids(demo, "events/")) > 1)
    return str(number)


def failed_batch(demo: Demo) -> str:
    """The id of a batch that can be retried: what is paid for is not deleted."""
    paid = ids(demo, "instances/?subscription=active&page_size=1")
    batch = ask(demo, "POST", "batches/", {"kind": "delete", "instances": paid})
    eventually(lambda: ask(demo, "GET", f"batches/{batch['id']}/")["is_finished"])
    return str(batch["id"])


def ids(demo: Demo, path: str) -> list[Any]:
    return [row["id"] for row in ask(demo, "GET", path)["results"]]


def ask(demo: Demo, method: str, path: str, body: object = None) -> Any:
    answer = requests.request(
        method,
        f"{demo.site}/api/vzaps/{path}",
        json=body,
        headers={"Authorization": f"Token {demo.token}"},
        timeout=20,
    )
    answer.raise_for_status()
    return answer.json()


@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param([f"--exclude-operation-id={name}" for name in ACCOUNTS], id="everything but accounts"),
        pytest.param([f"--include-operation-id={name}" for name in ACCOUNTS], id="accounts"),
    ],
)
def test_it_answers_as_described(demo: Demo, environment: dict[str, str], chosen: list[str], tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "--no-color"),
            *("run", f"{demo.site}/api/schema/", "--url", demo.site, *chosen),
        ],
        cwd=tmp_path,
        env=environment,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0
    assert "Traceback" not in demo.log.read_text()
