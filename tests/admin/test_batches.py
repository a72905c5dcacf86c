"""The batches' list and page: how far each is, who may see it, and what can be done about what failed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_vzaps import broker
from django_vzaps.models import (
    Account,
    Batch,
    BatchItem,
    BatchItemState,
    BatchKind,
    Instance,
    Operation,
    OperationKind,
    OperationOutcome,
)
from django_vzaps.services import batches
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import StaffWith, browser_of, page, said, text_of
from tests.admin.rows import listing


@pytest.fixture
def _no_worker(fake_vzaps: FakeVZaps, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for waits until the test carries it out."""
    settings.VZAPS["TASKS"] = "celery"
    monkeypatch.setattr(broker, "send", lambda *_args, **_options: True)


@pytest.fixture
def three(account: Account, fake_vzaps: FakeVZaps) -> list[Instance]:
    for name in ("A", "B", "C"):
        remote = fake_vzaps.add_instance(name=name)
        Instance.objects.create(account=account, vzaps_id=remote.id, name=name)
    return list(Instance.objects.order_by("name"))


@pytest.fixture
def _only_a(settings: Any) -> Iterator[None]:
    def scope(user: User, instances: QuerySet[Instance]) -> QuerySet[Instance]:
        return instances if user.username == "operator" else instances.filter(name="A")

    settings.VZAPS["INSTANCE_SCOPE"] = scope
    yield
    del settings.VZAPS["INSTANCE_SCOPE"]


def restart(actor: User) -> Batch:
    return batches.start(BatchKind.RESTART, Instance.objects.order_by("name"), actor=actor)


def refuse(fake: FakeVZaps, instance: Instance, **how: Any) -> None:
    vzaps_id = instance.vzaps_id
    fake.faults.add(
        lambda request: request.route == "restart" and request.instance_id == vzaps_id, **{"status": 403, **how}
    )


def make(actor: User, account: Account, total: int, **columns: Any) -> Batch:
    """A batch with so many items, without asking anybody."""
    batch = Batch.objects.create(kind=BatchKind.RESTART, actor=actor, total=total, **columns)
    first = Instance.objects.count()
    made = Instance.objects.bulk_create(
        [
            Instance(account=account, vzaps_id=f"VZ{number}", name=f"N{number:04}")
            for number in range(first, first + total)
        ]
    )
    for instance in made:
        operation = Operation.objects.create(
            kind=OperationKind.RESTART, instance=instance, batch=batch, deadline=timezone.now()
        )
        BatchItem.objects.create(
            batch=batch, instance=instance, operation=operation, state=BatchItemState.FAILED, detail="No."
        )
    return batch


