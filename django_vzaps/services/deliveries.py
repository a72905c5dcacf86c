"""VZaps' own record of the events it sent, as far as it can be read: its fields are not documented (API.md 5.3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_vzaps.client import (
    VZapsAnswerError,
    VZapsClient,
    VZapsError,
    VZapsNotFoundError,
    WebhookLog,
    WebhookLogPage,
)
from django_vzaps.logs import masked
from django_vzaps.models import Instance, Operation, OperationKind
from django_vzaps.models.fields import storable, storable_moment
from django_vzaps.services.attempts import Actor, carry_out, open_operation
from django_vzaps.services.clients import client_for, token_of
from django_vzaps.services.errors import ReadFailed, in_words

#: Pages of one look: a log without an end must not keep it going for ever.
MOST_PAGES: Final = 50

#: The one status to search for that is documented; empty searches for all.
FAILED: Final = "failed"

#: Words for deliveries that need nobody's help. Every other word, and none, counts as failed.
_NOT_FAILED: Final = frozenset(
    {"delivered", "success", "succeeded", "successful", "ok", "sent", "completed", "done"}
    | {"pending", "queued", "retrying", "processing", "200", "201", "204"}
)

#: A log of which only the list knows, or whose page makes no sense: no reason to leave the others.
_ONE_LOG: Final = (VZapsNotFoundError, VZapsAnswerError)

Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedLog:
    """A delivery that VZaps calls failed."""

    id: str
    failed_at: datetime | None
    payload: Any
    """What VZaps kept of the body, or None where the list did not show it: see :func:`body_of`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedPage:
    """A page of failed deliveries, and in words what of it could not be read."""

    logs: tuple[FailedLog, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A delivery as VZaps recorded it, to be shown: its texts are VZaps' own. ``None`` or empty: not told."""

    id: str
    at: datetime | None
    event_type: str
    status: str
    is_failed: bool
    attempts: int | None
    response_code: int | None
    error: str
    payload: Any = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryPage:
    """A page of the delivery log, and in words what of it could not be read."""

    number: int
    deliveries: tuple[Delivery, ...]
    total: int | None
    has_next: bool
    """Whether there is another page, or may be: VZaps need not say how many there are."""
    problems: tuple[str, ...] = ()


def search(instance: Instance, *, status: str = "", number: int = 1) -> DeliveryPage:
    """One page of the delivery log, newest first as far as VZaps keeps to that. Raises :class:`ReadFailed`.

    Only ``status`` :data:`FAILED` is documented; how to ask for a page is not (API.md section 5.3).
    """
    answer = _page(instance, number, status=status)
    size = answer.size or len(answer.content)
    is_guess = answer.total is None and answer.total_pages is None
    return DeliveryPage(
        number=number,
        deliveries=tuple(
            Delivery(
                id=storable(log.id, 128),
                at=storable_moment(log.created_at),
                event_type=storable(log.event_type, 64),
                status=storable(log.status, 64),
                is_failed=_is_failed(log),
                attempts=log.attempts,
                response_code=log.response_code,
                # VZaps' words may quote the path that it posted to.
                error=masked(storable(log.error, 500)),
                payload=log.payload,
            )
            for log in answer.content
        ),
        total=answer.total,
        has_next=bool(answer.content)
        and (is_guess or _is_promised(answer, number + 1, (number - 1) * size + len(answer.content))),
        problems=_problems(answer),
    )


def retry(instance: Instance, log_id: str, *, actor: Actor, idempotency_key: str | None = None) -> Operation:
    """Have VZaps deliver an event again, to the URL that it has now. A copy of what is in the inbox only counts there.

    A second call with the same ``idempotency_key`` sends nothing and returns the first one's operation. Accepted is not
    delivered: the log shows what became of it. Raises :class:`ChangeFailed` or :class:`OutcomeUnknown`.
    """
    api = client_for(instance)
    opened = open_operation(
        OperationKind.RETRY_DELIVERY,
        actor=actor,
        account=instance.account,
        instance=instance,
        parameters={"log_id": log_id},
        idempotency_key=idempotency_key,
    )
    if not opened.is_new:
        return opened.operation
    carry_out(
        opened.operation,
        lambda: api.webhooks.retry_log(instance_id=instance.vzaps_id, log_id=log_id, instance_token=token_of(instance)),
        consequence=lambda _answer: None,
        answer=lambda answer: {"status": answer.status, "message": answer.message},
    )
    return opened.operation


def failed(instance: Instance) -> Iterator[FailedPage]:
    """The deliveries that VZaps failed to make, page by page, each once (API.md section 5.3).

    How to ask for another page is not documented, nor how many there are: without a total, pages are read until one
    brings nothing new. That is a problem only where VZaps says that there is more. Raises :class:`ReadFailed`, also
    between pages.
    """
    seen: set[str] = set()
    read = 0
    for number in range(1, MOST_PAGES + 1):
        answer = _page(instance, number, status=FAILED)
        fresh = [log for log in answer.content if log.id not in seen]
        seen.update(log.id for log in fresh)
        if not fresh and (answer.content or not answer.without_id):
            if number > 1 and _is_promised(answer, number, read):
                problem = _("VZaps' delivery log says that there is more, and does not show it.")
                yield FailedPage(logs=(), problems=(problem,))
            return
        read += len(fresh) + answer.without_id
        yield FailedPage(
            logs=tuple(
                FailedLog(id=storable(log.id, 128), failed_at=storable_moment(log.created_at), payload=log.payload)
                for log in fresh
                if _is_failed(log)
            ),
            problems=_problems(answer),
        )
        is_guess = answer.total is None and answer.total_pages is None
        if not (fresh if is_guess else _is_promised(answer, number + 1, read)):
            return
    problem = _("The delivery log was read up to page %(count)d; there are more.") % {"count": MOST_PAGES}
    yield FailedPage(logs=(), problems=(problem,))


def body_of(instance: Instance, log: FailedLog) -> bytes | None:
    """The body that VZaps failed to deliver; None where it did not keep it. Raises :class:`ReadFailed`."""
    payload = _kept(instance, log) if log.payload is None else log.payload
    return None if payload is None else as_body(payload)


def as_body(payload: Any) -> bytes:
    """What was posted, from what the log kept of it."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return text.encode("utf-8", "replace")


def _kept(instance: Instance, log: FailedLog) -> Any:
    try:
        return _read(
            instance,
            lambda api: api.webhooks.get_log(
                instance_id=instance.vzaps_id, log_id=log.id, instance_token=token_of(instance)
            ),
        ).payload
    except ReadFailed as error:
        if isinstance(error.error, _ONE_LOG):
            return None
        raise


def _page(instance: Instance, number: int, *, status: str) -> WebhookLogPage:
    # Only the status is documented; a page is asked for when there must be one.
    paging: dict[str, Any] = {"page": number} if number > 1 else {}
    wanted: dict[str, Any] = {"status": status} if status else {}
    return _read(
        instance,
        lambda api: api.webhooks.search_logs(
            instance_id=instance.vzaps_id, instance_token=token_of(instance), **wanted, **paging
        ),
    )


def _is_failed(log: WebhookLog) -> bool:
    return (log.status or "").strip().lower() not in _NOT_FAILED


def _is_promised(answer: WebhookLogPage, number: int, read: int) -> bool:
    """Whether VZaps says that there is this page, after so many rows were read."""
    if answer.total_pages is not None:
        return number <= answer.total_pages
    return answer.total is not None and read < answer.total


def _problems(answer: WebhookLogPage) -> tuple[str, ...]:
    if not answer.without_id:
        return ()
    said = ngettext(
        "%(count)d delivery has no id under any known name and was left out.",
        "%(count)d deliveries have no id under any known name and were left out.",
        answer.without_id,
    )
    return (said % {"count": answer.without_id},)


def _read(instance: Instance, call: Callable[[VZapsClient], Answer]) -> Answer:
    try:
        return call(client_for(instance))
    except VZapsError as error:
        raise ReadFailed(in_words(error), error=error) from error
