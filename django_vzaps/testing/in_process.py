"""The ``responses`` mount: the fake answers what ``requests`` asks in this process, without a socket."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests
import responses

from django_vzaps.testing.deliveries import RECEIVER_TIMEOUT, post

if TYPE_CHECKING:
    from django_vzaps.testing.fake import FakeVZaps

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


@contextmanager
def mount(fake: FakeVZaps, base_url: str) -> Iterator[responses.RequestsMock]:
    """Have the fake answer below ``base_url`` until the block ends."""
    before = fake.base_url, fake.deliver
    fake.base_url = base_url.rstrip("/")
    if fake.deliver is post:
        fake.deliver = _post_with_requests
    below = re.compile(re.escape(fake.base_url) + r"(/.*)?$")

    def callback(request: Any) -> tuple[int, dict[str, str], bytes] | Exception:
        body = request.body or b""
        content = body.encode() if isinstance(body, str) else bytes(body)
        target = request.url.removeprefix(fake.base_url)
        answer = fake.handle(request.method, target, request.headers, content)
        if answer.dropped:
            return requests.ConnectionError("The connection was closed without an answer.")
        if answer.delay > _patience(request):
            return requests.ReadTimeout("The answer did not come in time.")
        return answer.status, answer.headers, answer.body

    try:
        with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
            for method in METHODS:
                mock.add_callback(method, below, callback=callback, content_type=None)
            yield mock
    finally:
        fake.base_url, fake.deliver = before


def _patience(request: Any) -> float:
    timeout = request.req_kwargs.get("timeout")
    read = timeout[1] if isinstance(timeout, tuple) else timeout
    return float("inf") if read is None else float(read)


def _post_with_requests(url: str, body: bytes, headers: dict[str, str]) -> int:
    answer = requests.post(url, data=body, headers=headers, timeout=RECEIVER_TIMEOUT, allow_redirects=False)
    return answer.status_code
