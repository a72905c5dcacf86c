"""Real threads on real databases: no deadlock, nothing made twice, nothing lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from django_vzaps import services
from django_vzaps.crypto import matches
from django_vzaps.events import dispatch, storing
from django_vzaps.models import (
    Account,
    Event,
    Instance,
    InstanceChange,
    Operation,
    OperationOutcome,
    Subscription,
    Webhook,
)
from django_vzaps.models.instance import InstanceQuerySet
from django_vzaps.services import (
    connection,
    instances,
    mirror,
    operations,
    pages,
    sessions,
    subscriptions,
    sync,
    webhooks,
)
from django_vzaps.services.clients import client_for
from django_vzaps.testing import FakeVZaps
from django_vzaps.testing.wire import Answer
from tests.services.conftest import during

ROUNDS = 12


def at_once(*jobs: Callable[[], object], expected: tuple[type[Exception], ...] = ()) -> None:
    """Run ``jobs`` in threads that start together; whatever else than ``expected`` one raises fails the test."""
    start = threading.Barrier(len(jobs))
    unexpected: list[BaseException] = []

    def run(job: Callable[[], object]) -> None:
        try:
            start.wait(10)
            job()
        except expected:
            pass
        except BaseException as error:  # noqa: BLE001 - a thread's error must reach the test
            unexpected.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=run, args=[job], daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert unexpected == []


def again(job: Callable[[int], object]) -> Callable[[], None]:
    def jobs() -> None:
        for number in range(ROUNDS):
            job(number)

    return jobs


def syncs_while_creating(fake: FakeVZaps, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """A creation's answer and a list that holds the new instance: both find no row, then both insert one."""
    apply = mirror.apply_instance
    both = threading.Barrier(2)

    def apply_together(instance: Instance, *args: Any, **kwargs: Any) -> Any:
        if instance.pk is None:
            both.wait(10)
        return apply(instance, *args, **kwargs)

    monkeypatch.setattr(mirror, "apply_instance", apply_together)
    for number in range(ROUNDS):
        created = threading.Event()
        during(fake, "create", lambda *_call, created=created: created.set())

        def create(name: str = f"Branch {number}") -> None:
            instances.create(account, name=name, actor=None)

        def walk(created: threading.Event = created) -> None:
            created.wait(10)
            sync.sync_account(account)

        at_once(create, walk)

    operations_ = Operation.objects.order_by("pk")
    assert {operation.outcome for operation in operations_} == {OperationOutcome.SUCCEEDED}
    assert len(fake.calls_to("create")) == len(fake.instances) == Instance.objects.count() == ROUNDS
    for operation in operations_:
        assert operation.instance is not None
        remote = fake.instances[operation.instance.vzaps_id]
        assert operation.instance.token is not None
        assert operation.instance.token.reveal() == remote.token
        assert matches(remote.webhook.rsplit("/", 1)[1], *operation.instance.webhook.accepted_hashes())


