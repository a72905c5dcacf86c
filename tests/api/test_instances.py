from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from django_vzaps.models import Account, Instance, Operation, Subscription, Webhook
from django_vzaps.testing import FakeVZaps
from tests.api.conftest import ROOT, ClientWith, problem
from tests.api.rows import make, scope_by_owner

LIST = f"{ROOT}instances/"
NOON = datetime(2025, 11, 25, 12, 0, 0, 123456, tzinfo=UTC)


def url(instance: Instance, path: str = "") -> str:
    return f"{LIST}{instance.vzaps_id}/{path}"


def ids(api: APIClient, **query: Any) -> list[str]:
    response = api.get(LIST, query)
    assert response.status_code == 200, response.content
    return [row["name"] for row in response.json()["results"]]


# Looking


def test_an_instance_is_shown_with_where_its_facts_come_from(
    api: APIClient, account: Account, operator: User, fake_vzaps: FakeVZaps
) -> None:
    instance = make(
        account,
        "desk",
        phone="5511",
        whatsapp_jid="5511@s.whatsapp.net",
        push_name="Desk",
        connected=True,
        connected_at=NOON,
        connection_source="webhook",
        connection_asked_at=NOON,
        connection_changed_at=NOON,
        owner=operator,
        labels={"floor": 2},
        url="https://app.vzaps.com/i/1",
        first_seen_at=NOON,
        synced_at=NOON,
    )
    Subscription.objects.create(instance=instance, billing_status="TRIALING", state="trialing", cancel_at=NOON)
    Webhook.objects.create(
        instance=instance,
        desired_events=["Message"],
        desired_host_and_path="example.com/in",
        actual_events=["Message", "Presence"],
        actual_host_and_path="example.com/in",
        checked_at=NOON,
    )
    at = "2025-11-25T12:00:00.123456Z"
    assert api.get(url(instance)).json() == {
        "id": "VZdesk",
        "url": f"http://testserver{url(instance)}",
        "name": "desk",
        "account": {"id": account.pk, "name": account.name},
        "owner": "operator",
        "status": None,
        "dashboard_url": "https://app.vzaps.com/i/1",
        "reject_calls": None,
        "auto_read_messages": None,
        "labels": {"floor": 2},
        "connection": {
            "state": "stale",
            "source": "webhook",
            "confirmed_at": at,
            "since": at,
            "is_doubtful": False,
            "connected_at": at,
            "phone": "5511",
            "whatsapp_jid": "5511@s.whatsapp.net",
            "push_name": "Desk",
        },
        "subscription": {
            "state": "trialing",
            "billing_status": "TRIALING",
            "mode": None,
            "checkout_url": None,
            "cancel_at": at,
            "expired_at": None,
            "ends_at": at,
            "refreshed_at": None,
        },
        "webhook": {
            "health": "drifted",
            "is_managed": True,
            "desired": {"host_and_path": "example.com/in", "events": ["Message"]},
            "actual": {"host_and_path": "example.com/in", "events": ["Message", "Presence"]},
            "drift": ["events"],
            "checked_at": at,
            "last_failure_at": None,
        },
        "last_event_at": None,
        "created_at": None,
        "updated_at": None,
        "first_seen_at": at,
        "synced_at": at,
        "removed_at": None,
    }
    assert fake_vzaps.calls == []


def test_what_is_not_known_is_null(api: APIClient, account: Account) -> None:
    shown = api.get(url(make(account, "new"))).json()
    assert (shown["subscription"], shown["webhook"], shown["owner"]) == (None, None, None)
    assert shown["connection"]["state"] == "unknown"
    assert shown["connection"]["is_doubtful"] is False
    facts = shown["connection"].items()
    assert {value for name, value in facts if name not in ("state", "is_doubtful")} == {None}


def test_the_list_leaves_out_what_is_gone_unless_asked(api: APIClient, account: Account) -> None:
    make(account, "here")
    make(account, "gone", removed_at=timezone.now())
    assert ids(api) == ["here"]
    assert ids(api, presence="gone") == ["gone"]
    assert ids(api, presence="all") == ["gone", "here"]
    assert api.get(f"{LIST}VZgone/").status_code == 200


