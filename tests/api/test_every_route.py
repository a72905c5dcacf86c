"""Every route of the API, found in the resolver itself, as every kind of user.

A route that is not in :data:`ROUTES` fails the suite: whoever adds one says here who may use it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from typing import Any, Final, NamedTuple

import pytest
from django.contrib.auth.models import User
from django.urls import get_resolver, reverse
from rest_framework.authentication import SessionAuthentication
from rest_framework.test import APIClient
from rest_framework.views import APIView

from django_vzaps.api.views.accounts import AccountViewSet
from django_vzaps.models import Alert, Instance
from django_vzaps.testing import FakeVZaps
from tests.admin import test_every_url as admin
from tests.api.conftest import ClientWith, problem
from tests.api.rows import batch, event, scope_by_owner, unsettled_charge

Permissions = tuple[str, ...]
WATCH: Final = "watched-by-a-program"


class Route(NamedTuple):
    """Who may use a route: whoever has all permissions of one of ``ways``.

    ``body`` and ``query`` are valid ones, but for the rows that they name.
    """

    ways: tuple[Permissions, ...]
    body: dict[str, Any] | None = None
    query: str = ""


def instance_with(*verbs: str) -> tuple[Permissions, ...]:
    """Whoever may view instances and has one of these permissions."""
    return tuple(("view_instance", f"{verb}_instance") for verb in verbs)


VIEW_ACCOUNT: Final = (("view_account",),)
VIEW_INSTANCE: Final = (("view_instance",),)
VIEW_EVENT: Final = (("view_event",),)
VIEW_ALERT: Final = (("view_alert",),)
VIEW_OPERATION: Final = (("view_operation",),)
#: Of somebody else.
VIEW_BATCH: Final = (("view_batch",),)
LIST_BATCHES: Final = (
    ("view_batch",),
    *((f"{verb}_instance",) for verb in ("change", "restart", "set_webhook", "delete")),
)

NAME, PHONE = "Another", "5511999990000"
ROUTES: Final[dict[tuple[str, str], Route]] = {
    ("accounts", "GET"): Route(VIEW_ACCOUNT),
    ("accounts", "POST"): Route(
        (("add_account",),), {"name": NAME, "client_token": "another-token", "client_secret": "another-secret"}
    ),
    ("account", "GET"): Route(VIEW_ACCOUNT),
    ("account", "PATCH"): Route((("view_account", "change_account"),), {"is_active": True}),
    ("account", "DELETE"): Route((("view_account", "delete_account"),)),
    ("account-check-credentials", "POST"): Route((("view_account", "change_account"),)),
    ("account-sync", "POST"): Route((("view_account", "change_instance"),)),
    ("instances", "GET"): Route(VIEW_INSTANCE),
    ("instances", "POST"): Route((("add_instance",),), {"name": NAME}),
    ("instance", "GET"): Route(VIEW_INSTANCE),
    ("instance", "PATCH"): Route(instance_with("change"), {"name": NAME}),
    ("instance", "DELETE"): Route(instance_with("delete"), query="despite_subscription=true"),
    ("instance-sync", "POST"): Route(instance_with("change")),
    ("instance-restart", "POST"): Route(instance_with("restart")),
    ("changes", "GET"): Route((("view_instance", "view_instancechange"),)),
    ("subscription", "GET"): Route(VIEW_INSTANCE),
    ("subscription-refresh", "POST"): Route(instance_with("change", "bill")),
    ("subscribe", "POST"): Route(instance_with("bill")),
    ("cancel-subscription", "POST"): Route(instance_with("bill")),
    ("resume-subscription", "POST"): Route(instance_with("bill")),
    ("session", "GET"): Route(VIEW_INSTANCE),
    ("session-status", "POST"): Route(instance_with("change", "pair")),
    ("session-qr", "POST"): Route(instance_with("pair"), {"take_over": True}),
    ("session-qr", "GET"): Route(instance_with("pair"), query=f"watch={WATCH}"),
    ("session-qr", "DELETE"): Route(instance_with("pair"), query=f"watch={WATCH}"),
    ("session-pair-code", "POST"): Route(instance_with("pair"), {"phone": PHONE, "take_over": True}),
    ("session-disconnect", "POST"): Route(instance_with("pair")),
    ("webhook", "GET"): Route(VIEW_INSTANCE),
    ("webhook-check", "POST"): Route(instance_with("change", "set_webhook")),
    ("webhook-apply", "POST"): Route(instance_with("set_webhook"), {"overwrite": True}),
    ("webhook-rotate-secret", "POST"): Route(instance_with("set_webhook")),
    ("deliveries", "GET"): Route(instance_with("set_webhook")),
    ("delivery-retry", "POST"): Route(instance_with("set_webhook")),
    ("messages", "POST"): Route(instance_with("send"), {"phone": PHONE, "message": "Good morning"}),
    ("alerts", "GET"): Route(VIEW_ALERT),
    ("alert", "GET"): Route(VIEW_ALERT),
    ("events", "GET"): Route(VIEW_EVENT),
    ("event", "GET"): Route(VIEW_EVENT),
    ("event-replay", "POST"): Route((("view_event", "replay_event"),)),
    ("operations", "GET"): Route(VIEW_OPERATION),
    ("operation", "GET"): Route(VIEW_OPERATION),
    ("operation-settle", "POST"): Route((("view_operation", "change_instance"), ("view_operation", "bill_instance"))),
    ("operation-decide", "POST"): Route(
        (("view_operation", "bill_instance"),), {"carried_out": True, "phase": "unknown"}
    ),
    ("batches", "GET"): Route(LIST_BATCHES),
    ("batches", "POST"): Route(instance_with("restart"), {"kind": "restart"}),
    ("batch", "GET"): Route(VIEW_BATCH),
    ("batch-items", "GET"): Route(VIEW_BATCH),
    ("batch-retry", "POST"): Route((("view_batch", "restart_instance"),)),
    ("batch-stop", "POST"): Route((("view_batch", "restart_instance"),)),
    ("health", "GET"): Route(VIEW_INSTANCE),
}

#: Where the admin has the same verb: the pages on which it is.
IN_THE_ADMIN: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("accounts", "GET"): ("account_changelist",),
    ("accounts", "POST"): ("account_add",),
    ("account", "GET"): ("account_change",),
    ("account", "DELETE"): ("account_delete",),
    ("account-check-credentials", "POST"): ("account_test",),
    ("account-sync", "POST"): ("account_sync",),
    ("instances", "GET"): ("instance_changelist",),
    ("instances", "POST"): ("instance_add",),
    ("instance", "GET"): ("instance_change",),
    ("instance", "PATCH"): ("instance_edit", "instance_owner"),
    ("instance", "DELETE"): ("instance_delete",),
    ("instance-sync", "POST"): ("instance_check",),
    ("instance-restart", "POST"): ("instance_restart",),
    ("subscription-refresh", "POST"): ("instance_check_billing", "instance_billing_check"),
    ("subscribe", "POST"): ("instance_subscribe",),
    ("cancel-subscription", "POST"): ("instance_cancel",),
    ("resume-subscription", "POST"): ("instance_resume",),
    ("session-status", "POST"): ("instance_check_connection", "instance_pair_poll"),
    ("session-qr", "POST"): ("instance_pair",),
    ("session-qr", "GET"): ("instance_pair_poll",),
    ("session-qr", "DELETE"): ("instance_pair",),
    ("session-pair-code", "POST"): ("instance_pair_code",),
    ("session-disconnect", "POST"): ("instance_disconnect",),
    ("webhook-check", "POST"): ("instance_check_webhook", "instance_webhook"),
    ("webhook-apply", "POST"): ("instance_webhook",),
    ("webhook-rotate-secret", "POST"): ("instance_rotate",),
    ("deliveries", "GET"): ("instance_deliveries",),
    ("delivery-retry", "POST"): ("instance_deliver_again",),
    ("messages", "POST"): ("instance_send",),
    ("alerts", "GET"): ("alert_changelist",),
    ("alert", "GET"): ("alert_change",),
    ("events", "GET"): ("event_changelist",),
    ("event", "GET"): ("event_change",),
    ("event-replay", "POST"): ("event_replay",),
    ("operations", "GET"): ("operation_changelist",),
    ("operation", "GET"): ("operation_change",),
    ("operation-settle", "POST"): ("operation_settle",),
    ("operation-decide", "POST"): ("operation_decide",),
    ("batches", "GET"): ("batch_changelist",),
    ("batches", "POST"): ("instance_bulk_restart",),
    ("batch", "GET"): ("batch_change",),
    ("batch-items", "GET"): ("batch_change",),
    ("batch-retry", "POST"): ("batch_retry",),
    ("batch-stop", "POST"): ("batch_stop",),
}

#: Which permission shows the row that a route is about: what the admin leaves to its other pages.
SEEN_WITH: Final = {"account": "view_account"}

EVERY_PERMISSION: Final = frozenset(name for route in ROUTES.values() for way in route.ways for name in way)
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
#: What a route answers to whoever may use it: something is done, shown, or lacking.
ANSWERS: Final = (200, 201, 202, 204, 400, 404, 409, 422)
#: In the order of the table, but for what takes away what others need.
ROUTES_IN_ORDER: Final = sorted(ROUTES, key=lambda each: (each[1] == "DELETE", each[0] == "session-disconnect"))


def found_patterns() -> Iterator[Any]:
    """Every pattern of the API, wherever it is mounted, but the one for what is not there."""
    _prefix, resolver = get_resolver().namespace_dict["django_vzaps_api"]
    patterns: list[Any] = resolver.url_patterns
    yield from (pattern for pattern in patterns if pattern.name != "elsewhere")


def found_routes() -> Iterator[tuple[str, str]]:
    """The name and the method of everything that can be asked."""
    for pattern in found_patterns():
        for method in pattern.callback.actions:
            if method != "head":
                yield pattern.name, method.upper()


@pytest.fixture
def urls(instance: Instance) -> dict[str, str]:
    """The address of every route, for one row of each kind."""
    arguments = {
        "vzaps_id": instance.vzaps_id,
        "log_id": "log_1",
        "public_id": batch(instance).public_id,
        "account": instance.account_id,
        "alert": Alert.objects.create(kind="disconnected", instance=instance).pk,
        "event": event(instance).pk,
        "operation": unsettled_charge(instance).pk,
    }

    def of(pattern: Any, name: str) -> Any:
        return arguments[pattern.name.partition("-")[0] if name == "pk" else name]

    return {
        pattern.name: reverse(
            f"django_vzaps_api:{pattern.name}",
            kwargs={name: of(pattern, name) for name in pattern.pattern.converters},
        )
        for pattern in found_patterns()
    }


def ask(client: APIClient, urls: dict[str, str], key: tuple[str, str]) -> Any:
    name, method = key
    route = ROUTES[key]
    url = f"{urls[name]}?{route.query}" if route.query else urls[name]
    if route.body is None:
        return client.generic(method, url)
    account, instance = (urls[row].split("/")[-2] for row in ("account", "instance"))
    rows: dict[tuple[str, str], Any] = {
        ("instances", "POST"): {"account": int(account)},
        ("batches", "POST"): {"instances": [instance]},
    }
    return client.generic(method, url, json.dumps(route.body | rows.get(key, {})), "application/json")


def test_every_route_says_who_may_use_it() -> None:
    assert set(found_routes()) == ROUTES.keys()


def test_who_may_in_the_admin_may_here() -> None:
    for key, pages in IN_THE_ADMIN.items():
        seen_with = SEEN_WITH.get(key[0])
        there = {
            frozenset(way | {seen_with}) if seen_with else frozenset(way)
            for page in pages
            for way in admin.ways_in(page)
        }
        assert {frozenset(way) for way in ROUTES[key].ways} == there, key


def test_nobody_gets_anything_without_logging_in(urls: dict[str, str], fake_vzaps: FakeVZaps) -> None:
    for key in ROUTES:
        response = ask(APIClient(), urls, key)
        assert response.status_code == 401, key
        problem(response, "not-authenticated")
        assert response["WWW-Authenticate"].startswith("Basic"), key
    for name in urls:
        assert APIClient().options(urls[name]).status_code == 401, name
        assert APIClient().put(urls[name]).status_code == 401, name
    assert fake_vzaps.calls == []


def test_nobody_gets_anything_either_where_nothing_asks_for_a_password(
    urls: dict[str, str], fake_vzaps: FakeVZaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(APIView, "authentication_classes", [SessionAuthentication])
    for key in ROUTES:
        response = ask(APIClient(), urls, key)
        assert response.status_code == 403, key
        problem(response, "not-authenticated")
    assert fake_vzaps.calls == []


def test_without_permission_nothing_is_open(urls: dict[str, str], api_with: ClientWith, fake_vzaps: FakeVZaps) -> None:
    client = api_with()
    for key in ROUTES:
        response = ask(client, urls, key)
        assert response.status_code == 403, key
        problem(response, "permission-denied")
    assert fake_vzaps.calls == []


def test_without_one_of_its_permissions_a_route_is_closed_to_who_has_all_others(
    urls: dict[str, str], api_with: ClientWith, fake_vzaps: FakeVZaps
) -> None:
    closed: dict[frozenset[str], list[tuple[str, str]]] = {}
    for key, route in ROUTES.items():
        for missing in {frozenset(one_of_each_way) for one_of_each_way in product(*route.ways)}:
            closed.setdefault(missing, []).append(key)
    for missing, keys in closed.items():
        client = api_with(*EVERY_PERMISSION - missing)
        for key in keys:
            # Somebody else's batch is not there for who may not see it.
            refusals = (403, 404) if key[0].startswith("batch-") or key[0] == "batch" else (403,)
            assert ask(client, urls, key).status_code in refusals, (key, set(missing))
    assert fake_vzaps.calls == []


def test_its_permissions_open_a_route(urls: dict[str, str], api_with: ClientWith) -> None:
    clients: dict[frozenset[str], APIClient] = {}
    for key in ROUTES_IN_ORDER:
        for way in map(frozenset, ROUTES[key].ways):
            client = clients.get(way) or clients.setdefault(way, api_with(*way))
            response = ask(client, urls, key)
            assert response.status_code in ANSWERS, (key, way, response.content)
            if key[1] == "GET":
                assert response.status_code == 200, (key, response.content)
                head = client.head(response.wsgi_request.get_full_path())
                assert (head.status_code, head.content) == (200, b""), key


def test_who_may_not_is_told_what_is_missing(urls: dict[str, str], api_with: ClientWith) -> None:
    refused = problem(ask(api_with("view_instance"), urls, ("session-status", "POST")), "permission-denied")
    assert refused["detail"] == (
        "This takes the permission django_vzaps.view_instance + django_vzaps.change_instance or "
        "django_vzaps.view_instance + django_vzaps.pair_instance."
    )


def test_other_methods_are_named_as_not_there(urls: dict[str, str], api: APIClient, fake_vzaps: FakeVZaps) -> None:
    for name, url in urls.items():
        there = {method for each, method in ROUTES if each == name}
        for method in METHODS:
            if method not in there and not (method == "HEAD" and "GET" in there):
                response = api.generic(method, url)
                assert response.status_code == 405, (name, method)
                if method != "HEAD":
                    problem(response, "method-not-allowed")
                assert there <= set(response["Allow"].split(", ")), name
    assert fake_vzaps.calls == []


def test_whoever_is_logged_in_by_a_cookie_needs_a_csrf_token(urls: dict[str, str], fake_vzaps: FakeVZaps) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    for key in ROUTES:
        if key[1] != "GET":
            response = ask(client, urls, key)
            assert response.status_code == 403, key
            assert "CSRF" in problem(response, "permission-denied")["detail"]
    assert fake_vzaps.calls == []
    assert client.get(urls["instances"]).status_code == 200


def test_what_is_out_of_scope_does_not_exist(
    urls: dict[str, str], instance: Instance, api_with: ClientWith, fake_vzaps: FakeVZaps, settings: Any
) -> None:
    scope_by_owner(settings)
    client = api_with(*EVERY_PERMISSION)
    for key in ROUTES:
        of_account = key[0].startswith("account")
        names_a_row = not of_account and urls[key[0]].count("/") > 4
        if names_a_row:
            problem(ask(client, urls, key), "not-found")
    refused = problem(ask(client, urls, ("batches", "POST")), "invalid")
    assert [error["field"] for error in refused["errors"]] == ["instances.0"]
    assert fake_vzaps.calls == []

    def listed() -> list[int]:
        lists = ("instances", "alerts", "events", "operations", "batches")
        return [len(client.get(urls[name]).json()["results"]) for name in lists]

    assert listed() == [0] * 5
    Instance.objects.filter(pk=instance.pk).update(owner=User.objects.get())
    assert listed() == [1] * 5
    for key in ROUTES_IN_ORDER:
        assert ask(client, urls, key).status_code in ANSWERS, key


def test_a_route_that_names_no_permission_is_closed_to_everybody(
    urls: dict[str, str], api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AccountViewSet, "needs", {})
    problem(api.get(urls["accounts"]), "permission-denied")
