"""Every URL of the console, found in the admin site itself, as every kind of user.

A page that is not in :data:`PAGES` fails the suite: whoever adds one says here who may open it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any, Final, NamedTuple

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_vzaps.models import (
    Account,
    Alert,
    Batch,
    BatchItem,
    BatchItemState,
    BatchKind,
    Event,
    FailedDelivery,
    HealingRun,
    Instance,
    InstanceChange,
    Operation,
    OperationKind,
    OperationOutcome,
)
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import browser_of

NOBODY: Final = "nobody"


class Page(NamedTuple):
    """Who may open a page: ``needs`` names permissions, all of them; ``method`` is how it is asked."""

    needs: tuple[str, ...]
    method: str = "GET"


def mirrored(model: str) -> dict[str, Page]:
    """The pages of rows that are looked at and never edited here."""
    view = (f"view_{model}",)
    return {
        f"{model}_changelist": Page(view),
        f"{model}_change": Page(view),
        f"{model}_history": Page(view),
        f"{model}_add": Page((NOBODY,)),
        f"{model}_delete": Page((NOBODY,)),
    }


def of_instance(permission: str, method: str = "GET") -> Page:
    """A page of one instance, which whoever opens it must be allowed to view."""
    return Page(("view_instance", f"{permission}_instance"), method)


PAGES: Final[dict[str, Page]] = {
    **mirrored("alert"),
    **mirrored("batch"),
    **mirrored("event"),
    **mirrored("faileddelivery"),
    **mirrored("healingrun"),
    **mirrored("instancechange"),
    **mirrored("operation"),
    "account_add": Page(("add_account",)),
    "account_change": Page(("view_account",)),
    "account_changelist": Page(("view_account",)),
    "account_delete": Page(("delete_account",)),
    "account_history": Page(("view_account",)),
    "account_sync": Page(("view_account", "change_instance"), "POST"),
    "account_test": Page(("view_account", "change_account"), "POST"),
    "batch_progress": Page(("view_batch",)),
    "batch_retry": Page(("view_batch", "restart_instance"), "POST"),
    "batch_stop": Page(("view_batch", "restart_instance"), "POST"),
    "event_replay": Page(("view_event", "replay_event")),
    "instance_add": Page(("add_instance",)),
    "instance_billing_check": of_instance("bill", "POST"),
    "instance_billing_poll": of_instance("bill", "POST"),
    "instance_billing_result": of_instance("bill"),
    "instance_bulk_delete": of_instance("delete", "POST"),
    "instance_bulk_restart": of_instance("restart", "POST"),
    "instance_bulk_set_webhook": of_instance("set_webhook", "POST"),
    "instance_bulk_sync": of_instance("change", "POST"),
    "instance_cancel": of_instance("bill"),
    "instance_change": Page(("view_instance",)),
    "instance_changelist": Page(("view_instance",)),
    "instance_check": of_instance("change", "POST"),
    "instance_check_billing": of_instance("change", "POST"),
    "instance_check_connection": of_instance("change", "POST"),
    "instance_check_identity": of_instance("change", "POST"),
    "instance_check_webhook": of_instance("change", "POST"),
    "instance_delete": of_instance("delete"),
    "instance_deliver_again": of_instance("set_webhook", "POST"),
    "instance_deliveries": of_instance("set_webhook"),
    "instance_disconnect": of_instance("pair"),
    "instance_edit": of_instance("change"),
    "instance_history": Page(("view_instance",)),
    "instance_owner": of_instance("change"),
    "instance_pair": of_instance("pair"),
    "instance_pair_code": of_instance("pair", "POST"),
    "instance_pair_poll": of_instance("pair", "POST"),
    "instance_restart": of_instance("restart"),
    "instance_resume": of_instance("bill"),
    "instance_rotate": of_instance("set_webhook"),
    "instance_send": of_instance("send"),
    "instance_subscribe": of_instance("bill"),
    "instance_sync": Page(("view_instance", "change_instance"), "POST"),
    "instance_token": of_instance("reveal_token", "POST"),
    "instance_webhook": of_instance("set_webhook"),
    "instance_webhook_test": of_instance("set_webhook", "POST"),
    "operation_decide": Page(("view_operation", "bill_instance")),
    "operation_settle": Page(("view_operation", "change_instance"), "POST"),
}

#: What opens a page in another way: who may pay may settle; who may start a batch sees the list of their own.
INSTEAD: Final[dict[str, list[tuple[str, ...]]]] = {
    "operation_settle": [("view_operation", "bill_instance")],
    "batch_changelist": [(f"{verb}_instance",) for verb in ("change", "delete", "restart", "set_webhook")],
}

#: Whose rows are not an instance's, so that no scope hides them.
UNSCOPED: Final = ("account_",)

#: What somebody else started is not there for who may not see it.
REFUSED: Final = {"batch": (403, 404, 405)}

EVERY_PERMISSION: Final = frozenset({name for page in PAGES.values() for name in page.needs} - {NOBODY})

#: What looking at a page may ask of VZaps: nothing that changes anything there.
READS: Final = {"token", "get", "list", "session_status", "webhook_get"}


def found_pages() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Name and arguments of every page that the console adds to the admin site."""
    for model, model_admin in admin.site._registry.items():
        if model._meta.app_label == "django_vzaps":
            for pattern in model_admin.get_urls():
                if pattern.name is not None:
                    yield pattern.name.removeprefix("django_vzaps_"), tuple(pattern.pattern.converters)


