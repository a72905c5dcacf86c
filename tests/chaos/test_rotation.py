"""A webhook gets new secrets while events arrive."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from threading import Event as Flag

import pytest
from django.utils import timezone

from django_vzaps.models import Event, Webhook
from django_vzaps.services import webhooks
from django_vzaps.testing import wait_until
from tests.chaos.conftest import NewSite
from tests.chaos.storm import deliver, message

pytestmark = [pytest.mark.redis, pytest.mark.postgres]

CLIENTS, ROTATIONS = 4, 5


def test_no_event_is_refused_while_secrets_rotate_and_an_old_url_dies(new_site: NewSite) -> None:
    site = new_site()
    (instance,) = site.add_instances(1)
    site.start(site.web)
    numbers, stop = count(), Flag()
    posted: list[list[tuple[str, int]]] = [[] for _ in range(CLIENTS)]

    def client(answers: list[tuple[str, int]]) -> None:
        while not stop.is_set():
            url = site.webhook(instance)
            answers.append((url, deliver(url, message(next(numbers)))))

    def everybody_was_told(url: str) -> bool:
        return all(any(known == url for known, _status in answers) for answers in posted)

    urls = [site.webhook(instance)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        working = [clients.submit(client, answers) for answers in posted]
        try:
            for number in range(ROTATIONS):
                assert wait_until(lambda: everybody_was_told(urls[-1]), 20)
                if number % 2:
                    site.manage("vzaps_rotate_secret", "--instance", instance.vzaps_id)
                else:
                    webhooks.rotate(instance, actor=None)
                urls.append(site.webhook(instance))
            assert wait_until(lambda: everybody_was_told(urls[-1]), 20)
        finally:
            stop.set()
    for work in working:
        work.result()

    answers = [answer for answers in posted for answer in answers]
    assert len(set(urls)) == ROTATIONS + 1
    assert {status for _url, status in answers} == {200}
    assert Event.objects.count() == len(answers)

    *dead, dying, present = urls
    assert {deliver(url, message(next(numbers))) for url in dead} == {404}
    assert deliver(dying, message(next(numbers))) == 200
    expiry = Webhook.objects.values_list("previous_secret_expires_at", flat=True).get()
    assert expiry is not None
    assert timedelta(minutes=9) < expiry - timezone.now() <= timedelta(minutes=10)
    Webhook.objects.update(previous_secret_expires_at=timezone.now())
    assert deliver(dying, message(next(numbers))) == 404
    assert deliver(present, message(next(numbers))) == 200
