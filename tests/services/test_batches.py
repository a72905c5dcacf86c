"""Bulk work: what is sent, what is never sent twice, and what is said of each instance."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection, transaction
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_vzaps import broker, services
from django_vzaps.models import (
    Account,
    Batch,
    BatchItem,
    BatchItemState,
    BatchKind,
    Instance,
    Operation,
    OperationOutcome,
)
from django_vzaps.services import batches, instances, operations, pages, sync
from django_vzaps.services.batches import running
from django_vzaps.testing import FakeVZaps
from tests.services.conftest import during, let_the_deadline_pass
from tests.services.test_threads import at_once

pytestmark = pytest.mark.django_db

RESTART = BatchKind.RESTART


@pytest.fixture(autouse=True)
def _closed_breaker() -> None:
    broker.breaker.note(worked=True)


@pytest.fixture
def three(fake_vzaps: FakeVZaps, account: Account) -> list[Instance]:
    for name in ("A", "B", "C"):
        fake_vzaps.add_instance(name=name)
    sync.sync_account(account)
    fake_vzaps.calls.clear()
    return list(Instance.objects.order_by("name"))


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root")


@pytest.fixture
def sent(three: list[Instance], settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The tasks that were sent to the broker; nothing runs them."""
    settings.VZAPS["TASKS"] = "celery"
    tasks: list[tuple[str, int]] = []

    def send(task: str, pk: int, **_options: Any) -> bool:
        tasks.append((task, pk))
        return True

    monkeypatch.setattr(broker, "_sent", send)
    return tasks


@pytest.fixture
def _only_a_and_b(settings: Any) -> Iterator[None]:
    def scope(_user: object, instances: QuerySet[Instance]) -> QuerySet[Instance]:
        return instances.filter(name__in=["A", "B"])

    settings.VZAPS["INSTANCE_SCOPE"] = scope
    yield
    del settings.VZAPS["INSTANCE_SCOPE"]


def states(batch: Batch) -> list[str]:
    return list(batch.items.order_by("pk").values_list("state", flat=True))


def details(batch: Batch) -> list[str]:
    return list(batch.items.order_by("pk").values_list("detail", flat=True))


def refuse(fake: FakeVZaps, instance: Instance, **how: Any) -> None:
    fake.faults.add(
        lambda request: request.route == "restart" and request.instance_id == instance.vzaps_id,
        **{"status": 403, **how},
    )


