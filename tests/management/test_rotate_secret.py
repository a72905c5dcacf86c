from __future__ import annotations

from typing import Any

import pytest

from django_vzaps.models import Account, Instance, Operation, OperationKind
from django_vzaps.services import sync, webhooks
from django_vzaps.testing import FakeVZaps
from tests.management.conftest import Run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def managed(fake_vzaps: FakeVZaps, account: Account) -> list[Instance]:
    """Two instances whose webhook this site has set, beside one with somebody else's and one that is gone."""
    for name in ("Front desk", "Sales", "Gone"):
        fake_vzaps.add_instance(name=name)
    fake_vzaps.add_instance(name="CRM", webhook="https://crm.example.org/in", events=["Message"])
    sync.sync_account(account)
    for instance in Instance.objects.exclude(name="CRM"):
        webhooks.set(instance, actor=None)
    Instance.objects.filter(name="Gone").update(removed_at="2026-01-01T00:00:00Z")
    fake_vzaps.calls.clear()
    return list(Instance.objects.filter(name__in=["Front desk", "Sales"]).order_by("pk"))


def urls(fake: FakeVZaps, instances: list[Instance]) -> list[str]:
    return [fake.instances[instance.vzaps_id].webhook for instance in instances]


def answers(monkeypatch: pytest.MonkeyPatch, answer: str) -> list[str]:
    """A person types ``answer``; holds the questions asked."""
    asked: list[str] = []

    def typed(question: str) -> str:
        asked.append(question)
        if not answer:
            raise EOFError
        return answer

    monkeypatch.setattr("builtins.input", typed)
    return asked


def test_all_that_this_site_manages_and_no_other(fake_vzaps: FakeVZaps, managed: list[Instance], run: Run) -> None:
    before = urls(fake_vzaps, managed)

    said = run("vzaps_rotate_secret", "--all", "--no-input")

    assert not said.failure
    assert f"[1/2] {managed[0].vzaps_id} {managed[0].name}: VZaps has the new URL." in said.out
    assert f"[2/2] {managed[1].vzaps_id} {managed[1].name}: VZaps has the new URL." in said.out
    assert "left alone: 1." in said.out
    after = urls(fake_vzaps, managed)
    assert not {*before} & {*after}
    assert len(fake_vzaps.calls_to("webhook_set")) == 2
    for url in (*before, *after):
        assert url.rpartition("/")[2] not in said.out + said.err
        assert "hooks.example.test" not in said.out + said.err


def test_one_instance_needs_no_confirmation(
    fake_vzaps: FakeVZaps, managed: list[Instance], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answers(monkeypatch, "no")
    kept = urls(fake_vzaps, managed)[1]

    said = run("vzaps_rotate_secret", "--instance", managed[0].vzaps_id)

    assert (said.failure, asked) == ("", [])
    assert [call.instance_id for call in fake_vzaps.calls_to("webhook_set")] == [managed[0].vzaps_id]
    assert urls(fake_vzaps, managed)[1] == kept
    operation = Operation.objects.latest("pk")
    assert (operation.kind, operation.parameters["rotate"]) == (OperationKind.SET_WEBHOOK, True)


@pytest.mark.parametrize(("answer", "sent"), [("yes", 2), ("no", 0), ("", 0)])
def test_all_asks_first(
    answer: str,
    sent: int,
    fake_vzaps: FakeVZaps,
    managed: list[Instance],
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = answers(monkeypatch, answer)

    said = run("vzaps_rotate_secret", "--all")

    assert "2 instances" in asked[0]
    assert len(fake_vzaps.calls_to("webhook_set")) == sent
    assert ("Nothing was sent." in said.failure) == (not sent)


def test_one_that_fails_does_not_keep_the_others_back(fake_vzaps: FakeVZaps, managed: list[Instance], run: Run) -> None:
    fake_vzaps.faults.add("webhook_set", status=400)

    said = run("vzaps_rotate_secret", "--all", "--no-input")

    assert f"[1/2] {managed[0].vzaps_id} {managed[0].name}: VZaps did not accept the values." in said.err
    assert "[2/2]" in said.out
    assert said.failure == "1 of 2 secrets is not rotated, or was not seen to be."


def test_a_url_that_was_not_seen_is_no_success(fake_vzaps: FakeVZaps, managed: list[Instance], run: Run) -> None:
    fake_vzaps.faults.add("webhook_get", status=400)

    said = run("vzaps_rotate_secret", "--instance", managed[0].vzaps_id)

    assert "it could not be read back. Events to the old and to the new one are accepted" in said.err
    assert said.failure


def test_a_webhook_of_somebody_elses_is_refused_by_name(
    fake_vzaps: FakeVZaps, managed: list[Instance], run: Run
) -> None:
    said = run("vzaps_rotate_secret", "--instance", Instance.objects.get(name="CRM").vzaps_id)

    assert "This site did not set the webhook" in said.err
    assert said.failure
    assert not fake_vzaps.calls_to("webhook_set")


def test_an_unknown_instance_sends_nothing(fake_vzaps: FakeVZaps, managed: list[Instance], run: Run) -> None:
    said = run("vzaps_rotate_secret", "--instance", managed[0].vzaps_id, "--instance", "VZ0")

    assert "No such instance in the accounts looked at: VZ0." in said.failure
    assert not fake_vzaps.calls


def test_another_account_is_left_alone(fake_vzaps: FakeVZaps, managed: list[Instance], run: Run) -> None:
    Account.objects.create(name="branch", client_token="t", client_secret="s")

    said = run("vzaps_rotate_secret", "--all", "--account", "branch")

    assert "There is no webhook whose secret could be rotated." in said.out
    assert not said.failure
    assert not fake_vzaps.calls


def test_read_only_is_said_once(fake_vzaps: FakeVZaps, managed: list[Instance], run: Run, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "READ_ONLY": True}

    said = run("vzaps_rotate_secret", "--all", "--no-input")

    assert "VZAPS['READ_ONLY']" in said.failure
    assert not said.err
    assert not fake_vzaps.calls


def test_it_says_which(run: Run, account: Account) -> None:
    assert "one of the arguments --instance --all is required" in run("vzaps_rotate_secret").failure
