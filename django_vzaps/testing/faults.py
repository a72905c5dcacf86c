"""What goes wrong on demand, in answers and in webhook deliveries."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from django_vzaps.testing.wire import Answer, Refusal, Request

Predicate = Callable[[Request], bool]


@dataclass(slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong; made by :meth:`Faults.add`."""

    applies: Predicate
    status: int | None
    retry_after: str | None
    delay: float
    drop: bool
    malformed: bool
    content_type: str | None
    body: bytes | None
    carried_out: bool
    times: int | None

    def spoil(self, answer: Answer) -> Answer:
        """The answer as this fault lets it through."""
        answer = replace(answer, headers=dict(answer.headers), delay=self.delay, dropped=self.drop)
        if self.status is not None:
            refusal = Refusal(self.status, f"http_{self.status}", f"The service answered with {self.status} on demand.")
            error = Answer.refusal(refusal)
            answer.status, answer.body = error.status, error.body
            answer.headers.update(error.headers)
        if self.retry_after is not None:
            answer.headers["Retry-After"] = self.retry_after
        if self.body is not None:
            answer.body = self.body
        if self.malformed:
            answer.body = (answer.body or json.dumps({"data": {}}).encode())[:-1]
        if self.content_type is not None:
            answer.headers["Content-Type"] = self.content_type
        return answer


class Faults:
    """The faults that wait for a request, first come first served."""

    def __init__(self, routes: Callable[[], frozenset[str]]) -> None:
        self._routes = routes
        self._waiting: list[Fault] = []
        self.webhooks = WebhookFaults()

    def add(
        self,
        route: str | Predicate,
        *,
        status: int | None = None,
        retry_after: float | str | None = None,
        delay: float = 0.0,
        drop: bool = False,
        malformed: bool = False,
        content_type: str | None = None,
        body: bytes | None = None,
        carried_out: bool | None = None,
        times: int | None = 1,
    ) -> None:
        """Spoil the next ``times`` (None: all) requests of a route, or those that a predicate picks.

        ``status`` answers with that error, with a ``Retry-After`` header if given (seconds or an HTTP date). ``delay``
        holds the answer back for so many seconds: really in the HTTP mount, and in the ``responses`` mount as a read
        timeout where the caller would not have waited. ``drop`` closes the connection without an answer.
        ``malformed`` cuts the JSON short; ``content_type`` and ``body`` replace those of the answer.

        ``carried_out`` says whether the service did what was asked before it failed. By default an error ``status``
        changes nothing, and everything else happens after the change was made.

        Raises ValueError for a route name that does not exist.
        """
        if isinstance(route, str):
            if route not in self._routes():
                raise ValueError(f"No route is called {route!r}. There are: {', '.join(sorted(self._routes()))}.")
            applies = _on_route(route)
        else:
            applies = route
        self._waiting.append(
            Fault(
                applies=applies,
                status=status,
                retry_after=None if retry_after is None else f"{retry_after}",
                delay=delay,
                drop=drop,
                malformed=malformed,
                content_type=content_type,
                body=body,
                carried_out=status is None if carried_out is None else carried_out,
                times=times,
            )
        )

    def clear(self) -> None:
        """Forget every fault that still waits, of answers and of webhooks."""
        self._waiting.clear()
        self.webhooks = WebhookFaults()

    def take(self, request: Request) -> Fault | None:
        """The fault this request runs into, if any."""
        for fault in self._waiting:
            if fault.applies(request):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._waiting.remove(fault)
                return fault
        return None


def _on_route(name: str) -> Predicate:
    return lambda request: request.route == name


class WebhookFaults:
    """What happens to the next deliveries. They are lost first, then delayed, then duplicated, then reordered."""

    def __init__(self) -> None:
        self.lost = 0
        self.lost_logged = True
        self.delayed = 0
        self.delay_seconds = 0.0
        self.duplicated = 0
        self.copies = 2
        self.reordered = 0

    def lose(self, times: int = 1, *, logged: bool = True) -> None:
        """The next ``times`` deliveries never arrive. ``logged``: the delivery log knows that they failed."""
        self.lost, self.lost_logged = times, logged

    def delay(self, seconds: float, times: int = 1) -> None:
        """The next ``times`` deliveries leave ``seconds`` later by the fake's clock, overtaken by what follows."""
        self.delay_seconds, self.delayed = seconds, times

    def duplicate(self, copies: int = 2, times: int = 1) -> None:
        """Each of the next ``times`` deliveries arrives ``copies`` times."""
        self.copies, self.duplicated = copies, times

    def reorder(self, count: int = 2) -> None:
        """The next ``count`` deliveries are held until all are there, then leave last first."""
        self.reordered = count