def expire_lease(batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_each_has_its_operation_and_one_failure_does_not_keep_the_others_back(
    three: list[Instance], root: User, fake_vzaps: FakeVZaps
) -> None:
    refuse(fake_vzaps, three[1])

    batch = batches.start(RESTART, Instance.objects.order_by("name"), actor=root)

    assert states(batch) == ["succeeded", "failed", "succeeded"]
    assert "VZaps refused" in details(batch)[1]
    assert batch.finished_at is not None
    assert batches.progress_of(batch).in_words == "2 of 3 done, 1 failed"
    for item in batch.items.select_related("operation"):
        assert item.operation is not None
        assert (item.operation.batch, item.operation.instance, item.operation.actor) == (batch, item.instance, root)
    assert services.instances.restart(three[0], actor=root).batch is None


def test_what_cannot_be_known_is_not_retried_and_is_known_once_it_is_found_out(
    three: list[Instance], root: User, fake_vzaps: FakeVZaps
) -> None:
    refuse(fake_vzaps, three[0])
    refuse(fake_vzaps, three[1], status=None, drop=True)
    batch = batches.start(RESTART, Instance.objects.order_by("name"), actor=root)
    assert states(batch) == ["failed", "unknown", "succeeded"]

    again = batches.retry_failed(batch, actor=root)

    assert [item.instance for item in again.items.all()] == [three[0]]
    assert again.retry_of == batch
    assert states(again) == ["succeeded"]
    unknown = Operation.objects.get(outcome=OperationOutcome.UNKNOWN)
    operations.decide(unknown, carried_out=True, actor=root)
    batch.refresh_from_db()
    assert states(batch) == ["failed", "succeeded", "succeeded"]
    assert batches.progress_of(batch).in_words == "2 of 3 done, 1 failed"


def test_reading_tells_what_became_of_an_unknown_item(three: list[Instance], root: User, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.faults.add("delete", drop=True)
    batch = batches.start(BatchKind.DELETE, [three[0].pk], actor=root)
    assert states(batch) == ["unknown"]

    operations.settle_all()

    batch.refresh_from_db()
    assert states(batch) == ["succeeded"]
    assert batch.counts == {"succeeded": 1}


def test_a_retry_is_made_once(three: list[Instance], root: User, fake_vzaps: FakeVZaps) -> None:
    refuse(fake_vzaps, three[0], times=2)
    batch = batches.start(RESTART, [three[0].pk], actor=root)
    first = batches.retry_failed(batch, actor=root)

    assert batches.retry_failed(batch, actor=root) == first
    assert len(fake_vzaps.calls_to("restart")) == 2
    assert states(batches.retry_failed(first, actor=root)) == ["succeeded"]
    with pytest.raises(services.ChangeFailed, match="nothing to do"):
        batches.retry_failed(batches.start(RESTART, [three[0].pk], actor=root), actor=root)


def test_a_form_that_is_sent_twice_starts_one(three: list[Instance], root: User, fake_vzaps: FakeVZaps) -> None:
    public_id = uuid.uuid4()
    first = batches.start(RESTART, Instance.objects.all(), actor=root, public_id=public_id)

    assert batches.start(RESTART, Instance.objects.all(), actor=root, public_id=public_id) == first
    assert len(fake_vzaps.calls_to("restart")) == 3
    for kind, actor in ((BatchKind.DELETE, root), (RESTART, None)):
        with pytest.raises(services.ChangeFailed, match="something else"):
            batches.start(kind, Instance.objects.all(), actor=actor, public_id=public_id)


def test_nothing_is_started_without_anything_to_do(account: Account) -> None:
    with pytest.raises(services.ChangeFailed, match="nothing to do"):
        batches.start(RESTART, Instance.objects.none(), actor=None)
    assert not Batch.objects.exists()


def test_read_only_refuses_changes_and_lets_read(
    three: list[Instance], root: User, settings: Any, fake_vzaps: FakeVZaps
) -> None:
    refuse(fake_vzaps, three[0])
    failed = batches.start(RESTART, [three[0].pk], actor=root)
    settings.VZAPS = {**settings.VZAPS, "READ_ONLY": True}

    for kind in (RESTART, BatchKind.DELETE, BatchKind.SET_WEBHOOK):
        with pytest.raises(services.ReadOnly):
            batches.start(kind, Instance.objects.all(), actor=root)
    with pytest.raises(services.ReadOnly):
        batches.retry_failed(failed, actor=root)

    assert Batch.objects.count() == 1
    assert states(batches.start(BatchKind.SYNC, Instance.objects.all(), actor=root)) == ["succeeded"] * 3


def test_a_hundred_times_as_many_are_recorded_with_about_as_many_queries(account: Account, sent: list[Any]) -> None:
    def queries(count: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            batches.start(RESTART, Instance.objects.all()[:count], actor=None)
        return len(captured)

    Instance.objects.bulk_create(
        [Instance(account=account, vzaps_id=f"VZ{number}", name=f"N{number}") for number in range(1000)]
    )
    few = queries(10)
    assert queries(1000) == few + 1
    assert Batch.objects.first().total == 1000  # type: ignore[union-attr]


def test_a_worker_is_told_once_it_is_recorded(three: list[Instance], root: User, sent: list[Any]) -> None:
    batch = batches.start(RESTART, Instance.objects.all(), actor=root)
    assert sent == [(running.TASK, batch.pk)]
    assert states(batch) == ["waiting"] * 3


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_it_fails_loudly(three: list[Instance], root: User) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        batches.start(RESTART, Instance.objects.all(), actor=root)
    assert not Batch.objects.exists()


def test_a_long_batch_makes_room_for_others(three: list[Instance], sent: list[Any]) -> None:
    batch = batches.start(RESTART, Instance.objects.all(), actor=None)

    assert [batches.run(batch.pk, seconds=0) for _ in range(4)] == [False, False, True, True]

    assert sent == [(running.TASK, batch.pk)] * 3
    assert states(batch) == ["succeeded"] * 3


def test_the_sweep_finds_what_nobody_carries_out(
    three: list[Instance], sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as down:
        down.setattr(broker, "_sent", lambda *_args, **_options: False)
        batch = batches.start(RESTART, Instance.objects.all(), actor=None)
    broker.breaker.note(worked=True)

    assert batches.wake_unattended() == 1
    # It was told of, and a worker has it soon: nobody is told again before that can be doubted.
    assert batches.wake_unattended() == 0
    expire_lease(batch)
    assert batches.wake_unattended() == 1
    assert sent == [(running.TASK, batch.pk)] * 2
    batches.run(batch.pk)
    assert batches.wake_unattended() == 0


def test_while_one_process_carries_it_out_another_does_nothing(
    three: list[Instance], fake_vzaps: FakeVZaps, sent: list[Any]
) -> None:
    batch = batches.start(RESTART, Instance.objects.all(), actor=None)
    others: list[bool] = []
    during(fake_vzaps, "restart", lambda *_call: others.append(batches.run(batch.pk)))

    assert batches.run(batch.pk)

    assert others == [False]
    assert len(fake_vzaps.calls_to("restart")) == 3


def test_an_item_is_running_before_anything_is_sent(
    three: list[Instance], fake_vzaps: FakeVZaps, sent: list[Any]
) -> None:
    batch = batches.start(RESTART, Instance.objects.order_by("name"), actor=None)
    seen: list[Any] = []

    def look(*_call: object) -> None:
        item = batch.items.get(state=BatchItemState.RUNNING)
        seen.append((item.instance, item.operation and item.operation.outcome))

    during(fake_vzaps, "restart", look, before=True)
    batches.run(batch.pk)

    assert seen == [(three[0], "running")]


def die(*_call: object) -> None:
    raise SystemExit


def test_a_worker_that_died_leaves_an_unknown_item_that_nobody_repeats(
    three: list[Instance], fake_vzaps: FakeVZaps, sent: list[Any]
) -> None:
    batch = batches.start(RESTART, Instance.objects.order_by("name"), actor=None)
    during(fake_vzaps, "restart", die)
    with pytest.raises(SystemExit):
        batches.run(batch.pk)
    assert states(batch) == ["running", "waiting", "waiting"]
    # As where it was killed: nobody gave the lease back.
    Batch.objects.update(lease_holder="dead", lease_until=timezone.now() + running.LEASE)
    assert not batches.run(batch.pk)
    assert not batches.wake_unattended()
    expire_lease(batch)
    assert batches.wake_unattended() == 1

    assert batches.run(batch.pk)

    assert states(batch) == ["unknown", "succeeded", "succeeded"]
    assert "before it could say how it went" in details(batch)[0]
    assert len(fake_vzaps.calls_to("restart")) == 3
    let_the_deadline_pass()
    assert states(batch)[0] == "unknown"


def test_what_the_operation_of_a_dead_worker_says_counts(
    three: list[Instance], fake_vzaps: FakeVZaps, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = batches.start(RESTART, Instance.objects.order_by("name"), actor=None)
    with monkeypatch.context() as dying:
        dying.setattr(running, "storable", die)  # the answer is known, the item not yet told
        with pytest.raises(SystemExit):
            batches.run(batch.pk)
    assert states(batch) == ["running", "waiting", "waiting"]

    batches.run(batch.pk)

    assert states(batch) == ["succeeded"] * 3
    assert len(fake_vzaps.calls_to("restart")) == 3


def test_where_nothing_was_sent_that_is_certain(
    three: list[Instance], fake_vzaps: FakeVZaps, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = batches.start(RESTART, [three[0].pk], actor=None)
    with monkeypatch.context() as dying:
        dying.setattr(running, "verb_of", die)
        dying.setattr(running, "_take_over", lambda _batch: None)
        with pytest.raises(SystemExit):
            batches.run(batch.pk)

    batches.run(batch.pk)

    assert states(batch) == ["failed"]
    assert "before anything was sent" in details(batch)[0]


def test_a_worker_taken_for_dead_sends_nothing_more(
    three: list[Instance], fake_vzaps: FakeVZaps, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = batches.start(RESTART, [three[0].pk], actor=None)
    may = running._who_still_may

    def slow(*args: Any) -> Any:
        monkeypatch.setattr(running, "_who_still_may", may)
        expire_lease(batch)
        batches.run(batch.pk)
        return may(*args)

    monkeypatch.setattr(running, "_who_still_may", slow)
    batches.run(batch.pk)

    assert states(batch) == ["failed"]
    assert "before anything was sent" in details(batch)[0]
    assert not fake_vzaps.calls
    assert not Operation.objects.exists()


def test_a_late_answer_is_believed(three: list[Instance], fake_vzaps: FakeVZaps, sent: list[Any]) -> None:
    batch = batches.start(RESTART, [three[0].pk], actor=None)
    between: list[list[str]] = []

    def taken_for_dead(*_call: object) -> None:
        expire_lease(batch)
        batches.run(batch.pk)
        between.append(states(batch))

    during(fake_vzaps, "restart", taken_for_dead)
    batches.run(batch.pk)

    batch.refresh_from_db()
    assert between == [["unknown"]]
    assert states(batch) == ["succeeded"]
    assert batch.counts == {"succeeded": 1}


def test_a_read_is_repeated(three: list[Instance], fake_vzaps: FakeVZaps, sent: list[Any]) -> None:
    batch = batches.start(BatchKind.SYNC, Instance.objects.order_by("name"), actor=None)
    during(fake_vzaps, "get", die)
    with pytest.raises(SystemExit):
        batches.run(batch.pk)

    batches.run(batch.pk)

    assert states(batch) == ["succeeded"] * 3


def test_an_error_of_ours_is_said_and_ends_nothing_else(
    three: list[Instance], fake_vzaps: FakeVZaps, root: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = instances.restart

    def broken(instance: Instance, **how: Any) -> Operation:
        if instance == three[0]:
            raise KeyError("ours")
        return real(instance, **how)

    def breaks(*_call: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr(instances, "restart", broken)
    during(fake_vzaps, "restart", breaks)
    batch = batches.start(RESTART, Instance.objects.order_by("name"), actor=root)

    # Of the second it is not known what became: it was under way.
    assert states(batch) == ["failed", "unknown", "succeeded"]
    assert details(batch)[0] == "An error in this program; the log has it."


def test_who_lost_the_permission_has_nothing_done_any_more(
    three: list[Instance], fake_vzaps: FakeVZaps, sent: list[Any]
) -> None:
    user = User.objects.create_user("ana", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="restart_instance"))
    batch = batches.start(RESTART, Instance.objects.order_by("name"), actor=user)
    during(fake_vzaps, "restart", lambda *_call: user.user_permissions.clear())

    batches.run(batch.pk)

    assert states(batch) == ["succeeded", "failed", "failed"]
    assert details(batch)[1] == "ana may no longer do this. Nothing was sent."
    assert len(fake_vzaps.calls_to("restart")) == 1


@pytest.mark.parametrize("how", ["inactive", "deleted"])
def test_who_is_gone_is_not_the_system(
    how: str, three: list[Instance], root: User, fake_vzaps: FakeVZaps, sent: list[Any]
) -> None:
    batch = batches.start(RESTART, Instance.objects.all(), actor=root)
    if how == "deleted":
        root.delete()
    else:
        User.objects.update(is_active=False)

    batches.run(batch.pk)

    assert states(batch) == ["failed"] * 3
    assert fake_vzaps.calls == []


@pytest.mark.usefixtures("_only_a_and_b")
def test_what_is_out_of_scope_by_then_fails_in_words(three: list[Instance], root: User, fake_vzaps: FakeVZaps) -> None:
    batch = batches.start(RESTART, Instance.objects.order_by("name"), actor=root)

    assert states(batch) == ["succeeded", "succeeded", "failed"]
    assert "may no longer see this instance" in details(batch)[2]
    with pytest.raises(services.ChangeFailed, match="nothing to do"):
        batches.retry_failed(batch, actor=root)
    assert states(batches.start(RESTART, Instance.objects.all(), actor=None)) == ["succeeded"] * 3


def test_what_is_gone_is_not_asked_for(three: list[Instance], root: User, fake_vzaps: FakeVZaps) -> None:
    Instance.objects.filter(pk=three[0].pk).update(removed_at=timezone.now())
    for kind in (RESTART, BatchKind.DELETE, BatchKind.SET_WEBHOOK):
        batch = batches.start(kind, [three[0].pk], actor=root)
        assert states(batch) == ["failed"]
        assert "gone from VZaps" in details(batch)[0]
    assert fake_vzaps.calls == []


def test_deleting_needs_a_word_about_subscriptions(account: Account, root: User, fake_vzaps: FakeVZaps) -> None:
    fake_vzaps.add_instance(name="Paid", billing_status="ACTIVE")
    sync.sync_account(account)

    batch = batches.start(BatchKind.DELETE, Instance.objects.all(), actor=root)
    assert states(batch) == ["failed"]
    assert "has a subscription" in details(batch)[0]
    despite = {"despite_subscription": True}
    assert states(batches.start(BatchKind.DELETE, Instance.objects.all(), actor=root, parameters=despite)) == [
        "succeeded"
    ]


def test_a_webhook_of_somebody_else_is_overwritten_only_where_that_was_asked_for(
    account: Account, root: User, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.add_instance(name="A new")
    known = fake_vzaps.add_instance(name="B of a CRM", webhook="https://crm.example.org/in", events=["Message"])
    sync.sync_account(account)
    # Set there after the last look: what is known here does not tell.
    fake_vzaps.add_instance(name="C later")
    sync.sync_account(account)
    later = next(remote for remote in fake_vzaps.instances.values() if remote.name == "C later")
    later.webhook = "https://other.example.org/in"

    batch = batches.start(BatchKind.SET_WEBHOOK, Instance.objects.order_by("name"), actor=root)

    assert states(batch) == ["succeeded", "failed", "failed"]
    assert "did not set (crm.example.org/in)" in details(batch)[1]
    assert known.webhook == "https://crm.example.org/in"
    given = {"overwrite": True, "events": ["Connected"]}
    batch = batches.start(BatchKind.SET_WEBHOOK, Instance.objects.order_by("name"), actor=root, parameters=given)
    assert states(batch) == ["succeeded"] * 3
    assert known.webhook.startswith("https://hooks.example.test/")
    assert known.events == ["Connected"]


def test_stopping_leaves_what_was_waiting(three: list[Instance], root: User, fake_vzaps: FakeVZaps) -> None:
    def stop(*_call: object) -> None:
        assert batches.stop(Batch.objects.get(), actor=root) == 2

    during(fake_vzaps, "restart", stop)
    batch = batches.start(RESTART, Instance.objects.order_by("name"), actor=root)

    assert states(batch) == ["succeeded", "stopped", "stopped"]
    assert details(batch)[1] == "Stopped by root before it was its turn. Nothing was sent."
    assert batch.finished_at is not None
    assert batches.progress_of(batch).in_words == "1 of 3 done, 2 stopped"
    assert batches.stop(batch, actor=root) == 0
    assert states(batches.retry_failed(batch, actor=root)) == ["succeeded"] * 2


def test_a_webhook_that_was_not_read_back_is_said_to_be_one(
    three: list[Instance], root: User, fake_vzaps: FakeVZaps
) -> None:
    fake_vzaps.faults.add("webhook_get", status=400, times=None)
    batch = batches.start(BatchKind.SET_WEBHOOK, [three[0].pk], actor=root, parameters={"overwrite": True})
    assert states(batch) == ["succeeded"]
    assert details(batch)[0].startswith("VZaps accepted the webhook, but it could not be read back.")


def test_what_is_stopped_at_the_last_moment_is_not_sent(
    three: list[Instance], root: User, fake_vzaps: FakeVZaps, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = batches.start(RESTART, Instance.objects.all(), actor=root)
    # The item was chosen by then, and is not running yet.
    monkeypatch.setattr(running.Lease, "renew", lambda _lease: batches.stop(batch, actor=root))
    batches.run(batch.pk)
    assert states(batch) == ["stopped"] * 3
    assert fake_vzaps.calls_to("restart") == []


def test_what_ends_while_it_is_taken_over_ends_as_it_did(
    three: list[Instance], root: User, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = batches.start(RESTART, Instance.objects.order_by("name"), actor=root)
    operation = Operation.objects.create(kind="instance.restart", account=three[0].account, deadline=timezone.now())
    first = BatchItem.objects.filter(pk=batch.items.order_by("pk")[0].pk)
    first.update(state=BatchItemState.RUNNING, operation=operation)

    def meanwhile(_operation: Operation) -> BatchItemState:
        first.update(state=BatchItemState.SUCCEEDED)  # by the runner that was taken for dead
        return BatchItemState.UNKNOWN

    monkeypatch.setattr(running, "state_after", meanwhile)
    batches.run(batch.pk)
    assert states(batch) == ["succeeded"] * 3


def test_who_lost_the_batch_leaves_the_rest_to_who_has_it(
    three: list[Instance], root: User, fake_vzaps: FakeVZaps, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = batches.start(RESTART, Instance.objects.order_by("name"), actor=root)
    monkeypatch.setattr(running, "_FRESH", 0)

    def take_over(*_call: object) -> None:
        Batch.objects.filter(pk=batch.pk).update(lease_holder="other", lease_until=timezone.now() + running.LEASE)

    during(fake_vzaps, "restart", take_over)
    assert not batches.run(batch.pk)
    assert states(batch) == ["succeeded", "waiting", "waiting"]
    assert Batch.objects.get().lease_holder == "other"


def test_what_nobody_carries_out_is_finished_by_stopping_it(three: list[Instance], root: User, sent: list[Any]) -> None:
    batch = batches.start(RESTART, Instance.objects.all(), actor=root)
    with pytest.raises(services.ChangeFailed, match="not finished yet"):
        batches.retry_failed(batch, actor=root)
    batches.stop(batch, actor=root)
    assert batch.finished_at is not None


@pytest.mark.usefixtures("_only_a_and_b")
def test_of_somebody_elses_only_what_one_may_see_is_stopped(three: list[Instance], root: User, sent: list[Any]) -> None:
    batch = batches.start(RESTART, Instance.objects.order_by("name"), actor=root)

    assert batches.stop(batch, actor=User.objects.create_superuser("ben")) == 2
    assert states(batch) == ["stopped", "stopped", "waiting"]
    assert batch.finished_at is None
    assert batches.stop(batch, actor=root) == 1
    assert batch.finished_at is not None


def test_a_sync_says_how_far_it_is(
    account: Account, root: User, fake_vzaps: FakeVZaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "PAGE_SIZE", 2)
    for number in range(5):
        fake_vzaps.add_instance(name=f"N{number}")
    seen: list[tuple[int, int | None]] = []
    walk: Callable[..., Any] = pages.store_page

    def look(*args: Any, **kwargs: Any) -> Any:
        seen.append(BatchItem.objects.values_list("seen", "expected").get())
        return walk(*args, **kwargs)

    monkeypatch.setattr(sync, "store_page", look)
    batch = batches.start(BatchKind.SYNC_ACCOUNT, Account.objects.all(), actor=root)

    item = batch.items.get()
    # Written at most once a second: the second page found the first one's, the third one, too.
    assert seen == [(0, None), (2, 5), (2, 5)]
    assert (item.seen, item.expected, item.state) == (5, 5, "succeeded")
    assert item.detail == "5 instances read from VZaps; 5 new, 0 changed, 0 gone."


def test_a_sync_that_is_under_way_is_not_made_twice(account: Account, root: User, fake_vzaps: FakeVZaps) -> None:
    Account.objects.update(sync_lease_holder="other", sync_lease_until=timezone.now() + timedelta(minutes=1))
    batch = batches.start(BatchKind.SYNC_ACCOUNT, Account.objects.all(), actor=root)
    assert states(batch) == ["failed"]
    assert "being synced already" in details(batch)[0]


def test_a_sync_taken_over_by_another_process_ends(
    account: Account, fake_vzaps: FakeVZaps, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_vzaps.add_instance(name="N")
    monkeypatch.setattr(running, "_FRESH", 0)

    def take_over(*_call: object) -> None:
        Batch.objects.update(lease_holder="other")

    during(fake_vzaps, "list", take_over)

    batch = batches.start(BatchKind.SYNC_ACCOUNT, Account.objects.all(), actor=None)

    assert states(batch) == ["running"]
    assert Account.objects.get().sync_lease_holder == ""


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_workers_at_once_send_each_change_once(three: list[Instance], fake_vzaps: FakeVZaps, sent: list[Any]) -> None:
    workers_at_once(fake_vzaps)


@pytest.mark.mariadb
@pytest.mark.django_db(transaction=True)
def test_workers_at_once_send_each_change_once_on_mariadb(
    three: list[Instance], fake_vzaps: FakeVZaps, sent: list[Any]
) -> None:
    workers_at_once(fake_vzaps)


def workers_at_once(fake: FakeVZaps) -> None:
    batch = batches.start(RESTART, Instance.objects.all(), actor=None)

    def work() -> None:
        while not batches.run(batch.pk, seconds=0):
            pass

    at_once(work, work, work)

    assert states(batch) == ["succeeded"] * 3
    assert len(fake.calls_to("restart")) == 3


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_presses_of_retry_make_one_batch(
    three: list[Instance], root: User, fake_vzaps: FakeVZaps, settings: Any
) -> None:
    refuse(fake_vzaps, three[0])
    batch = batches.start(RESTART, [three[0].pk], actor=root)
    at_once(*[lambda: batches.retry_failed(Batch.objects.get(pk=batch.pk), actor=root)] * 3)
    assert Batch.objects.count() == 2
    assert len(fake_vzaps.calls_to("restart")) == 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_sendings_of_a_form_at_once_start_one(three: list[Instance], root: User, fake_vzaps: FakeVZaps) -> None:
    public_id = uuid.uuid4()
    at_once(*[lambda: batches.start(RESTART, Instance.objects.all(), actor=root, public_id=public_id)] * 3)
    assert Batch.objects.count() == 1
    assert len(fake_vzaps.calls_to("restart")) == 3
