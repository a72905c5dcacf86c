from __future__ import annotations

from typing import Any

import pytest

from django_vzaps.testing import FakeVZaps
from tests.testing.conftest import Caller


def test_create_answers_with_the_token_and_a_trial(fake: FakeVZaps, ask: Caller) -> None:
    body = {
        "name": "Front desk",
        "webhook": "https://hooks.example.test/x",
        "events_subscribe": ["Message", "ReadReceipt"],
        "reject_calls": True,
        "labels": {"team": "sales"},
    }
    made = ask.json("PUT", "/instances/create", body)
    assert made["id"].startswith("VZ")
    assert made["token"].startswith("inst_")
    assert made["webhook"] == "https://hooks.example.test/x"
    assert made["events_subscribe"] == "Message,ReadReceipt"
    assert (made["reject_calls"], made["auto_read_messages"], made["labels"]) == (True, False, {"team": "sales"})
    assert (made["billing_status"], made["connected"]) == ("TRIALING", False)
    assert made["created_at"] == "2027-01-15T08:00:00.000Z"
    assert ask.json("POST", "/instances/get", {"id": made["id"]}) == made
    assert fake.instances[made["id"]].events == ["Message", "ReadReceipt"]


def test_create_twice_makes_two(fake: FakeVZaps, ask: Caller) -> None:
    for _ in range(2):
        ask.json("PUT", "/instances/create", {"name": "Front desk"})
    assert len(fake.instances) == 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "ab"},
        {"name": "x" * 256},
        {"name": 12345},
        {"name": "Front desk", "webhook": "hooks.example.test"},
        {"name": "Front desk", "events_subscribe": ["message"]},
        {"name": "Front desk", "events_subscribe": "Message, ReadReceipt"},
        {"name": "Front desk", "eventsSubscribe": ["Receipt"]},
        {"name": "Front desk", "reject_calls": "yes"},
        {"name": "Front desk", "labels": ["a"]},
    ],
)
def test_create_refuses_what_the_documentation_rules_out(fake: FakeVZaps, ask: Caller, body: dict[str, Any]) -> None:
    assert ask("PUT", "/instances/create", body).status == 400
    assert fake.instances == {}


def test_list_pages_newest_first_and_is_empty_past_the_end(fake: FakeVZaps, ask: Caller) -> None:
    made = [fake.add_instance(name=f"Desk {number}").id for number in range(5)]
    pages = [ask.json("POST", "/instances/list", {"page": page, "size": 2}) for page in (1, 2, 3, 4)]
    assert [row["id"] for page in pages for row in page["content"]] == made[::-1]
    assert pages[0]["total"] == 5
    assert pages[0]["total_pages"] == 3
    assert pages[0]["summary"] == {"total": 5, "connected": 0, "disconnected": 5}
    assert pages[3]["content"] == []
    assert ask("POST", "/instances/list", {"page": 0}).status == 400


def test_list_searches_name_id_and_phone(fake: FakeVZaps, ask: Caller) -> None:
    sales = fake.add_instance(name="Sales Recife", connected=True, phone="5581999990000")
    fake.add_instance(name="Support")
    for query in ("recife", sales.id.lower(), "58199999"):
        page = ask.json("POST", "/instances/list", {"filter": {"query": f" {query} "}})
        assert [row["name"] for row in page["content"]] == ["Sales Recife"], query


@pytest.mark.parametrize("flag", ["sortDesc", "sort_desc"])
def test_list_sorts_with_both_spellings_of_the_flag(fake: FakeVZaps, ask: Caller, flag: str) -> None:
    for name in ("Beta", "alpha", "Gamma"):
        fake.add_instance(name=name)
    up = ask.json("POST", "/instances/list", {"sort": "name"})
    down = ask.json("POST", "/instances/list", {"sort": "name", flag: True})
    assert [row["name"] for row in up["content"]] == ["alpha", "Beta", "Gamma"]
    assert [row["name"] for row in down["content"]] == ["Gamma", "Beta", "alpha"]
    assert ask("POST", "/instances/list", {"sort": "colour"}).status == 400


def test_update_changes_what_the_body_names(fake: FakeVZaps, ask: Caller) -> None:
    instance = fake.add_instance(name="Old name", reject_calls=True)
    fake.clock.advance(60)
    shown = ask.json("PATCH", f"/instances/{instance.id}", {"name": "New name", "labels": {"a": 1}})
    assert (shown["name"], shown["reject_calls"], shown["labels"]) == ("New name", True, {"a": 1})
    assert shown["updated_at"] > shown["created_at"]
    assert ask("PATCH", f"/instances/{instance.id}", {"name": "no", "reject_calls": False}).status == 400
    assert ask("PATCH", f"/instances/{instance.id}", {}).status == 400
    assert instance.reject_calls


def test_delete_answers_with_nothing_and_the_instance_is_gone(fake: FakeVZaps, ask: Caller) -> None:
    instance = fake.add_instance()
    answer = ask("DELETE", f"/instances/{instance.id}")
    assert (answer.status, answer.body) == (204, b"")
    assert ask("DELETE", f"/instances/{instance.id}").status == 404


def test_restart_brings_a_dropped_session_back_and_says_so(fake: FakeVZaps, ask: Caller, inbox: Any) -> None:
    instance = fake.add_instance(connected=True, webhook="https://hooks.example.test/x", events=["All"])
    fake.drop_connection(instance.id)
    assert inbox.types == []
    answer = ask.json("POST", f"/instances/{instance.id}/restart")
    assert answer["instance_id"] == instance.id
    assert instance.connected
    assert inbox.types == ["Connected"]


def test_the_demo_shows_every_state_and_distinct_names(fake: FakeVZaps, ask: Caller) -> None:
    made = fake.seed_demo(24)
    assert len({instance.name for instance in made}) == 24
    assert len({instance.phone for instance in made if instance.phone}) == 15
    assert {instance.billing_status for instance in made} == {"ACTIVE", "TRIALING", "PAST_DUE", "CANCELED"}
    rows = ask.json("POST", "/instances/list", {"size": 100})["content"]
    assert any(row["cancel_at"] for row in rows)
    assert any(row["expired_at"] for row in rows)
    assert {row["connected"] for row in rows} == {True, False}
    fake.clock.advance(2 * 86_400)
    assert sum(instance.billing_status == "CANCELED" for instance in made) == 6