def everything_at_once(fake: FakeVZaps, account: Account) -> None:
    for number in range(6):
        fake.add_instance(name=f"Branch {number}")
    sync.sync_account(account)
    rows: Sequence[Instance] = list(Instance.objects.select_related("account").order_by("pk"))
    ups = iter([True, False] * 1000)

    def one(number: int) -> Instance:
        return Instance.objects.select_related("account").get(pk=rows[number % len(rows)].pk)

    owner = User.objects.create_user("owner")

    def arrive(number: int) -> None:
        """Events of two instances: what they say of the connection is written in a handler's transaction."""
        for step in (0, 2):
            row, kind = rows[(number + step) % len(rows)], ("Connected", "Disconnected")[number % 2]
            body = json.dumps({"type": kind, "event": {"info": {"timestamp": f"2026-11-25T10:{number:02}:0{step}Z"}}})
            storing.receive(body.encode(), instance_id=row.pk, vzaps_id=row.vzaps_id)
            dispatch.drain(row.pk)

    def edit(number: int) -> None:
        """As the admin does: an owner for one, then for all that were chosen, in an order of its own."""
        instances.assign(one(number), owner)
        chosen = [row.pk for row in reversed(rows)]
        Instance.objects.filter(pk__in=chosen).update(owner=None)

    def rename(number: int) -> None:
        for remote in list(fake.instances.values()):
            remote.name = f"{remote.id[-4:]} {number}"
        sync.sync_account(account)

    at_once(
        again(rename),
        again(lambda number: [sync.sync_instance(one(number + step)) for step in (3, 1, 0)]),
        again(
            lambda number: connection.record(
                rows[-number % len(rows)].pk, connected=next(ups), source="webhook", asked_at=timezone.now()
            )
        ),
        again(lambda number: webhooks.set(one(number), actor=None)),
        again(lambda number: webhooks.check(one(-number))),
        again(lambda number: sessions.status(one(number))),
        lambda: [subscriptions.subscribe(one(number), actor=None) for number in range(len(rows))],
        again(lambda _number: operations.settle_all()),
        again(arrive),
        again(edit),
        expected=(services.OperationInProgress,),
    )

    sync.sync_account(account)
    assert len(fake.charges) == len(rows)
    assert not Operation.objects.unsettled().exists()
    assert set(Operation.objects.values_list("outcome", flat=True)) == {OperationOutcome.SUCCEEDED}
    for webhook in Webhook.objects.select_related("instance__subscription"):
        remote = fake.instances[webhook.instance.vzaps_id]
        assert matches(remote.webhook.rsplit("/", 1)[1], *webhook.accepted_hashes())
        assert webhook.instance.name == remote.name
        assert webhook.instance.subscription.state == "active"
        assert webhook.instance.subscription.vzaps_id == remote.billing.subscription_id
    history: dict[tuple[int, str], list[tuple[Any, Any]]] = {}
    for change in InstanceChange.objects.order_by("pk"):
        history.setdefault((change.instance_id, change.field), []).append((change.old, change.new))
    for rows_ in history.values():
        assert all(old != new for old, new in rows_), "nothing is written down twice"
        assert all(before[1] == after[0] for before, after in pairwise(rows_)), "and nothing is left out"
    names = {pk: changes[-1][1] for (pk, field), changes in history.items() if field == "name"}
    assert names == dict(Instance.objects.filter(pk__in=names).values_list("pk", "name"))


