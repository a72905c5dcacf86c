"""A button that is pressed twice: what was sent once is not sent again, and the answer says so."""

from __future__ import annotations

import pytest
from django.test import Client

from django_vzaps.models import Instance, Operation, OperationOutcome, Webhook
from django_vzaps.services import webhooks
from django_vzaps.testing import FakeVZaps
from tests.admin.conftest import page, said


def form_of(browser: Client, url: str) -> dict[str, object]:
    """What a browser would send from the page, as it is."""
    form = browser.get(url).context["form"]
    return {"idempotency_key": form["idempotency_key"].value(), "events": ["Message"]}


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("restart", "restart"),
        ("disconnect", "disconnect"),
        ("delete", "delete"),
        ("rotate", "webhook_set"),
        ("webhook", "webhook_set"),
    ],
)
def test_it_is_sent_once(name: str, call: str, instance: Instance, browser: Client, fake_vzaps: FakeVZaps) -> None:
    webhooks.set(instance, actor=None)
    url = page(f"instance_{name}", instance.pk)
    form = form_of(browser, url)
    fake_vzaps.calls.clear()
    before = Webhook.objects.get()

    answers = [browser.post(url, form) for _ in range(2)]

    assert len(fake_vzaps.calls_to(call)) == 1
    assert Operation.objects.filter(idempotency_key=form["idempotency_key"]).count() == 1
    assert {answer["Location"] for answer in answers} == {page("instance_change", instance.pk)}
    if call == "webhook_set":  # The secret that VZaps had until now lives on beside the new one.
        assert Webhook.objects.get().previous_secret_hash == before.secret_hash


@pytest.mark.parametrize("name", ["restart", "disconnect", "delete", "rotate", "webhook"])
def test_each_page_has_a_key_of_its_own(name: str, instance: Instance, browser: Client) -> None:
    url = page(f"instance_{name}", instance.pk)
    keys = {form_of(browser, url)["idempotency_key"] for _ in range(2)}
    assert len(keys - {None}) == 2
    assert 'name="idempotency_key"' in browser.get(url).content.decode()


@pytest.mark.parametrize("name", ["restart", "disconnect", "delete", "rotate", "webhook"])
def test_while_the_first_click_is_under_way_the_second_says_so(
    name: str, instance: Instance, browser: Client, fake_vzaps: FakeVZaps
) -> None:
    webhooks.set(instance, actor=None)
    url = page(f"instance_{name}", instance.pk)
    form = form_of(browser, url)
    browser.post(url, form)
    Operation.objects.filter(idempotency_key=form["idempotency_key"]).update(outcome=OperationOutcome.RUNNING)
    Instance.objects.update(removed_at=None)
    fake_vzaps.calls.clear()

    answer = browser.post(url, form)

    assert fake_vzaps.calls == []
    assert "This was asked for before; nothing was sent a second time. Its outcome: running." in said(answer)
