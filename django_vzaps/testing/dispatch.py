"""From a request to its answer: route, credentials, faults, handler, record."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from django_vzaps.testing.routes import find
from django_vzaps.testing.routes.tokens import authorize
from django_vzaps.testing.state import Call
from django_vzaps.testing.wire import Answer, Refusal, Request

if TYPE_CHECKING:
    from django_vzaps.testing.fake import FakeVZaps


def answer_to(fake: FakeVZaps, request: Request) -> Answer:
    """Answer a request and record it. Called with the fake's lock held."""
    request_id = f"req_{secrets.token_hex(8)}"
    carried_out = False
    try:
        route = find(request)
    except Refusal as refusal:
        answer, fault = Answer.refusal(refusal), None
    else:
        fault = fake.faults.take(request)
        if fault and not fault.carried_out:
            answer = Answer.json({})
        else:
            try:
                authorize(fake, request, route)
                answer = _enveloped(fake, route.handler(fake, request))
                carried_out = True
            except Refusal as refusal:
                answer = Answer.refusal(refusal)
    if fault:
        answer = fault.spoil(answer)
    answer.headers["X-Request-Id"] = request_id
    fake.calls.append(
        Call(
            method=request.method,
            path=request.path,
            route=request.route,
            instance_id=request.instance_id,
            status=None if answer.dropped else answer.status,
            carried_out=carried_out,
            body=(request.data or None) if request.route != "token" else None,
            request_id=request_id,
            at=fake.clock(),
        )
    )
    return answer


def _enveloped(fake: FakeVZaps, answer: Answer) -> Answer:
    if fake.variants.envelope == "documented" or not answer.body:
        return answer
    data = json.loads(answer.body)
    is_enveloped = {"code", "success", "data"} <= data.keys()
    if fake.variants.envelope == "always" and not is_enveloped:
        return Answer.json({"code": answer.status, "success": True, "data": data}, answer.status)
    if fake.variants.envelope == "never" and is_enveloped:
        return Answer.json(data["data"], answer.status)
    return answer