def page_while_a_handler_writes_two(fake: FakeVZaps, account: Account) -> None:
    """In one transaction, with a page in between on which nothing changed but that its times are old."""
    for _ in range(2):
        fake.add_instance(connected=True, webhook="https://crm.example.org/in", events=["Message"])
    sync.sync_account(account)
    old = timezone.now() - timedelta(minutes=10)
    Instance.objects.update(synced_at=old, connection_asked_at=old)
    Subscription.objects.update(refreshed_at=old)
    Webhook.objects.update(checked_at=old)
    answers, now = client_for(account).instances.list(page=1, size=100).content, timezone.now()
    holds_one, page_is_stored, waits_for_nobody = threading.Event(), threading.Event(), threading.Event()

    def handle() -> None:
        with transaction.atomic():
            mirror.store(account, answers[0], asked_at=now)
            holds_one.set()
            if page_is_stored.wait(2):
                waits_for_nobody.set()
            mirror.store(account, answers[1], asked_at=now)

    def walk() -> None:
        holds_one.wait(10)
        pages.store_page(account, answers, asked_at=now, unsettled=set())
        page_is_stored.set()

    at_once(handle, walk)

    assert waits_for_nobody.is_set()
    assert set(Webhook.objects.values_list("checked_at", flat=True)) == {now}


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_sync_and_a_creation_store_the_same_instance(
    fake_vzaps: FakeVZaps, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs_while_creating(fake_vzaps, account, monkeypatch)


@pytest.mark.mariadb
@pytest.mark.django_db(transaction=True)
def test_a_sync_and_a_creation_store_the_same_instance_on_mariadb(
    fake_vzaps: FakeVZaps, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs_while_creating(fake_vzaps, account, monkeypatch)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_page_on_which_nothing_changed_waits_for_nobody(fake_vzaps: FakeVZaps, account: Account) -> None:
    page_while_a_handler_writes_two(fake_vzaps, account)


@pytest.mark.mariadb
@pytest.mark.django_db(transaction=True)
def test_a_page_on_which_nothing_changed_waits_for_nobody_on_mariadb(fake_vzaps: FakeVZaps, account: Account) -> None:
    page_while_a_handler_writes_two(fake_vzaps, account)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_everything_at_once_neither_deadlocks_nor_loses_anything(fake_vzaps: FakeVZaps, account: Account) -> None:
    everything_at_once(fake_vzaps, account)


@pytest.mark.mariadb
@pytest.mark.django_db(transaction=True)
def test_everything_at_once_neither_deadlocks_nor_loses_anything_on_mariadb(
    fake_vzaps: FakeVZaps, account: Account
) -> None:
    everything_at_once(fake_vzaps, account)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_events_arrive_while_a_sync_holds_the_instance(account: Account) -> None:
    instance = Instance.objects.create(account=account, vzaps_id="VZ1", name="Front desk")

    def arrive() -> None:
        with database.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
        Event.objects.store(instance_id=instance.pk, type="Message", payload="{}")

    with transaction.atomic():
        list(Instance.objects.filter(pk=instance.pk).locked())
        at_once(arrive)

    assert Event.objects.count() == 1


def first_then_second(
    monkeypatch: pytest.MonkeyPatch, inside: tuple[Any, str], first: Callable[[], object], second: Callable[[], object]
) -> None:
    """``second`` comes when ``first`` has read its rows and is about to write: it has to wait for it."""
    module, name = inside
    real = getattr(module, name)
    has_read, second_is_done = threading.Event(), threading.Event()
    slow = threading.local()

    def paused(*args: Any, **kwargs: Any) -> Any:
        if getattr(slow, "is_first", False):
            has_read.set()
            # Never set in time where the second has to wait.
            second_is_done.wait(0.3)
        return real(*args, **kwargs)

    def run_first() -> None:
        slow.is_first = True
        first()

    def run_second() -> None:
        has_read.wait(10)
        second()
        second_is_done.set()

    monkeypatch.setattr(module, name, paused)
    at_once(run_first, run_second)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("writer", ["store", "store_page", "record", "check"])
def test_what_was_learned_later_is_written_last(
    fake_vzaps: FakeVZaps, instance: Instance, monkeypatch: pytest.MonkeyPatch, writer: str
) -> None:
    account, remote = instance.account, fake_vzaps.instances[instance.vzaps_id]
    remote.webhook, remote.connected = "https://old.example.org/", False
    old, asked_at = client_for(instance).instances.get(instance.vzaps_id), timezone.now()
    remote.name, remote.webhook, remote.connected = "Newer", "https://new.example.org/", True
    new = client_for(instance).instances.get(instance.vzaps_id)

    def answer_old(_request: object, answer: Answer) -> Answer:
        return replace(answer, body=answer.body.replace(b"//new.", b"//old."))

    def later() -> None:
        mirror.store(account, new, asked_at=timezone.now())

    writers: dict[str, tuple[tuple[Any, str], Callable[[], object]]] = {
        "store": ((mirror, "apply_instance"), lambda: mirror.store(account, old, asked_at=asked_at)),
        "store_page": (
            (mirror, "apply_instance"),
            lambda: pages.store_page(account, [old], asked_at=asked_at, unsettled=set()),
        ),
        "record": (
            (connection, "apply"),
            lambda: connection.record(instance.pk, connected=False, source="webhook", asked_at=asked_at),
        ),
        "check": ((mirror, "seen_host_and_path"), lambda: webhooks.check(Instance.objects.get())),
    }
    during(fake_vzaps, "webhook_get", answer_old)

    first_then_second(monkeypatch, *writers[writer], later)

    instance = Instance.objects.select_related("webhook").get()
    assert (instance.name, instance.connected) == ("Newer", True)
    assert instance.webhook.actual_host_and_path == "new.example.org/"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_new_secret_goes_beside_the_one_that_was_just_found_to_be_live(
    fake_vzaps: FakeVZaps, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhooks.set(instance, actor=None)
    fake_vzaps.faults.add("webhook_set", status=502)
    with pytest.raises(services.OutcomeUnknown):
        webhooks.set(instance, actor=None)
    live = fake_vzaps.instances[instance.vzaps_id].webhook.rsplit("/", 1)[1]
    planned = webhooks.plan(instance.webhook.public_id, ["Message"])

    first_then_second(
        monkeypatch,
        (webhooks, "_follow_secret"),
        lambda: webhooks.check(instance),
        lambda: webhooks._expect(instance, planned),
    )

    assert matches(live, *Webhook.objects.get().accepted_hashes())


def held_by_another(instance: Instance, act: Callable[[], object], *, until: threading.Event) -> None:
    """``act`` while somebody holds the instance, who lets go of it at ``until``, or when that does not come."""
    is_held = threading.Event()

    def hold() -> None:
        with transaction.atomic():
            list(Instance.objects.filter(pk=instance.pk).locked())
            is_held.set()
            until.wait(2)

    def act_then() -> None:
        is_held.wait(10)
        act()

    at_once(hold, act_then)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_who_is_held_when_a_page_is_written_is_written_after_the_others(
    fake_vzaps: FakeVZaps, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        fake_vzaps.add_instance(name=f"Branch {number}")
    sync.sync_account(account)
    for remote in fake_vzaps.instances.values():
        remote.name = "Renamed"
    held, others_are_written, store = Instance.objects.earliest("pk"), threading.Event(), mirror.store

    def store_held(*args: Any, **kwargs: Any) -> Instance:
        assert Instance.objects.filter(name="Renamed").count() == 2
        others_are_written.set()
        return store(*args, **kwargs)

    monkeypatch.setattr(mirror, "store", store_held)

    held_by_another(held, lambda: sync.sync_account(account), until=others_are_written)

    assert set(Instance.objects.values_list("name", flat=True)) == {"Renamed"}


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_who_is_held_when_others_are_removed_waits_for_the_next_walk(account: Account) -> None:
    held, free = (Instance.objects.create(account=account, vzaps_id=f"VZ{number}", name="Desk") for number in range(2))
    is_done = threading.Event()

    def remove() -> None:
        assert sync._remove([held.pk, free.pk], timezone.now()) == 1
        is_done.set()

    held_by_another(held, remove, until=is_done)

    assert list(Instance.objects.present()) == [held]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_what_was_learned_while_a_page_locks_its_rows_is_not_overwritten(
    fake_vzaps: FakeVZaps, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that locks sees of what is joined to a row what was there when the statement began."""
    account, asked_at, gate = instance.account, timezone.now(), 4711
    (answer,) = client_for(account).instances.list(page=1, size=100).content
    old, new = (replace(answer, billing_status=status, name=status) for status in ("ACTIVE", "PAST_DUE"))
    real = InstanceQuerySet.locked

    def at_the_gate(rows: InstanceQuerySet, *, only_free: bool = False) -> Any:
        locked = real(rows, only_free=only_free)
        gated = locked.extra(where=[f"pg_advisory_lock_shared({gate}) IS NOT NULL"])  # noqa: S610 - a number
        return gated if only_free else locked

    monkeypatch.setattr(InstanceQuerySet, "locked", at_the_gate)
    gate_is_shut = threading.Event()

    def learn() -> None:
        with database.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [gate])
            gate_is_shut.set()
            for _ in range(10_000):
                cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
                if cursor.fetchone() == (1,):
                    break
            mirror.store(account, new, asked_at=timezone.now())
            cursor.execute("SELECT pg_advisory_unlock(%s)", [gate])

    def walk() -> None:
        gate_is_shut.wait(10)
        pages.store_page(account, [old], asked_at=asked_at, unsettled=set())

    at_once(learn, walk)

    instance = Instance.objects.select_related("subscription").get()
    assert (instance.name, instance.subscription.billing_status) == ("PAST_DUE", "PAST_DUE")
    assert [change.new for change in InstanceChange.objects.filter(field="billing_status")] == ["PAST_DUE"]
