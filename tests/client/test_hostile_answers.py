"""Whatever VZaps answers, a call gives a result or raises VZapsError: nothing else, and in bounded time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import responses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_vzaps.client import VZapsClient, VZapsError

from .conftest import BASE, make_client

NAMES = """
    id token webhook events_subscribe events subscribe name labels connected connected_at created_at cancel_at status
    billing_status content page size total total_pages summary success data code message error errors detail url mode
    qr_code QRCode LinkingCode pairing_status phone message_id payload attempts business_profile categories
    profile_options access_token expires_in
""".split()  # noqa: SIM905 - as a list it is longer than the test
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(
        ["2026-05-02T08:30:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "1" * 400, "²"]
    )
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=8),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=len(NAMES))
ENVELOPES = st.fixed_dictionaries({"success": st.booleans(), "data": JSON | OBJECTS})
BODIES = (JSON | OBJECTS | ENVELOPES).map(json.dumps).map(str.encode) | st.binary(max_size=64)
CALLS: list[Callable[[VZapsClient], Any]] = [
    lambda c: c.auth.get_access_token(),
    lambda c: c.instances.create(name="Desk"),
    lambda c: c.instances.list(),
    lambda c: c.instances.get("VZ1"),
    lambda c: c.instances.restart("VZ1"),
    lambda c: c.instances.delete("VZ1"),
    lambda c: c.instances.subscribe("VZ1", {}),
    lambda c: c.instances.cancel("VZ1"),
    lambda c: c.sessions.status("VZ1"),
    lambda c: c.sessions.qr("VZ1"),
    lambda c: c.sessions.pair_code("VZ1", "55"),
    lambda c: c.webhooks.get("VZ1"),
    lambda c: c.webhooks.set(instance_id="VZ1", webhook_url="https://h/x"),
    lambda c: c.webhooks.search_logs(instance_id="VZ1"),
    lambda c: c.webhooks.get_log(instance_id="VZ1", log_id="L1"),
    lambda c: c.messages.send_text(instance_id="VZ1", phone="55", message="hi"),
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=BODIES, status=st.sampled_from([200, 200, 200, 201, 204, 302, 400, 422, 500]), call=st.sampled_from(CALLS))
def test_any_answer_is_read_or_refused(body: bytes, status: int, call: Callable[[VZapsClient], Any]) -> None:
    def reply(request: Any) -> tuple[int, dict[str, str], bytes]:
        if str(request.url).endswith("/token") and call is not CALLS[0]:
            return 200, {}, b'{"access_token": "jwt", "expires_in": 3600}'
        return status, {}, body

    with responses.RequestsMock() as wire:
        for method in ("GET", "POST", "PUT", "DELETE"):
            wire.add_callback(method, re.compile(f"{BASE}/.*"), reply)
        wire.assert_all_requests_are_fired = False
        try:
            result = call(make_client(retries=0))
        except VZapsError as error:
            str(error).encode()
        else:
            repr(result)


@pytest.mark.parametrize("depth", [100, 400, 900, 5_000])
@pytest.mark.parametrize("status", [200, 422])
def test_deep_nesting(client: VZapsClient, wire: responses.RequestsMock, depth: int, status: int) -> None:
    body = b'{"id": "VZ1", "x": ' + b"[" * depth + b"]" * depth + b"}"
    wire.post(f"{BASE}/instances/get", status=status, body=body)
    with suppress(VZapsError):
        assert client.instances.get("VZ1").id == "VZ1"
