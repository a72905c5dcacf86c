"""Every page of the console with the worst data there is: strangers' words stay words, and secrets stay secret."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest
from django.test import Client

from django_vzaps.models import (
    Account,
    Alert,
    Event,
    FailedDelivery,
    HandlerRun,
    HealingRun,
    Instance,
    InstanceChange,
    Operation,
    Pairing,
    Subscription,
    Webhook,
)
from django_vzaps.secret import Secret
from django_vzaps.testing import FakeVZaps
from tests.admin.test_every_url import NOBODY, PAGES, rows, urls

__all__ = ["rows"]

SCRIPT: Final = "<script>alert(1)</script>"
#: Turns round what follows it, on a page that does not hold it in.
TURNED: Final = "\u202egnp.exe"
PLANTED: Final = "planted-secret-0123456789"


def hostile(length: int) -> str:
    return (SCRIPT + TURNED + "W" * 10_000)[:length]


@pytest.fixture
def shown(rows: dict[str, Any], fake_vzaps: FakeVZaps) -> dict[str, str]:
    """The address of every page that can be looked at, about rows full of what strangers write and of secrets."""
    instance: Instance = rows["instance"]
    Instance.objects.filter(pk=instance.pk).update(
        name=hostile(255),
        phone=SCRIPT,
        whatsapp_jid=hostile(255),
        push_name=hostile(255),
        status=hostile(255),
        url="javascript:alert(1)",
        labels={hostile(500): hostile(10_000)},
        profile={"about": hostile(10_000), "profile_picture_url": f"https://x.test/{SCRIPT}"},
        data={hostile(500): hostile(10_000)},
        connected=True,
        connection_source=SCRIPT[:16],
        token=Secret(PLANTED),
    )
    Account.objects.update(name=SCRIPT, sync_error=hostile(10_000), client_token=PLANTED, client_secret=Secret(PLANTED))
    for model, columns in (
        (Subscription, {"billing_status": hostile(255), "checkout_url": "javascript:alert(1)", "mode": SCRIPT}),
        (Webhook, {"actual_host_and_path": hostile(500), "actual_events": [hostile(500)], "desired_events": ["All"]}),
    ):
        row, _made = model.objects.get_or_create(instance=instance)
        model.objects.filter(pk=row.pk).update(**columns)
    Pairing.objects.update_or_create(instance=instance, defaults={"code": Secret(f"data:image/png;base64,{PLANTED}")})
    payload = {"type": "Message", "event": {"info": {"push_name": hostile(10_000)}, hostile(900): hostile(10_000)}}
    Event.objects.update(
        type=hostile(64), payload=json.dumps(payload), chat=hostile(128), message_id=hostile(128), state=SCRIPT[:16]
    )
    HandlerRun.objects.create(event=rows["event"], handler=hostile(255), state=SCRIPT[:16], error=hostile(10_000))
    Operation.objects.update(error=hostile(10_000), request_id=hostile(255), parameters={hostile(99): hostile(10_000)})
    Alert.objects.update(kind=hostile(32), details={hostile(99): hostile(10_000)})
    InstanceChange.objects.update(
        field=SCRIPT[:32], source=SCRIPT[:16], old=hostile(10_000), new={hostile(500): [hostile(10_000), "\ud800"]}
    )
    HealingRun.objects.update(problems=hostile(10_000))
    FailedDelivery.objects.update(log_id=hostile(128), detail=hostile(10_000))
    return {
        name: url for name, url in urls(rows).items() if PAGES[name].method == "GET" and PAGES[name].needs != (NOBODY,)
    }


def test_strangers_words_stay_words(shown: dict[str, str], browser: Client) -> None:
    for name, url in shown.items():
        response = browser.get(url)
        assert response.status_code == 200, name
        html = response.content.decode()
        assert SCRIPT not in html, name
        assert 'href="javascript:' not in html, name
        assert len(html) < 500_000, name


def test_lists_are_named_for_what_they_list_and_hold_names_in_few_lines(shown: dict[str, str], browser: Client) -> None:
    for name, url in shown.items():
        if name.endswith("_changelist"):
            html = browser.get(url).content.decode()
            assert "<h1>Select " not in html, name
            words = re.sub(r"<[^>]*>", " ", html.partition("<tbody>")[2].partition("</tbody>")[0])
            assert "W" * 201 not in words, name


def test_words_that_turn_round_turn_nothing_else_round(shown: dict[str, str], browser: Client) -> None:
    """Where a stranger's word stands beside others it is held in: by <bdi>, <pre> or as the whole of its element."""
    html = browser.get(shown["instance_changelist"]).content.decode()
    table = html.partition("<tbody>")[2].partition("</tbody>")[0]
    held = re.sub(r"<(bdi|title)\b[^>]*>.*?</\1>|\s(title|value|aria-label|alt)=\"[^\"]*\"", "", table, flags=re.DOTALL)
    assert TURNED in table
    assert TURNED not in held


def test_no_page_shows_a_secret(shown: dict[str, str], browser: Client) -> None:
    for name, url in shown.items():
        assert PLANTED not in browser.get(url).content.decode(), name


def test_no_page_needs_a_weak_content_security_policy(shown: dict[str, str], browser: Client) -> None:
    for name, url in shown.items():
        html = browser.get(url).content.decode()
        assert re.search(r"<[a-z][^<>]*\s(style|on[a-z]+)=", html) is None, name
        for attributes in re.findall(r"<script\b([^>]*)>", html):
            assert "src=" in attributes or "application/json" in attributes, name
        assert "<style" not in html, name
