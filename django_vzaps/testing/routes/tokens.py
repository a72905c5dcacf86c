"""Access tokens, and who may do what (API.md section 2)."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from typing import TYPE_CHECKING

from django_vzaps.testing.routes.table import Route, route
from django_vzaps.testing.state import FakeAccount, FakeInstance
from django_vzaps.testing.wire import Answer, Refusal, Request

if TYPE_CHECKING:
    from django_vzaps.testing.fake import FakeVZaps


@route("token", "POST", "/token", "open")
def obtain(fake: FakeVZaps, request: Request) -> Answer:
    """Exchange an account's credentials for an access token."""
    body = request.json()
    client_token, client_secret = body.get("client_token"), body.get("client_secret")
    if not isinstance(client_token, str) or not isinstance(client_secret, str):
        raise Refusal(400, "validation_error", "client_token and client_secret are required.")
    account = fake.accounts.get(client_token)
    if account is None or not _same(account.client_secret, client_secret):
        raise Refusal(401, "invalid_credentials", "The client token or the client secret is wrong.")
    access_token = _access_token()
    fake.access_tokens[access_token] = (account, fake.clock() + fake.token_seconds)
    names = ("accessToken", "expiresIn") if fake.variants.camel_case_tokens else ("access_token", "expires_in")
    return Answer.json(dict(zip(names, (access_token, fake.token_seconds), strict=True)))


def _access_token() -> str:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    header = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    claims = part(json.dumps({"jti": secrets.token_hex(8)}).encode())
    return f"{header}.{claims}.{part(secrets.token_bytes(32))}"


def authorize(fake: FakeVZaps, request: Request, found: Route) -> None:
    """Refuse a request whose credentials do not allow it; put the caller's account where handlers look for it.

    An access token counts before a token pair; beside one, the pair's headers do no harm (API.md 17.16). An instance
    that is somebody else's is refused with 403, one that does not exist with 404.
    """
    if found.access == "open":
        return
    authorization = request.headers.get("authorization", "")
    if authorization:
        account = _account_of(fake, authorization)
    elif found.access == "owner":
        raise Refusal(401, "unauthorized", "An access token is required.")
    else:
        account = _account_of_pair(fake, request)
    request.caller = account
    if "id" in request.parameters:
        instance_of(fake, request)


def instance_of(fake: FakeVZaps, request: Request) -> FakeInstance:
    """The instance that a request names, if its caller may touch it."""
    instance = fake.instances.get(request.instance_id)
    if instance is None:
        raise Refusal(404, "instance_not_found", "There is no such instance.")
    if instance.account is not request.caller:
        raise Refusal(403, "forbidden", "Forbidden: the instance does not belong to the caller.")
    return instance


def _account_of(fake: FakeVZaps, authorization: str) -> FakeAccount:
    scheme, _, access_token = authorization.partition(" ")
    known = fake.access_tokens.get(access_token)
    if scheme != "Bearer" or known is None:
        raise Refusal(401, "invalid_token", "The access token is not valid.")
    account, expires_at = known
    if fake.clock() >= expires_at:
        raise Refusal(401, "token_expired", "The access token has expired.")
    return account


def _account_of_pair(fake: FakeVZaps, request: Request) -> FakeAccount:
    client_token = request.headers.get("x-client-token", "")
    instance_token = request.headers.get("x-instance-token", "")
    if not client_token or not instance_token:
        raise Refusal(401, "unauthorized", "An access token, or X-Instance-Token with X-Client-Token, is required.")
    account = fake.accounts.get(client_token)
    if account is None:
        raise Refusal(401, "invalid_token", "The client token is not valid.")
    instance = fake.instances.get(request.instance_id)
    if instance is not None and not _same(instance.token, instance_token):
        raise Refusal(403, "forbidden", "Forbidden: the instance token is not this instance's.")
    return account


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