@pytest.fixture
def rows(instance: Instance) -> dict[str, Any]:
    """One row of each kind, by the beginning of the names of its pages."""
    event = Event.objects.create(instance=instance, type="Message", payload="{}")
    batch = Batch.objects.create(kind=BatchKind.RESTART, total=1)
    BatchItem.objects.create(batch=batch, instance=instance, state=BatchItemState.FAILED)
    operation = unsettled(instance)
    run = HealingRun.objects.create(instance=instance)
    return {
        "account": instance.account,
        "alert": Alert.objects.create(kind="disconnected", instance=instance),
        "arguments": {"operation_id": operation.pk},
        "batch": batch,
        "event": event,
        "faileddelivery": FailedDelivery.objects.create(instance=instance, run=run, log_id="log_1", outcome="left"),
        "healingrun": run,
        "instance": instance,
        "instancechange": InstanceChange.objects.create(
            instance=instance, field="name", old="a", new="b", source="api"
        ),
        "operation": operation,
    }


def unsettled(instance: Instance) -> Operation:
    """A charge of unknown outcome, with whose page the most can be done."""
    return Operation.objects.create(
        kind=OperationKind.SUBSCRIBE,
        instance=instance,
        account=instance.account,
        outcome=OperationOutcome.UNKNOWN,
        deadline=timezone.now() + timedelta(minutes=5),
        lock=f"billing:{instance.pk}",
    )


def urls(rows: dict[str, Any]) -> dict[str, str]:
    """Every page's name with its address for these rows."""
    found = {}
    for name, arguments in found_pages():
        row = rows[name.partition("_")[0]]
        given = {"object_id": row.pk, **rows.get("arguments", {})}
        found[name] = reverse(
            f"admin:django_vzaps_{name}", kwargs={argument: given[argument] for argument in arguments}
        )
    return found


def ask(client: Client, url: str, method: str) -> int:
    """The status of the answer; a redirect to the login page is 401."""
    response = client.get(url) if method == "GET" else client.post(url, {"phone": "5511999998888", "message": "x"})
    if response.status_code == 302 and "/login/" in response["Location"]:
        return 401
    return response.status_code


