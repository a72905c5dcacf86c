"""The site's test of its own public URL: it gets in from outside, it lets in nothing else, and it says what it met."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import responses
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_vzaps import crypto
from django_vzaps.events import dispatch
from django_vzaps.models import Event, EventState, Instance, Operation, Webhook
from django_vzaps.services import NotConfigured, self_test
from django_vzaps.testing import FakeVZaps

BASE = "https://hooks.example.test"
Answer = tuple[int, dict[str, str], bytes]


class Outside:
    """What stands between the public URL and this site: without a word of the test's, nothing."""

    def __init__(self) -> None:
        self.seen: list[requests.PreparedRequest] = []
        self.answer: Answer | Exception | None = None
        self.carried: Callable[[bytes], bytes] = lambda body: body
        self.answer_after: Answer | Exception | None = None
        """What comes back in the place of this site's own answer."""

    def __call__(self, request: requests.PreparedRequest) -> Answer | Exception:
        self.seen.append(request)
        if self.answer is not None:
            return self.answer
        assert isinstance(request.body, bytes)
        answer = Client().post(
            urlsplit(str(request.url)).path, data=self.carried(request.body), content_type="application/json"
        )
        return self.answer_after or (answer.status_code, dict(answer.items()), answer.content)


@pytest.fixture
def outside() -> Iterator[Outside]:
    way = Outside()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for url in (f"{BASE}/vzaps/webhook/", "https://elsewhere.example.test/"):
            mock.add_callback("POST", re.compile(url), callback=way, content_type=None)
        yield way


@pytest.fixture
def instance(db: None, account: Any) -> Instance:
    instance = Instance.objects.create(account=account, vzaps_id="VZ1", name="Front desk")
    Webhook.objects.create(instance=instance)
    return instance


def word_of(request: requests.PreparedRequest) -> str:
    return urlsplit(str(request.url)).path.rpartition("/")[2]


def url_with(instance: Instance, word: str) -> str:
    return reverse("django_vzaps:webhook", kwargs={"public_id": instance.webhook.public_id, "secret": word})


def test_it_comes_in_and_ends_in_the_inbox(instance: Instance, outside: Outside) -> None:
    test = self_test.send(instance)
    event = Event.objects.get()
    assert test.is_ok
    assert (test.event_id, test.status) == (event.pk, 200)
    assert f"event #{event.pk}" in test.words
    assert f"{test.milliseconds} ms" in test.words
    assert (event.instance, event.type, event.state) == (instance, "VzapsTest", EventState.IGNORED)
    assert "Not from VZaps" in event.payload
    assert not Operation.objects.exists()


def test_no_handler_is_called_and_nobody_is_woken(
    instance: Instance, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[int] = []
    monkeypatch.setattr(dispatch, "wake", lambda instance_id, lane: woken.append(instance_id))
    assert self_test.send(instance).is_ok
    assert woken == []


def test_it_needs_no_webhook_that_is_set_and_leaves_one_as_it_is(
    fake_vzaps: FakeVZaps, account: Any, outside: Outside
) -> None:
    remote = fake_vzaps.add_instance(name="CRM", webhook="https://crm.example.org/in")
    instance = Instance.objects.create(account=account, vzaps_id=remote.id, name="CRM")
    assert self_test.send(instance).is_ok
    webhook = Webhook.objects.get()
    assert not webhook.is_managed
    assert webhook.secret_hash == ""
    assert fake_vzaps.calls == []


def test_the_secret_lives_on_beside_it(instance: Instance, outside: Outside) -> None:
    Webhook.objects.update(secret_hash="0" * 64)
    before = Webhook.objects.values().get()
    assert self_test.send(instance).is_ok
    assert Webhook.objects.values().get() == before


def test_a_word_is_good_for_its_own_body_only(instance: Instance, outside: Outside) -> None:
    self_test.send(instance)
    url, client = url_with(instance, word_of(outside.seen[0])), Client()
    forged = [b"", b"{}", b'{"type": "Message", "event": {"info": {"id": "1"}}}', b'{"type": "VzapsTest", "event": {}}']
    for body in forged:
        assert client.post(url, data=body, content_type="application/json").status_code == 400
    assert Event.objects.count() == 1
    assert client.post(url, data=outside.seen[0].body, content_type="application/json").status_code == 200
    assert Event.objects.get().duplicates == 1, "the same body again only counts"


def test_a_word_is_good_for_a_minute(instance: Instance, outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    self_test.send(instance)
    url, body = url_with(instance, word_of(outside.seen[0])), outside.seen[0].body
    later = timezone.now() + timedelta(seconds=self_test.SECONDS + 1)
    monkeypatch.setattr(time, "time", later.timestamp)
    assert Client().post(url, data=body, content_type="application/json").status_code == 404
    assert Event.objects.get().duplicates == 0


def test_a_word_is_good_for_one_webhook(instance: Instance, outside: Outside) -> None:
    self_test.send(instance)
    other = Instance.objects.create(account=instance.account, vzaps_id="VZ2", name="Other")
    Webhook.objects.create(instance=other)
    url = url_with(other, word_of(outside.seen[0]))
    assert Client().post(url, data=outside.seen[0].body, content_type="application/json").status_code == 404


def test_a_word_of_another_signer_is_refused(instance: Instance, outside: Outside, settings: Any) -> None:
    self_test.send(instance)
    settings.SECRET_KEY = "another-key"
    url = url_with(instance, word_of(outside.seen[0]))
    assert Client().post(url, data=outside.seen[0].body, content_type="application/json").status_code == 404


def test_it_goes_nowhere_but_to_the_public_url(instance: Instance, outside: Outside) -> None:
    outside.answer = 302, {"Location": "https://elsewhere.example.test/hooks/of/theirs"}, b""
    test = self_test.send(instance)
    assert [str(request.url).startswith(f"{BASE}/vzaps/webhook/") for request in outside.seen] == [True]
    assert not test.is_ok
    assert "a redirect to https://elsewhere.example.test." in test.words
    assert "of/theirs" not in test.words


SAID = b'{"status": "%s"}'


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((502, {}, b"<h1>Bad Gateway</h1>"), "Something answered 502, and it was not the receiver of this site"),
        ((404, {}, b"<h1>Not Found</h1>"), "Something answered 404, and it was not the receiver of this site"),
        ((404, {}, SAID % b"not found"), "leads to another site, or the processes of this one do not share"),
        ((200, {}, b"<html>It works!</html>"), "Something answered 200, and it was not the receiver"),
        ((200, {}, b"x" * 200_000), "Something answered 200, and it was not the receiver"),
        ((200, {}, SAID % b"ok"), "leads to one with another database"),
        ((503, {}, SAID % b"try again"), "the database did not take the event"),
        ((301, {"Location": "//[broken"}, b""), "a redirect to ?."),
        ((308, {"Location": "/vzaps/webhook/"}, b""), "a redirect to another path of its own."),
        (requests.ConnectionError("no route"), "The public URL could not be reached."),
        (requests.ReadTimeout("slow"), "did not answer in time"),
        (requests.ConnectTimeout("slow"), "did not answer in time"),
    ],
)
def test_what_it_meets_is_said(answer: Answer | Exception, words: str, instance: Instance, outside: Outside) -> None:
    outside.answer = answer
    test = self_test.send(instance)
    assert words in test.words
    assert not test.is_ok
    assert test.event_id is None
    assert word_of(outside.seen[0]) not in test.words


