"""The route table: which method and path lead to which handler, and which credential that takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from django_vzaps.testing.wire import Answer, Refusal, Request

if TYPE_CHECKING:
    from django_vzaps.testing.fake import FakeVZaps

Access = Literal["open", "owner", "owner or instance"]
"""Which credential a route takes: none, the owner's access token, or either that or the token pair (API.md 2.3)."""

Handler = Callable[["FakeVZaps", Request], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """One route. Its name is what :attr:`Call.route`, ``calls_to`` and ``faults.add`` know it by."""

    name: str
    method: str
    path: str
    access: Access
    handler: Handler

    def match(self, path: str) -> dict[str, str] | None:
        """The path's parameters, decoded; None where the path is not this route's."""
        wanted, given = self.path.split("/"), path.split("/")
        if len(wanted) != len(given):
            return None
        parameters: dict[str, str] = {}
        for part, value in zip(wanted, given, strict=True):
            if part.startswith("{"):
                if not value:
                    return None
                parameters[part[1:-1]] = unquote(value)
            elif part != value:
                return None
        return parameters


ROUTES: list[Route] = []


def route(name: str, method: str, path: str, access: Access = "owner or instance") -> Callable[[Handler], Handler]:
    """Put the decorated handler into the table. ``path`` holds parameters in braces."""

    def register(handler: Handler) -> Handler:
        ROUTES.append(Route(name, method, path, access, handler))
        return handler

    return register


def find(request: Request) -> Route:
    """The route of a request, whose name and parameters are filled in.

    Raises Refusal: 404 for a path that nothing serves, 405 for a method that this path does not take.
    """
    path_known = False
    for candidate in ROUTES:
        parameters = candidate.match(request.path)
        if parameters is None:
            continue
        path_known = True
        if candidate.method == request.method:
            request.route, request.parameters = candidate.name, parameters
            return candidate
    if path_known:
        raise Refusal(405, "method_not_allowed", f"{request.method} is not allowed here.")
    raise Refusal(404, "route_not_found", "The fake service has no such path.")