def staff(*codenames: str) -> Client:
    """A browser in which a staff user with just these permissions is logged in."""
    user = User.objects.create_user(f"staff{User.objects.count()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="django_vzaps", codename__in=codenames))
    return browser_of(user)


def is_refused(name: str, client: Client, url: str) -> bool:
    """Whether neither way of asking leads anywhere."""
    refusals = REFUSED.get(name.partition("_")[0], (403, 405))
    return all(ask(client, url, method) in refusals for method in ("GET", "POST"))


def ways_in(name: str) -> list[set[str]]:
    """Sets of permissions that each open the page."""
    return [set(needed) for needed in (PAGES[name].needs, *INSTEAD.get(name, []))]


def ways_to_keep_out(name: str) -> set[frozenset[str]]:
    """Sets of permissions without which the page stays shut, whatever else somebody has."""
    missing = (set(one_of_each_way) for one_of_each_way in product(*ways_in(name)))
    # In Django, who may change may view.
    return {frozenset(some | {f"change_{held[5:]}" for held in some if held.startswith("view_")}) for some in missing}


def test_every_page_says_who_may_open_it() -> None:
    assert {name for name, _arguments in found_pages()} == PAGES.keys()


def test_nobody_gets_in_without_logging_in(rows: dict[str, Any], fake_vzaps: FakeVZaps) -> None:
    customer = browser_of(User.objects.create_user("customer"))
    for client in (Client(), customer):
        for name, url in urls(rows).items():
            assert ask(client, url, "GET") == 401, name
            assert ask(client, url, "POST") == 401, name
    assert fake_vzaps.calls == []


def test_staff_without_permission_opens_nothing(rows: dict[str, Any], fake_vzaps: FakeVZaps) -> None:
    client = staff()
    for name, url in urls(rows).items():
        assert is_refused(name, client, url), name
    assert fake_vzaps.calls == []


def test_its_permissions_open_a_page_and_looking_changes_nothing(rows: dict[str, Any], fake_vzaps: FakeVZaps) -> None:
    clients: dict[frozenset[str], Client] = {}
    for name, url in urls(rows).items():
        for needed in map(frozenset, ways_in(name)):
            if NOBODY not in needed:
                client = clients.get(needed) or clients.setdefault(needed, staff(*needed))
                fake_vzaps.calls.clear()
                # 400 where the form lacks something
                assert ask(client, url, PAGES[name].method) in (200, 302, 400), (name, needed)
                if PAGES[name].method == "GET":
                    assert {call.route for call in fake_vzaps.calls} <= READS, name


def test_without_one_of_its_permissions_a_page_stays_shut_to_who_has_all_others(
    rows: dict[str, Any], fake_vzaps: FakeVZaps
) -> None:
    shut: dict[frozenset[str], list[str]] = {}
    for name in PAGES:
        for missing in ways_to_keep_out(name):
            shut.setdefault(missing, []).append(name)
    addresses = urls(rows)
    for missing, names in shut.items():
        client = staff(*EVERY_PERMISSION - missing)
        for name in names:
            assert is_refused(name, client, addresses[name]), (name, set(missing))
    assert fake_vzaps.calls == []


def test_every_post_wants_a_csrf_token(rows: dict[str, Any], fake_vzaps: FakeVZaps) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    for name, url in urls(rows).items():
        assert client.post(url, {"name": "Other"}).status_code == 403, name
    assert fake_vzaps.calls == []


def only_mine(user: Any, instances: Any) -> Any:
    """A scope: everybody sees what they own."""
    return instances.filter(owner=user)


@pytest.fixture
def scoped(settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "INSTANCE_SCOPE": only_mine}


def test_what_is_out_of_scope_does_not_exist(
    scoped: None, rows: dict[str, Any], instance: Instance, fake_vzaps: FakeVZaps
) -> None:
    client = staff(*EVERY_PERMISSION)
    for name, url in urls(rows).items():
        if name.startswith(UNSCOPED) or str(rows[name.partition("_")[0]].pk) not in url.split("/"):
            continue
        assert ask(client, url, "GET") in (403, 404, 405), name
        assert ask(client, url, "POST") in (403, 404, 405), name
    assert fake_vzaps.calls == []
    Instance.objects.filter(pk=instance.pk).update(owner=User.objects.get(username__startswith="staff"))
    assert ask(client, urls(rows)["instance_change"], "GET") == 200


def test_lists_show_what_is_in_scope(scoped: None, rows: dict[str, Any], instance: Instance, account: Account) -> None:
    client = staff(*EVERY_PERMISSION)
    lists = [name for name in PAGES if name.endswith("_changelist") and not name.startswith(UNSCOPED)]

    def shown() -> dict[str, int]:
        return {name: len(client.get(urls(rows)[name]).context["cl"].result_list) for name in lists}

    assert set(shown().values()) == {0}
    Instance.objects.filter(pk=instance.pk).update(owner=User.objects.get(username__startswith="staff"))
    assert 0 not in shown().values()