def test_an_event_that_was_changed_on_its_way_is_refused(instance: Instance, outside: Outside) -> None:
    outside.carried = lambda body: json.dumps({**json.loads(body), "added": "by a proxy"}).encode()
    assert "the event was changed on its way" in self_test.send(instance).words
    assert not Event.objects.exists()


def test_an_answer_that_got_lost_is_not_a_lost_event(instance: Instance, outside: Outside) -> None:
    outside.answer_after = 502, {}, b"<h1>Bad Gateway</h1>"
    test = self_test.send(instance)
    assert test.is_ok
    assert "the answer to it did not come back as it should" in test.words


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEBHOOK_ALLOWED_NETWORKS", ["203.0.113.0/24"]),
        ("WEBHOOK_VERIFIER", "tests.services.test_self_test.refuses"),
    ],
)
def test_the_receivers_other_doors_stay_shut(
    name: str, value: object, instance: Instance, outside: Outside, settings: Any
) -> None:
    settings.VZAPS = {**settings.VZAPS, name: value}
    test = self_test.send(instance)
    assert f"see {name} in VZAPS" in test.words
    assert not Event.objects.exists()


def refuses(request: object, body: bytes, webhook: Webhook) -> bool:
    return False


def test_without_a_public_url_there_is_nothing_to_test(instance: Instance, outside: Outside, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "WEBHOOK_BASE_URL": ""}
    with pytest.raises(NotConfigured):
        self_test.send(instance)
    assert outside.seen == []


@pytest.mark.parametrize("base", ["hooks.example.test", "https://", "nonsense://x"])
def test_an_address_that_is_none_is_said(base: str, instance: Instance, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "WEBHOOK_BASE_URL": base}
    test = self_test.send(instance)
    assert "could not be reached" in test.words
    assert "webhook/" not in test.words


def test_a_site_that_is_read_only_can_test_itself(instance: Instance, outside: Outside, settings: Any) -> None:
    settings.VZAPS = {**settings.VZAPS, "READ_ONLY": True}
    assert self_test.send(instance).is_ok


def test_the_time_is_limited(instance: Instance, outside: Outside) -> None:
    self_test.send(instance)
    assert outside.seen[0].req_kwargs["timeout"] == self_test.TIMEOUT  # type: ignore[attr-defined]
    assert sum(self_test.TIMEOUT) < 30


def test_an_ordinary_event_costs_no_more_for_it(
    fake_vzaps: FakeVZaps, instance: Instance, django_assert_num_queries: Any
) -> None:
    Webhook.objects.update(secret_hash=crypto.hash_secret("secret"))
    body = json.dumps({"type": "Message", "event": {"info": {"id": "1", "chat": "55@s.whatsapp.net"}}})
    Client().post(url_with(instance, "secret"), data=body, content_type="application/json")
    with django_assert_num_queries(2):
        Client().post(url_with(instance, "secret"), data=body, content_type="application/json")