def test_the_page_says_what_became_of_each(
    three: list[Instance], operator: User, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    refuse(fake_vzaps, three[1])
    refuse(fake_vzaps, three[2], status=None, drop=True)
    batch = restart(operator)

    html = text_of(browser.get(page("batch_change", batch.pk)))

    assert "1 of 3 done, 1 failed, 1 unknown" in html
    assert '<progress id="vzaps-bar" max="3" value="3"' in html
    assert "VZaps refused" in html
    for instance in three:
        assert page("instance_change", instance.pk) in html
    for operation in Operation.objects.all():
        assert page("operation_change", operation.pk) in html
    assert "1 has an unknown outcome" in html
    assert "Retry 1 that failed" in html
    assert "finished, outcomes unknown" in html
    assert "noscript" not in html
    assert "data-open" not in html


def test_what_failed_is_retried_by_a_press(
    three: list[Instance], operator: User, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    refuse(fake_vzaps, three[1])
    batch = restart(operator)

    response = browser.post(page("batch_retry", batch.pk))

    again = Batch.objects.latest("pk")
    assert response["Location"] == page("batch_change", again.pk)
    assert "1 of 1 done" in said(response)
    assert page("batch_change", batch.pk) in text_of(browser.get(page("batch_change", again.pk)))
    html = text_of(browser.get(page("batch_change", batch.pk)))
    assert "Retried in" in html
    assert "vzaps-retry" not in html
    assert "a second time" in said(browser.post(page("batch_retry", batch.pk)))
    assert Batch.objects.count() == 2
    assert "nothing to do" in said(browser.post(page("batch_retry", again.pk)))


@pytest.mark.usefixtures("_no_worker")
def test_the_page_keeps_itself_up_to_date_until_the_end(
    three: list[Instance], operator: User, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    batch = restart(operator)
    html = browser.get(page("batch_change", batch.pk)).content.decode()
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in html
    assert "data-open" in html
    assert "waits for a worker" in html
    batches.run(batch.pk, seconds=0)

    response = browser.get(page("batch_progress", batch.pk))

    assert "no-store" in response["Cache-Control"]
    answer = response.json()
    assert (answer["finished"], answer["total"], answer["ended"]) == (False, 3, 1)
    assert answer["words"] == "1 of 3 done"
    assert "vzaps-stop" in answer["parts"]["buttons"]
    first, second, _third = answer["rows"].values()
    assert "succeeded" in first
    assert "waiting" in second
    assert browser.post(page("batch_progress", batch.pk)).status_code == 405
    batches.run(batch.pk)
    answer = browser.get(page("batch_progress", batch.pk)).json()
    assert answer["finished"] is True
    assert answer["parts"]["buttons"].strip() == ""


@pytest.mark.usefixtures("_no_worker")
def test_a_batch_is_stopped_by_a_press(
    three: list[Instance], operator: User, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    batch = restart(operator)
    batches.run(batch.pk, seconds=0)
    assert "vzaps-stop" in text_of(browser.get(page("batch_change", batch.pk)))

    assert "Stopped: 2 were still waiting" in said(browser.post(page("batch_stop", batch.pk)))

    assert "nothing to stop" in said(browser.post(page("batch_stop", batch.pk)))
    html = text_of(browser.get(page("batch_change", batch.pk)))
    assert "1 of 3 done, 2 stopped" in html
    assert "Retry the 2 that failed or were stopped" in html
    assert len(fake_vzaps.calls_to("restart")) == 1


@pytest.mark.usefixtures("_no_worker")
def test_where_no_worker_comes_the_page_says_what_to_do(three: list[Instance], operator: User, browser: Client) -> None:
    batch = restart(operator)
    assert "vzaps_batches" not in text_of(browser.get(page("batch_change", batch.pk)))
    Batch.objects.update(created_at=timezone.now() - timedelta(minutes=5))
    assert "manage.py vzaps_batches" in text_of(browser.get(page("batch_change", batch.pk)))
    Batch.objects.update(lease_holder="somebody", lease_until=timezone.now() + timedelta(minutes=1))
    html = text_of(browser.get(page("batch_change", batch.pk)))
    assert "vzaps_batches" not in html
    assert "running" in html


def test_items_are_filtered_by_state_and_paged(operator: User, account: Account, browser: Client) -> None:
    batch = make(operator, account, 120)
    BatchItem.objects.filter(pk=batch.items.order_by("-pk")[0].pk).update(state="succeeded")
    url = page("batch_change", batch.pk)
    first, second, failed, none = (
        text_of(browser.get(url, query))
        for query in ({}, {"p": "2"}, {"state": "failed", "p": "2"}, {"state": "unknown"})
    )
    assert first.count("data-item") == 100
    assert "Page 1 of 2" in first
    assert "Failed (119)" in first
    assert second.count("data-item") == 20
    assert failed.count("data-item") == 19
    assert "?state=failed&p=1" in failed
    assert "None in this state." in none
    assert text_of(browser.get(url, {"state": "nonsense", "p": "x"})).count("data-item") == 100


def test_as_many_queries_for_many_as_for_few(operator: User, account: Account, browser: Client) -> None:
    def queries(url: str) -> int:
        browser.get(url)
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(url).status_code == 200
        return len(captured)

    batch = make(operator, account, 2)
    urls = [page("batch_change", batch.pk), page("batch_progress", batch.pk)]
    few, few_in_list = [queries(url) for url in urls], queries(page("batch_changelist"))
    for _ in range(3):
        batch = make(operator, account, 20, finished_at=timezone.now(), counts={"failed": 20})
        batch = make(operator, account, 20)
    urls = [page("batch_change", batch.pk), page("batch_progress", batch.pk)]
    assert [queries(url) for url in urls] == few
    assert queries(page("batch_changelist")) == few_in_list <= 7


def test_the_list_says_how_far_each_is(
    three: list[Instance], operator: User, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    refuse(fake_vzaps, three[1])
    failed = restart(operator)
    good = restart(operator)
    waiting = Batch.objects.create(kind="something newer", by_system=True, total=1)
    BatchItem.objects.create(batch=waiting, instance=three[0], state="something newer")
    html = text_of(browser.get(page("batch_changelist")))
    for words in ("2 of 3 done, 1 failed", "3 of 3 done", "finished, with failures", "0 of 1 done", "the system"):
        assert words in html
    assert text_of(browser.get(page("batch_change", waiting.pk))).count("data-item") == 1

    def listed(**query: str) -> list[Batch]:
        return list(listing(browser, "batch", **query).result_list)

    assert listed(state="failed") == [failed]
    assert listed(state="open") == [waiting]
    assert listed(state="unknown") == []
    assert listed(kind="restart") == [good, failed]


def test_one_sees_ones_own_and_with_the_permission_those_of_others(
    three: list[Instance], operator: User, staff_with: StaffWith
) -> None:
    batch = restart(operator)
    nobody, restarter, looker = staff_with(), staff_with("restart_instance"), staff_with("view_batch")
    for name in ("change", "progress"):
        assert nobody.get(page(f"batch_{name}", batch.pk)).status_code == 403
        assert restarter.get(page(f"batch_{name}", batch.pk)).status_code == 404
        assert looker.get(page(f"batch_{name}", batch.pk)).status_code == 200
    assert nobody.get(page("batch_changelist")).status_code == 403
    assert list(restarter.get(page("batch_changelist")).context["cl"].result_list) == []
    assert list(looker.get(page("batch_changelist")).context["cl"].result_list) == [batch]
    mine = restart(User.objects.get(pk=int(restarter.session["_auth_user_id"])))
    assert list(restarter.get(page("batch_changelist")).context["cl"].result_list) == [mine]
    html = text_of(restarter.get(page("batch_change", mine.pk)))
    # Neither instances nor operations may be looked at.
    assert page("instance_change", three[0].pk) not in html
    assert "operation/" not in html


@pytest.mark.usefixtures("_no_worker")
def test_retrying_and_stopping_need_the_permission_of_the_kind(
    three: list[Instance], operator: User, staff_with: StaffWith
) -> None:
    batch = restart(operator)
    looker = staff_with("view_batch", "delete_instance")
    html = text_of(looker.get(page("batch_change", batch.pk)))
    assert "vzaps-stop" not in html
    for name in ("stop", "retry"):
        assert looker.post(page(f"batch_{name}", batch.pk)).status_code == 403
    allowed = staff_with("view_batch", "restart_instance")
    assert "vzaps-stop" in text_of(allowed.get(page("batch_change", batch.pk)))
    for name in ("stop", "retry"):
        assert allowed.get(page(f"batch_{name}", batch.pk)).status_code == 405
        assert staff_with("restart_instance").post(page(f"batch_{name}", batch.pk)).status_code == 404
        assert Client().post(page(f"batch_{name}", batch.pk)).status_code == 302
    assert allowed.post(page("batch_stop", batch.pk)).status_code == 302
    assert set(batch.items.values_list("state", flat=True)) == {"stopped"}


def test_every_change_wants_a_csrf_token(three: list[Instance], operator: User, fake_vzaps: FakeVZaps) -> None:
    refuse(fake_vzaps, three[0])
    batch = restart(operator)
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    for name in ("stop", "retry"):
        assert client.post(page(f"batch_{name}", batch.pk)).status_code == 403


@pytest.mark.usefixtures("_only_a")
def test_of_others_batches_one_sees_what_is_in_scope(
    three: list[Instance], operator: User, browser: Client, staff_with: StaffWith
) -> None:
    batch = restart(operator)
    outside = batches.start(BatchKind.RESTART, [three[1].pk], actor=operator)
    accounts = batches.start(BatchKind.SYNC_ACCOUNT, Account.objects.all(), actor=operator)
    looker = staff_with("view_batch", "view_instance")
    html = text_of(looker.get(page("batch_change", batch.pk)))
    assert html.count("data-item") == 1
    assert "1 of 1 done" in html
    assert page("instance_change", three[1].pk) not in html
    assert looker.get(page("batch_change", outside.pk)).status_code == 404
    assert looker.get(page("batch_change", accounts.pk)).status_code == 404
    answer = looker.get(page("batch_changelist"))
    assert list(answer.context["cl"].result_list) == [batch]
    assert "1 of 1 done" in text_of(answer)
    assert "3 of 3 done" in text_of(browser.get(page("batch_changelist")))
    bookkeeper = staff_with("view_batch", "view_account")
    assert bookkeeper.get(page("batch_change", accounts.pk)).status_code == 200


def test_what_comes_from_outside_stays_words(operator: User, account: Account, browser: Client) -> None:
    evil = "<script>alert(1)</script>\u202e"
    batch = make(operator, account, 1)
    Instance.objects.update(name=evil + "x" * 200)
    BatchItem.objects.update(detail=evil + "y" * 10_000)
    User.objects.update(username=evil)
    for response in (browser.get(page("batch_change", batch.pk)), browser.get(page("batch_changelist"))):
        assert "<script>alert" not in response.content.decode()
    answer = browser.get(page("batch_progress", batch.pk)).json()
    for part in [*answer["rows"].values(), *answer["parts"].values()]:
        assert "<script>alert" not in part
    assert "<bdi>&lt;script&gt;" in answer["rows"][str(batch.items.get().pk)]


def test_numbers_are_numbers_where_thousands_are_parted(
    operator: User, account: Account, browser: Client, settings: Any
) -> None:
    settings.USE_THOUSAND_SEPARATOR = True
    batch = make(operator, account, 1, pk=4711, finished_at=timezone.now(), counts={"succeeded": 1200})
    html = text_of(browser.get(page("batch_change", batch.pk)))
    assert 'max="1200" value="1200"' in html
    assert "/4,711/" not in html
    assert not re.search(r'data-item="[^"]*,', html)


def test_a_batch_of_somebody_who_is_gone_says_so(three: list[Instance], browser: Client) -> None:
    other = User.objects.create_superuser("other")
    batch = restart(other)
    other.delete()
    html = text_of(browser.get(page("batch_change", batch.pk)))
    assert "somebody who is no longer a user" in html


def test_what_was_asked_for_is_said(three: list[Instance], operator: User, browser: Client) -> None:
    given = {"overwrite": True, "events": ["Message"]}
    batch = batches.start(BatchKind.SET_WEBHOOK, [three[0].pk], actor=operator, parameters=given)
    html = text_of(browser.get(page("batch_change", batch.pk)))
    assert "Events: Message. Webhooks that this site did not set are overwritten." in html
    batch = batches.start(BatchKind.DELETE, [three[0].pk], actor=operator, parameters={"despite_subscription": True})
    assert "Despite subscriptions." in text_of(browser.get(page("batch_change", batch.pk)))


@pytest.mark.parametrize("pk", ["4711", "x", "9" * 40])
def test_there_is_no_such_batch(pk: str, browser: Client) -> None:
    assert browser.get(f"/admin/django_vzaps/batch/{pk}/change/").status_code == 404


def test_a_batch_is_nothing_to_edit(three: list[Instance], operator: User, browser: Client) -> None:
    batch = restart(operator)
    assert browser.post(page("batch_change", batch.pk)).status_code == 405
    assert browser.get(page("batch_add")).status_code == 403
    assert browser.post(page("batch_delete", batch.pk)).status_code == 403


def test_unknown_operations_are_pointed_at(
    three: list[Instance], operator: User, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    refuse(fake_vzaps, three[0], status=None, drop=True)
    batch = restart(operator)
    html = text_of(browser.get(page("batch_change", batch.pk), {"state": "unknown"}))
    operation = Operation.objects.get(outcome=OperationOutcome.UNKNOWN)
    assert html.count("data-item") == 1
    assert page("operation_change", operation.pk) in html
    assert browser_of(operator).get(page("operation_change", operation.pk)).status_code == 200