def test_the_list_is_filtered(api: APIClient, account: Account, operator: User) -> None:
    now, old = timezone.now(), timezone.now() - timedelta(days=1)
    other = Account.objects.create(name="other")
    up = make(account, "up", connected=True, connection_asked_at=now, owner=operator)
    make(other, "stale", connected=True, connection_asked_at=old)
    down = make(other, "down", connected=False, phone="5511777")
    Subscription.objects.create(instance=up, state="unpaid")
    Webhook.objects.create(instance=up, checked_at=now, desired_events=["All"], desired_host_and_path="x/y")
    Webhook.objects.create(instance=down, checked_at=now)
    assert ids(api, connection="connected") == ids(api, owner="operator") == ids(api, subscription="unpaid") == ["up"]
    assert ids(api, connection="stale") == ["stale"]
    assert ids(api, is_doubtful="true") == []
    Instance.objects.filter(pk=up.pk).update(last_event_at=old, silent_since=old)
    assert ids(api, is_doubtful="true", connection="connected") == ["up"]
    assert "up" not in ids(api, is_doubtful="false")
    assert ids(api, connection="disconnected") == ids(api, webhook="not_set") == ["down"]
    assert ids(api, webhook="drifted") == ids(api, account=account.pk) == ["up"]
    assert ids(api, account=other.pk) == ["down", "stale"]
    assert ids(api, account=other.pk, connection="stale") == ["stale"]
    assert ids(api, owner="nobody") == ids(api, account=10**15) == []


def test_the_list_is_searched_as_the_admins(api: APIClient, account: Account) -> None:
    make(account, "Front desk", phone="5511999", whatsapp_jid="5511999@s.whatsapp.net", vzaps_id="VZ1")
    make(account, "Back office")
    for text in ("front", "FRONT D", "VZ1", "+55 (11) 999", "5511999@s", "*desk"):
        assert ids(api, search=text) == ["Front desk"], text
    assert ids(api, search="desk") == []


def test_the_list_is_ordered_and_paged(api: APIClient, account: Account) -> None:
    for number in range(5):
        make(account, f"n{number}", last_event_at=NOON - timedelta(hours=number), synced_at=NOON)
    assert ids(api) == ids(api, ordering="name") == ids(api, ordering="-last_event_at")
    assert ids(api, ordering="-name") == ids(api, ordering="last_event_at") == ["n4", "n3", "n2", "n1", "n0"]
    # The same moment: each row is still on one page.
    assert [ids(api, ordering="-synced_at", page_size=2, page=page) for page in (1, 2, 3)] == [
        ["n0", "n1"],
        ["n2", "n3"],
        ["n4"],
    ]
    page = api.get(f"{LIST}?page_size=2&page=2&search=n").json()
    assert page["count"] == 5
    assert [row["name"] for row in api.get(page["next"]).json()["results"]] == ["n4"]
    assert [row["name"] for row in api.get(page["previous"]).json()["results"]] == ["n0", "n1"]
    assert api.get(page["next"]).json()["next"] is None


# Changing


def test_creates_one_that_sends_its_events_here(api: APIClient, account: Account, fake_vzaps: FakeVZaps) -> None:
    owner = User.objects.create_user("ana")
    given = {
        "name": "Front desk",
        "events": ["Message", "Connected"],
        "reject_calls": True,
        "labels": {"city": "São Paulo", "floors": [1, 2]},
        "owner": "ana",
    }
    response = api.post(LIST, given, format="json")
    assert response.status_code == 201
    shown = response.json()
    assert response["Location"] == shown["url"]
    assert api.get(shown["url"]).json() == shown
    remote = fake_vzaps.instances[shown["id"]]
    assert (remote.name, remote.reject_calls, remote.labels) == ("Front desk", True, given["labels"])
    assert sorted(remote.events) == ["Connected", "Message"]
    assert remote.webhook.startswith("https://hooks.example.test/vzaps/webhook/")
    assert (shown["owner"], shown["labels"], shown["webhook"]["is_managed"]) == ("ana", given["labels"], True)
    assert Instance.objects.get().owner == owner
    operation = Operation.objects.get()
    assert (operation.actor.username if operation.actor else None) == "operator"
    assert operation.instance == Instance.objects.get()


def test_of_several_accounts_one_is_named(api: APIClient, account: Account, fake_vzaps: FakeVZaps) -> None:
    given = {"name": "Front desk"}
    other = Account.objects.create(name="other", client_token="x", client_secret="y")
    refused = problem(api.post(LIST, given, format="json"), "invalid")
    assert [error["field"] for error in refused["errors"]] == ["account"]
    assert api.post(LIST, given | {"account": account.pk}, format="json").status_code == 201
    Account.objects.filter(pk=other.pk).update(is_active=False)
    problem(api.post(LIST, given | {"account": other.pk}, format="json"), "invalid")
    assert api.post(LIST, given, format="json").status_code == 201
    assert len(fake_vzaps.instances) == 2


