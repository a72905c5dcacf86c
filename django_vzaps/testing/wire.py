"""What goes over the wire: a request as the fake sees it, and the answer it gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django_vzaps.testing.state import FakeAccount


class Refusal(Exception):
    """The fake answers with an error. VZaps documents no error schema; the keys are those SDKs read (API.md 16)."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(slots=True, kw_only=True)
class Request:
    """One request, with what the route table found out about it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    route: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    caller: FakeAccount | None = None

    @classmethod
    def read(cls, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Request:
        """Read a request whose ``target`` is a path, with or without a query. Header names lose their case."""
        parts = urlsplit(target)
        return cls(
            method=method.upper(),
            path=parts.path,
            query=dict(parse_qsl(parts.query)),
            headers={name.lower(): value for name, value in headers.items()},
            body=body,
        )

    @property
    def instance_id(self) -> str:
        """The instance the request is about, from its path or from the body of ``instances/get``; or empty."""
        if "id" in self.parameters:
            return self.parameters["id"]
        return str(self.data.get("id", "")) if self.route == "get" else ""

    @property
    def data(self) -> dict[str, Any]:
        """The body as a JSON object; empty where it is anything else."""
        try:
            data = json.loads(self.body)
        except ValueError:
            return {}
        return data if isinstance(data, dict) else {}

    def json(self) -> dict[str, Any]:
        """The body, which has to be a JSON object."""
        try:
            data = json.loads(self.body)
        except ValueError:
            raise Refusal(400, "invalid_json", "The body is not valid JSON.") from None
        if not isinstance(data, dict):
            raise Refusal(400, "invalid_body", "The body must be a JSON object.")
        return data


@dataclass(slots=True, kw_only=True)
class Answer:
    """One answer. ``delay`` (seconds) and ``dropped`` are for the mount: the core neither sleeps nor hangs up."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    dropped: bool = False

    @classmethod
    def json(cls, data: Any, status: int = 200) -> Answer:
        """An answer whose body is ``data`` as JSON."""
        return cls(status=status, headers={"Content-Type": "application/json"}, body=json.dumps(data).encode())

    @classmethod
    def html(cls, page: str, status: int = 200) -> Answer:
        """An answer that is a page for people."""
        return cls(status=status, headers={"Content-Type": "text/html; charset=utf-8"}, body=page.encode())

    @classmethod
    def redirect(cls, location: str) -> Answer:
        """Send a browser elsewhere after a form was posted."""
        return cls(status=303, headers={"Location": location})

    @classmethod
    def refusal(cls, refusal: Refusal) -> Answer:
        """The answer that a refusal becomes."""
        body = {"error": refusal.message, "code": refusal.code, "message": refusal.message}
        return cls.json(body, refusal.status)