def test_whoever_creates_out_of_their_scope_sees_it_once(
    api_with: ClientWith, account: Account, fake_vzaps: FakeVZaps, settings: Any
) -> None:
    scope_by_owner(settings)
    client = api_with("add_instance", "view_instance", "view_operation")
    response = client.post(LIST, {"name": "Front desk"}, format="json")
    assert response.status_code == 201
    assert client.get(response["Location"]).status_code == 404


def test_changes_what_is_given_and_nothing_else(api: APIClient, instance: Instance, fake_vzaps: FakeVZaps) -> None:
    User.objects.create_user("ana")
    remote = fake_vzaps.instances[instance.vzaps_id]
    remote.labels = {"floor": 1}
    response = api.patch(url(instance), {"name": "Reception", "owner": "ana"}, format="json")
    assert response.status_code == 200
    assert (response.json()["name"], response.json()["owner"]) == ("Reception", "ana")
    assert (remote.name, remote.labels) == ("Reception", {"floor": 1})
    assert api.patch(url(instance), {"owner": None}, format="json").json()["owner"] is None
    assert len(fake_vzaps.calls_to("update")) == Operation.objects.count() == 1
    assert api.patch(url(instance), {}, format="json").json()["name"] == "Reception"
    assert len(fake_vzaps.calls_to("update")) == 1


def test_a_change_that_vzaps_refuses_changes_no_owner_either(
    api: APIClient, instance: Instance, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.faults.add("update", status=422)
    problem(api.patch(url(instance), {"name": "Reception", "owner": "operator"}, format="json"), "vzaps-refused")
    instance.refresh_from_db()
    assert (instance.name, instance.owner) == ("Front desk", None)


def test_a_change_whose_answer_is_lost_is_to_be_followed(
    api: APIClient, instance: Instance, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.faults.add("update", drop=True)
    response = api.patch(url(instance), {"name": "Reception"}, format="json")
    assert response.status_code == 202
    settled = api.post(f"{response['Location']}settle/").json()
    assert (settled["outcome"], settled["is_settled"]) == ("succeeded", True)


def test_sync_reads_one(api: APIClient, instance: Instance, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.instances[instance.vzaps_id].name = "Reception"
    assert api.post(url(instance, "sync/")).json()["name"] == "Reception"
    assert [call.route for call in fake_vzaps.calls] == ["get"]


def test_restart_says_what_became_of_it(api: APIClient, instance: Instance, fake_vzaps: FakeVZaps) -> None:
    shown = api.post(url(instance, "restart/")).json()
    assert (shown["kind"], shown["instance"], shown["actor"]) == ("instance.restart", instance.vzaps_id, "operator")
    assert (shown["outcome"], shown["is_settled"]) == ("succeeded", True)
    assert api.get(shown["url"]).json() == shown


def test_delete_wants_to_be_told_about_a_subscription(
    api: APIClient, instance: Instance, fake_vzaps: FakeVZaps
) -> None:
    api.post(url(instance, "subscribe/"))
    refused = problem(api.delete(url(instance)), "subscription-active")
    assert "cancel the subscription first" in refused["detail"]
    assert instance.vzaps_id in fake_vzaps.instances
    deleted = api.delete(f"{url(instance)}?despite_subscription=true")
    assert (deleted.status_code, deleted.json()["kind"]) == (200, "instance.delete")
    assert fake_vzaps.instances == {}
    assert api.get(url(instance)).json()["removed_at"].endswith("Z")


def test_an_unsettled_charge_keeps_an_instance_from_being_deleted(
    api: APIClient, instance: Instance, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.faults.add("subscribe", drop=True)
    fake_vzaps.billing_lag = 5
    lost = api.post(url(instance, "subscribe/"))
    refused = problem(api.delete(url(instance)), "subscription-active")
    assert refused["operation"]["url"] == lost["Location"]


def test_whose_it_is_does_not_hang_on_what_vzaps_never_answered(
    api: APIClient, instance: Instance, operator: User, fake_vzaps: FakeVZaps
) -> None:
    def owner_after(status: int) -> Any:
        response = api.patch(url(instance), {"name": "Back office", "owner": "operator"}, format="json")
        assert response.status_code == status
        return Instance.objects.get().owner

    fake_vzaps.faults.add("update", status=422)
    assert owner_after(422) is None  # nothing was changed
    fake_vzaps.faults.add("update", drop=True)
    assert owner_after(202) == operator  # the operation that is to be followed does not know of it
